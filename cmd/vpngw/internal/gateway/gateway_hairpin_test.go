package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"vpngw/adapter"
	"vpngw/cmd/vpngw/internal/portmap"
	"vpngw/config"
)

// outsideAddr is the gateway's address outside in these tests.
var outsideAddr = netip.MustParseAddr("203.0.113.77")

// A hairpinSite is a site of which all peers are connected and the first has a port that leads to its listener.
type hairpinSite struct {
	*site
	clients []*client
	l       *adapter.TCPListener
	at      netip.AddrPort // the port, as seen from outside
}

func startHairpinSite(t *testing.T, cfg *config.Config) *hairpinSite {
	t.Helper()
	s := &hairpinSite{site: startSite(t, cfg)}
	for i := range cfg.Peers {
		s.clients = append(s.clients, s.client(i))
	}
	var err error
	if s.l, err = s.clients[0].ListenTCPAddrPort(netip.MustParseAddrPort("10.8.0.2:80")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.l.Close() })
	s.at = netip.AddrPortFrom(outsideAddr, s.clients[0].mustMap(mapTCP, 80).Port())
	return s
}

// dial connects client i from a port of its own to the mapped one.
func (s *hairpinSite) dial(i int, port uint16) (*adapter.TCPConn, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	from := netip.AddrPortFrom(s.cfg.Peers[i].AllowedIPs[0].Addr(), port)
	conn, err := s.clients[i].DialContextTCPAs(ctx, from, s.at)
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		s.t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, err
}

// accept accepts a connection and returns whom it seems to come from.
func (s *hairpinSite) accept() (*adapter.TCPConn, netip.AddrPort) {
	s.t.Helper()
	c, err := s.l.AcceptTCP()
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	s.t.Cleanup(func() { _ = c.Close() })
	return c, addrPort(c.RemoteAddr())
}

// TestHairpinTCP: a peer, and the client itself, connect to a client's port by the address outside, whichever
// setting names it, and seem to come from outside too. RFC 5382 §7.2 REQ-8
func TestHairpinTCP(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"endpoint":         func(cfg *config.Config) { cfg.Interface.Endpoint = outsideAddr.String() + ":51820" },
		"address of a NAT": func(*config.Config) {}, // portmap.external_address
	} {
		t.Run(name, func(t *testing.T) {
			cfg := portmapConfig(t, 2)
			change(cfg)
			s := startHairpinSite(t, cfg)
			for i := range 2 {
				out, err := s.dial(i, 4000)
				if err != nil {
					t.Fatal(err)
				}
				in, from := s.accept()
				if from.Addr() != outsideAddr || i == 0 && from.Port() != 4000 {
					t.Errorf("client %d is seen as %v", i, from)
				}
				sent := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
				go func() {
					_, _ = out.Write(sent)
					_ = out.CloseWrite()
				}()
				if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if _, err := in.Write([]byte("answer after the other half's end")); err != nil {
					t.Fatal(err)
				}
				_ = in.Close()
				if got, err := io.ReadAll(out); err != nil || string(got) != "answer after the other half's end" {
					t.Errorf("%q, %v", got, err)
				}
				_ = out.Close()
			}
		})
	}
}

// TestHairpinTCPSourcePort: the second flow between the same two ports gets another one, and a client that has
// asked for a port is seen as that.
func TestHairpinTCPSourcePort(t *testing.T) {
	s := startHairpinSite(t, portmapConfig(t, 3))
	own := s.clients[2].mustMap(mapTCP, 4000)
	seen := map[netip.AddrPort]bool{}
	for i := range 3 {
		if _, err := s.dial(i, 4000); err != nil {
			t.Fatal(err)
		}
		_, from := s.accept()
		if i == 2 && from.Port() != own.Port() {
			t.Errorf("seen as %v, has port %d outside", from, own.Port())
		}
		seen[from] = true
	}
	if len(seen) != 3 {
		t.Errorf("%v: two flows have the same", seen)
	}
}

// TestHairpinTCPRefused: isolation, a closed port, filters and the peer's end.
func TestHairpinTCPRefused(t *testing.T) {
	cfg := portmapConfig(t, 2)
	cfg.Interface.Endpoint = outsideAddr.String() + ":51820"
	s := startHairpinSite(t, cfg)
	open, err := s.dial(1, 4000)
	if err != nil {
		t.Fatal(err)
	}
	s.accept()
	isolated := *cfg
	isolated.Forward.PeerToPeer = false
	if err := s.Reload(&isolated); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(1, 4001); !errors.Is(err, syscall.EHOSTUNREACH) && !errors.Is(err, syscall.EACCES) {
		t.Errorf("isolated: %v", err)
	}
	if _, err := s.dial(0, 4002); err != nil {
		t.Errorf("isolated, to itself: %v", err)
	}
	s.accept()
	if err := s.Reload(cfg); err != nil {
		t.Fatal(err)
	}

	port := s.fwd.tcpPorts.find(s.at.Port())
	port.SetFilters([]portmap.Filter{{Prefix: netip.MustParsePrefix("198.51.100.0/24")}})
	if _, err := s.dial(1, 4003); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("filtered: %v", err)
	}
	port.SetFilters(nil)
	_ = s.l.Close()
	if _, err := s.dial(1, 4004); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}

	gone := *cfg
	gone.Peers = cfg.Peers[1:]
	if err := s.Reload(&gone); err != nil {
		t.Fatal(err)
	}
	wantReset(t, "the peer with the port is removed", open)
	if _, err := s.dial(1, 4005); err == nil {
		t.Error("the port is there still")
	}
	if n := len(port.slots); n > 1 { // one is for the next connection that is accepted
		t.Errorf("%d flows hold the port", n)
	}
}
