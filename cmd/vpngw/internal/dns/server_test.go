package dns

import (
	"bytes"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// serve lets s answer on the loopback interface.
func serve(t *testing.T, s *Server) (udp, tcp string) {
	t.Helper()
	u, l := sockets(t)
	s.Serve(u, l)
	return u.LocalAddr().String(), l.Addr().String()
}

func dial(t *testing.T, network, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

func TestUDPAndTCPClients(t *testing.T) {
	s := newTestServer(t, testConfig(t))
	udp, tcp := serve(t, s)
	q := new(miekg.Msg).SetQuestion("laptop.vpn.internal.", miekg.TypeA)
	for network, addr := range map[string]string{"udp": udp, "tcp": tcp} {
		conn := &miekg.Conn{Conn: dial(t, network, addr)}
		if err := conn.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
		if a, err := conn.ReadMsg(); err != nil || len(a.Answer) != 1 {
			t.Errorf("%s: %v, %v", network, a, err)
		}
	}
	if c := s.Counters(); c.QueriesUDP != 1 || c.QueriesTCP != 1 || c.Local != 2 {
		t.Errorf("%+v", c)
	}
}

// TestTCPQueriesDoNotWaitForEachOther sends two queries in pieces; the second is answered while the
// first waits for its upstream (RFC 7766 §7).
func TestTCPQueriesDoNotWaitForEachOther(t *testing.T) {
	release := make(chan struct{})
	s, _ := askerServer(t, func(k question) *miekg.Msg {
		<-release
		return &miekg.Msg{Answer: []miekg.RR{rr(t, k.name+" 300 IN A 192.0.2.1")}}
	})
	_, tcp := serve(t, s)
	conn := dial(t, "tcp", tcp)
	var stream bytes.Buffer
	for _, name := range []string{"slow.example.", "laptop.vpn.internal."} {
		if err := writeMessage(&stream, pack(t, new(miekg.Msg).SetQuestion(name, miekg.TypeA))); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range stream.Bytes() {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	for i, want := range []string{"laptop.vpn.internal.", "slow.example."} {
		if i == 1 {
			close(release)
		}
		b, err := readMessage(conn, nil)
		m := new(miekg.Msg)
		if err != nil || m.Unpack(b) != nil || len(m.Answer) != 1 || m.Question[0].Name != want {
			t.Fatalf("%v, %v, want %s", m, err, want)
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the last answer: %v", err)
	}
}

func TestTCPGarbageEndsTheConnection(t *testing.T) {
	s := newTestServer(t, testConfig(t))
	_, tcp := serve(t, s)
	for name, b := range map[string][]byte{
		"empty message": {0, 0}, "short message": {0, 3, 1, 2, 3}, "cut off": {0xff, 0xff, 1},
		"an answer": append([]byte{0, 12}, make([]byte, 2)...),
	} {
		conn := dial(t, "tcp", tcp)
		_, _ = conn.Write(b)
		_ = conn.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(conn); len(got) > 0 {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

func TestTCPConnectionsAreBounded(t *testing.T) {
	s := newTestServer(t, testConfig(t))
	_, tcp := serve(t, s)
	q := pack(t, new(miekg.Msg).SetQuestion("laptop.vpn.internal.", miekg.TypeA))
	for range connsPerPeerMax {
		conn := dial(t, "tcp", tcp)
		_ = writeMessage(conn, q)
		if _, err := readMessage(conn, nil); err != nil {
			t.Fatal(err)
		}
	}
	over := dial(t, "tcp", tcp)
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("one over the limit is served")
	}
	if n := s.Counters().ConnsRefused; n != 1 {
		t.Errorf("%d counted", n)
	}
}

func TestStrangersGetNoAnswer(t *testing.T) {
	s := New(testConfig(t), Options{PeerName: func(netip.Addr) string { return "" }})
	defer s.Close()
	udp, tcp := serve(t, s)
	q := pack(t, new(miekg.Msg).SetQuestion("laptop.vpn.internal.", miekg.TypeA))
	conn := dial(t, "tcp", tcp)
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("TCP was answered")
	}
	_, _ = dial(t, "udp", udp).Write(q)
	deadline := time.Now().Add(20 * time.Second)
	for s.Counters().NoPeer < 2 {
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s.Counters())
		}
		runtime.Gosched()
	}
}

func TestQueriesAreLoggedIfWanted(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		cfg := testConfig(t)
		cfg.DNS.LogQueries = wanted
		var log bytes.Buffer
		s := New(cfg, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		s.ask(t, "laptop.vpn.internal.", miekg.TypeA)
		s.Close()
		if got := strings.Contains(log.String(), "peer=peer client=10.8.0.2 name=laptop.vpn.internal. type=A answer=NOERROR from=here"); got != wanted {
			t.Errorf("%v: %s", wanted, log.String())
		}
	}
}

// TestConfigureKeepsTheCache unless upstreams change.
func TestConfigureKeepsTheCache(t *testing.T) {
	cfg := testConfig(t)
	cfg.DNS.Upstreams = []config.Resolver{{Kind: config.ResolverUDP, Addr: netip.MustParseAddrPort("192.0.2.1:53")}}
	s := newTestServer(t, cfg)
	before := s.settings.Load()
	next := *cfg
	next.DNS.Domain, next.Peers = "other.example", cfg.Peers[:1]
	s.Configure(&next)
	if s.settings.Load().forward != before.forward {
		t.Error("the cache is lost")
	}
	if m := s.ask(t, "laptop.other.example.", miekg.TypeA); len(m.Answer) != 1 {
		t.Errorf("%v", m)
	}
	if m := s.ask(t, "phone.other.example.", miekg.TypeA); m.Rcode != miekg.RcodeNameError {
		t.Errorf("%v", m)
	}
	other := next
	other.DNS.Upstreams = []config.Resolver{{Kind: config.ResolverTCP, Addr: netip.MustParseAddrPort("192.0.2.1:53")}}
	s.Configure(&other)
	if s.settings.Load().forward == before.forward {
		t.Error("answers of other upstreams are kept")
	}
}

func TestCloseWaitsForNobody(t *testing.T) {
	s, _ := askerServer(t, func(question) *miekg.Msg { return nil })
	udp, tcp := serve(t, s)
	conn := dial(t, "tcp", tcp)
	q := pack(t, new(miekg.Msg).SetQuestion("slow.example.", miekg.TypeA))
	_ = writeMessage(conn, q)
	_, _ = dial(t, "udp", udp).Write(q)
	s.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("answered after Close")
	}
	u, l := sockets(t)
	if s.Serve(u, l); s.Counters().QueriesUDP > 1 {
		t.Error("serves after Close")
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the listener is open")
	}
}

func sockets(t *testing.T) (net.PacketConn, net.Listener) {
	u, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return u, l
}

// FuzzMatch: whatever a server sends, it does not crash and is not taken for an answer to another
// question.
func FuzzMatch(f *testing.F) {
	q := newMessage(key("www.example."))
	q.Id = 0x1234
	f.Add(pack(f, reply(f, q, goodRecord)))
	f.Add(binary.BigEndian.AppendUint16(nil, 0x1234))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := match(q, b)
		if m == nil {
			return
		}
		if m.Id != q.Id || !m.Response || len(m.Question) > 1 {
			t.Errorf("%v", m)
		}
		a := &answer{}
		a.answer, a.ns = scrub(m, key("www.example."))
		withoutIPv6(a)
		newCache(1).put(key("www.example."), a, time.Now())
	})
}
