package gateway

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"vpngw/adapter"
	"vpngw/cmd/vpngw/internal/portmap"
	"vpngw/config"
)

// strangerAddr is an address of hosts that no client ever sent to.
var strangerAddr = netip.MustParseAddr("198.51.100.9")

// portmapConfig lets n peers ask for ports of the loopback interface.
func portmapConfig(t *testing.T, n int) *config.Config {
	t.Helper()
	cfg := testConfig(t, n)
	cfg.Portmap.Enabled = true
	cfg.Portmap.BindAddress = netip.MustParseAddr("127.0.0.1")
	cfg.Portmap.ExternalAddress = netip.MustParseAddr("203.0.113.77")
	return cfg
}

// strangersListener shows all connections as from strangerAddr.
type strangersListener struct{ tcpListener }

func (l strangersListener) accept() (tcpConn, netip.AddrPort, error) {
	c, src, err := l.tcpListener.accept()
	return c, netip.AddrPortFrom(strangerAddr, src.Port()), err
}

func strangers(g *Gateway) {
	g.fwd.listenTCP = func(at netip.AddrPort) (tcpListener, error) {
		l, err := listenTCP(at)
		if err != nil {
			return nil, err
		}
		return strangersListener{l}, nil
	}
}

// stranger is a UDP socket outside, and its address as clients see it.
func (s *site) stranger(virtual string) (*net.UDPConn, netip.AddrPort) {
	s.t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c, s.place(virtual, c.LocalAddr())
}

// request sends a NAT-PMP mapping request (RFC 6886 §3.3) and returns the result and the port.
func (c *client) request(op uint8, internal uint16, lifetime uint32) (result uint16, at netip.AddrPort) {
	c.t.Helper()
	b := binary.BigEndian.AppendUint16([]byte{0, op, 0, 0}, internal)
	b = binary.BigEndian.AppendUint32(append(b, 0, 0), lifetime)
	got, _ := exchange(c.t, c.udpSocket(), b, netip.MustParseAddrPort("10.8.0.1:5351"))
	if len(got) != 16 {
		c.t.Fatalf("the answer is %x", got)
	}
	return binary.BigEndian.Uint16(got[2:]),
		netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), binary.BigEndian.Uint16(got[10:]))
}

const mapUDP, mapTCP = 1, 2 // opcodes of NAT-PMP

// mustMap is request that must succeed.
func (c *client) mustMap(op uint8, internal uint16) netip.AddrPort {
	c.t.Helper()
	result, at := c.request(op, internal, 3600)
	if result != 0 || at.Port() == 0 {
		c.t.Fatalf("result %d, port %d", result, at.Port())
	}
	return at
}

// wantFrom waits for a datagram of a client's socket.
func wantFrom(t *testing.T, u *adapter.UDPConn, text string, from netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 2000)
	_ = u.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, src, err := u.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != text || src != from {
		t.Fatalf("%q from %v, %v; want %q from %v", buf[:n], src, err, text, from)
	}
}

// TestPortmapUDP: anyone reaches the client at its port and is answered from it; and all that the client
// sends from the mapped socket leaves by it.
func TestPortmapUDP(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1))
	c := s.client(0)
	u, err := c.ListenUDPAddrPort(netip.MustParseAddrPort("10.8.0.2:5060"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	at := c.mustMap(mapUDP, 5060)
	buf := make([]byte, 2000)
	for _, virtual := range []string{"198.51.100.9:4000", "198.51.100.10:4001"} {
		outside, as := s.stranger(virtual)
		if _, err := outside.WriteToUDPAddrPort([]byte("hello"), at); err != nil {
			t.Fatal(err)
		}
		wantFrom(t, u, "hello", as)
		if _, err := u.WriteToUDPAddrPort([]byte("answer"), as); err != nil {
			t.Fatal(err)
		}
		n, from, err := outside.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "answer" || from != at {
			t.Fatalf("outside: %q from %v, %v", buf[:n], from, err)
		}
	}
	other, as := s.stranger("192.0.2.44:9000") // whom the client sends to first
	if _, err := u.WriteToUDPAddrPort([]byte("first"), as); err != nil {
		t.Fatal(err)
	}
	if n, from, err := other.ReadFromUDPAddrPort(buf); err != nil || from != at {
		t.Errorf("outside: %q from %v, %v; want it from the mapped port %v", buf[:n], from, err, at)
	}
	status := s.Status()
	if p := status.Peers[0].Ports; len(p) != 1 || p[0].Port != at.Port() || p[0].Internal.String() != "10.8.0.2:5060" ||
		p[0].Protocol != "udp" || status.Portmap.Mapped != 1 || status.Peers[0].Flows.UDP != 1 {
		t.Errorf("status %+v, %+v", p, status.Portmap)
	}
	if result, _ := c.request(mapUDP, 5060, 0); result != 0 {
		t.Errorf("delete: %d", result)
	}
	if got := s.Status().Peers[0].Flows.UDP; got != 0 {
		t.Errorf("%d UDP flows after the mapping's end", got)
	}
}

// TestPortmapUDPFromAnotherPeer: a peer reaches another's port at the address outside too, and sees the
// answer come from there. RFC 4787 §6 REQ-9
func TestPortmapUDPFromAnotherPeer(t *testing.T) {
	cfg := portmapConfig(t, 2)
	cfg.Interface.Endpoint = "203.0.113.77:51820"
	s := startSite(t, cfg)
	c := s.client(0)
	u, err := c.ListenUDPAddrPort(netip.MustParseAddrPort("10.8.0.2:5060"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	at := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.77"), c.mustMap(mapUDP, 5060).Port())
	other := s.client(1).udpSocket()
	if _, err := other.WriteToUDPAddrPort([]byte("hello"), at); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	_ = u.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, from, err := u.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "hello" || from.Addr() != at.Addr() {
		t.Fatalf("%q from %v, %v", buf[:n], from, err)
	}
	if _, err := u.WriteToUDPAddrPort([]byte("answer"), from); err != nil {
		t.Fatal(err)
	}
	wantFrom(t, other, "answer", at)
}

// TestPortmapUDPTakesOverTheSocket: a client that has sent before keeps what comes to its old mapping,
// and what it sends leaves by the port from now on.
func TestPortmapUDPTakesOverTheSocket(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1))
	c := s.client(0)
	u, err := c.ListenUDPAddrPort(netip.MustParseAddrPort("10.8.0.2:5060"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	outside, as := s.stranger("192.0.2.44:9000")
	buf := make([]byte, 2000)
	send := func() netip.AddrPort {
		t.Helper()
		if _, err := u.WriteToUDPAddrPort([]byte("x"), as); err != nil {
			t.Fatal(err)
		}
		_, from, err := outside.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		return from
	}
	before := send()
	at := c.mustMap(mapUDP, 5060)
	if _, err := outside.WriteToUDPAddrPort([]byte("late"), before); err != nil {
		t.Fatal(err)
	}
	wantFrom(t, u, "late", as)
	if after := send(); after != at || before == at {
		t.Errorf("sent from %v, before from %v, mapped is %v", after, before, at)
	}
}

// dialPort connects to a mapped TCP port from outside.
func dialPort(t *testing.T, at netip.AddrPort) *net.TCPConn {
	t.Helper()
	c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// wantReset reads until the connection is reset.
func wantReset(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%s: %d, %v; want a reset", what, n, err)
	}
}

// wantPortReset connects to a mapped port and wants a reset: the system accepts before the client is
// asked, and so it comes at any time.
func wantPortReset(t *testing.T, what string, at netip.AddrPort) {
	t.Helper()
	c, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(at))
	if errors.Is(err, syscall.ECONNRESET) {
		return
	}
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	wantReset(t, what, c)
}

// TestPortmapTCP: a connection from outside reaches the client with its true source, and both ends see
// each other's half-close and reset.
func TestPortmapTCP(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1), strangers)
	c := s.client(0)
	l, err := c.ListenTCPAddrPort(netip.MustParseAddrPort("10.8.0.2:80"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	at := c.mustMap(mapTCP, 80)
	open := func() (*net.TCPConn, *adapter.TCPConn) {
		t.Helper()
		outside := dialPort(t, at)
		inside, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		_ = inside.SetDeadline(time.Now().Add(20 * time.Second))
		want := netip.AddrPortFrom(strangerAddr, addrPort(outside.LocalAddr()).Port())
		if got := addrPort(inside.RemoteAddr()); got != want {
			t.Errorf("the client sees %v, want %v", got, want)
		}
		return outside, inside
	}

	outside, inside := open()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	go func() {
		_, _ = outside.Write(sent)
		_ = outside.CloseWrite()
	}()
	if got, err := io.ReadAll(inside); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("inside: %d bytes, %v", len(got), err)
	}
	if _, err := inside.Write([]byte("answer after the other half's end")); err != nil {
		t.Fatal(err)
	}
	_ = inside.Close()
	if got, err := io.ReadAll(outside); err != nil || string(got) != "answer after the other half's end" {
		t.Errorf("outside: %q, %v", got, err)
	}

	outside, inside = open()
	_ = inside.SetLinger(0)
	_ = inside.Close()
	wantReset(t, "reset by the client", outside)

	outside, inside = open()
	_ = outside.SetLinger(0)
	_ = outside.Close()
	wantReset(t, "reset from outside", inside)

	_ = l.Close()
	wantPortReset(t, "refused by the client", at)
	if got := s.Status().Counters; got.TCPAccepted != 3 || got.TCPRefused != 1 {
		t.Errorf("%+v", got)
	}
}

// TestPortmapOutlivedByItsConnections: a mapping's end closes the port, not what came by it.
func TestPortmapOutlivedByItsConnections(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1), strangers)
	c := s.client(0)
	l, err := c.ListenTCPAddrPort(netip.MustParseAddrPort("10.8.0.2:80"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	at := c.mustMap(mapTCP, 80)
	outside := dialPort(t, at)
	inside, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	if result, _ := c.request(mapTCP, 80, 0); result != 0 {
		t.Fatalf("delete: %d", result)
	}
	if conn, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(at)); err == nil {
		_ = conn.Close()
		t.Error("the port is open after its mapping's end")
	}
	if _, err := outside.Write([]byte("still there")); err != nil {
		t.Fatal(err)
	}
	_ = outside.CloseWrite()
	_ = inside.SetDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(inside); err != nil || string(got) != "still there" {
		t.Errorf("%q, %v", got, err)
	}
	_ = inside.Close()
}

// TestPortmapKeepsThisHostOut: what this host itself sends to a port would come to the client as from
// 127.0.0.1.
func TestPortmapKeepsThisHostOut(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1))
	c := s.client(0)
	wantPortReset(t, "from this host", c.mustMap(mapTCP, 80))
	at := c.mustMap(mapUDP, 5060)
	u, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	if _, err := u.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); s.Status().Counters.UDPStranger == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the datagram is not counted as a stranger's")
		}
	}
	if got := s.Status().Counters; got.TCPDenied != 1 {
		t.Errorf("%+v", got)
	}
}

// TestPortmapOfARemovedPeerEnds, as does that of an address that is no longer the peer's.
func TestPortmapOfARemovedPeerEnds(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"removed": func(cfg *config.Config) { cfg.Peers = cfg.Peers[1:] },
		"moved": func(cfg *config.Config) {
			p := cfg.Peers[0]
			p.AllowedIPs = prefixes("10.8.0.77/32")
			cfg.Peers = []config.Peer{p, cfg.Peers[1]}
		},
		"off": func(cfg *config.Config) { cfg.Portmap.Enabled = false },
	} {
		t.Run(name, func(t *testing.T) {
			s := startSite(t, portmapConfig(t, 2), strangers)
			c := s.client(0)
			tcp, udp := c.mustMap(mapTCP, 80), c.mustMap(mapUDP, 80)
			cfg := *s.cfg
			change(&cfg)
			if err := s.Reload(&cfg); err != nil {
				t.Fatal(err)
			}
			l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(tcp))
			if err != nil {
				t.Errorf("the TCP port is still open: %v", err)
			} else {
				_ = l.Close()
			}
			u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(udp))
			if err != nil {
				t.Errorf("the UDP port is still open: %v", err)
			} else {
				_ = u.Close()
			}
			for _, p := range s.Status().Peers {
				if len(p.Ports) > 0 {
					t.Errorf("%s has %v", p.Name, p.Ports)
				}
			}
		})
	}
}

// TestPortmapIsOffUnlessWanted: a client is told at once that there is nobody (RFC 6886 §3.1), and
// answered once a reload turns it on.
func TestPortmapIsOffUnlessWanted(t *testing.T) {
	cfg := portmapConfig(t, 1)
	cfg.Portmap.Enabled = false
	s := startSite(t, cfg)
	c := s.client(0)
	u, err := c.DialUDPAddrPort(netip.AddrPort{}, netip.MustParseAddrPort("10.8.0.1:5351"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	if _, err := u.Write([]byte{0, 0}); err != nil {
		t.Fatal(err)
	}
	_ = u.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := u.Read(make([]byte, 20)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v, want port unreachable", err)
	}
	on := *cfg
	on.Portmap.Enabled = true
	if err := s.Reload(&on); err != nil {
		t.Fatal(err)
	}
	answer, _ := exchange(t, c.udpSocket(), []byte{0, 0}, netip.MustParseAddrPort("10.8.0.1:5351"))
	if !bytes.Equal(answer[8:], []byte{203, 0, 113, 77}) {
		t.Errorf("%x", answer)
	}
}

// TestPortmapWhileDraining: no new port, and no new connection.
func TestPortmapWhileDraining(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1), strangers)
	c := s.client(0)
	at := c.mustMap(mapTCP, 80)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Drain(ctx)
	wantPortReset(t, "draining", at)
	if result, _ := c.request(mapUDP, 80, 60); result == 0 {
		t.Error("a port is given while draining")
	}
}

// TestOpenPortErrors: a taken port is one that another may be tried for.
func TestOpenPortErrors(t *testing.T) {
	s := startSite(t, portmapConfig(t, 1))
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = u.Close() }()
	client := netip.MustParseAddrPort("10.8.0.2:80")
	never := func() { t.Error("ended is called for a port that was not opened") }
	for p, at := range map[portmap.Protocol]net.Addr{portmap.TCP: l.Addr(), portmap.UDP: u.LocalAddr()} {
		if _, err := s.fwd.openPort(p, addrPort(at), client, never); !errors.Is(err, portmap.ErrPortTaken) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if _, err := s.fwd.openPort(portmap.TCP, netip.AddrPort{}, netip.MustParseAddrPort("10.8.0.9:80"), never); err == nil {
		t.Error("a port for nobody")
	}
	held := s.fwd.budgets.total()
	if held.UDP != 0 || s.fwd.ports.used != 0 {
		t.Errorf("%+v and %d ports are held", held, s.fwd.ports.used)
	}
}
