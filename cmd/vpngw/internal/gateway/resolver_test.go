package gateway

import (
	"net"
	"net/netip"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// ask asks the gateway's resolver over network, "udp" or "tcp", until an answer is there: a
// datagram may be lost.
func (c *client) ask(network, name string, qtype uint16) *miekg.Msg {
	c.t.Helper()
	q := new(miekg.Msg).SetQuestion(name, qtype)
	for range 10 {
		conn, err := c.DialContext(c.t.Context(), network, "10.8.0.1:53")
		if err != nil {
			c.t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		m, _, err := new(miekg.Client).ExchangeWithConn(q, &miekg.Conn{Conn: conn, UDPSize: miekg.MaxMsgSize})
		_ = conn.Close()
		if err == nil {
			return m
		}
		c.t.Logf("%s %s: %v", network, name, err)
	}
	c.t.Fatalf("no answer to %s over %s", name, network)
	return nil
}

// addresses are the addresses in an answer.
func addressesIn(m *miekg.Msg) (found []netip.Addr) {
	for _, rr := range m.Answer {
		if a, ok := rr.(*miekg.A); ok {
			found = append(found, netip.AddrFrom4([4]byte(a.A.To4())))
		}
	}
	return found
}

// nameServer is a server on the loopback interface, UDP and TCP, that knows one address of every
// name.
func nameServer(t *testing.T, address string) config.Resolver {
	t.Helper()
	handler := miekg.HandlerFunc(func(w miekg.ResponseWriter, q *miekg.Msg) {
		m := new(miekg.Msg).SetReply(q)
		m.Answer = []miekg.RR{&miekg.A{
			Hdr: miekg.RR_Header{Name: q.Question[0].Name, Rrtype: miekg.TypeA, Class: miekg.ClassINET, Ttl: 300},
			A:   net.ParseIP(address),
		}}
		_ = w.WriteMsg(m)
	})
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	s := &miekg.Server{PacketConn: conn, Handler: handler, NotifyStartedFunc: func() { close(started) }}
	done := make(chan struct{})
	go func() {
		_ = s.ActivateAndServe()
		close(done)
	}()
	<-started
	t.Cleanup(func() {
		_ = s.Shutdown()
		<-done
	})
	return config.Resolver{Kind: config.ResolverUDP, Addr: addrPort(conn.LocalAddr())}
}

// TestUpstreamsBehindPeersAreAskedThroughTheTunnel: a site's resolver that only the site's peer leads to.
func TestUpstreamsBehindPeersAreAskedThroughTheTunnel(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		cfg := testConfig(t, 2)
		kind := config.ResolverUDP
		if network == "tcp" {
			kind = config.ResolverTCP
		}
		inside := netip.AddrPortFrom(cfg.Peers[1].AllowedIPs[0].Addr(), 53)
		cfg.DNS.Upstreams = []config.Resolver{nameServer(t, "192.0.2.80")}
		cfg.DNS.Routes = []config.DNSRoute{{Suffix: "site.example", Upstreams: []config.Resolver{{Kind: kind, Addr: inside}}}}
		s := startSite(t, cfg)
		c, site := s.client(0), s.client(1)
		asked := make(chan net.Addr, 10)
		answer := miekg.HandlerFunc(func(w miekg.ResponseWriter, q *miekg.Msg) {
			asked <- w.RemoteAddr()
			m := new(miekg.Msg).SetReply(q)
			m.Answer = []miekg.RR{&miekg.A{
				Hdr: miekg.RR_Header{Name: q.Question[0].Name, Rrtype: miekg.TypeA, Class: miekg.ClassINET, Ttl: 300},
				A:   net.IPv4(192, 168, 77, 7),
			}}
			_ = w.WriteMsg(m)
		})
		server := &miekg.Server{Handler: answer}
		var err error
		if network == "udp" {
			server.PacketConn, err = site.ListenUDPAddrPort(inside)
		} else {
			server.Listener, err = site.ListenTCPAddrPort(inside)
		}
		if err != nil {
			t.Fatal(err)
		}
		started, done := make(chan struct{}), make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() {
			_ = server.ActivateAndServe()
			close(done)
		}()
		<-started
		s.greet(site)
		if got := addressesIn(c.ask("udp", "wiki.site.example.", miekg.TypeA)); len(got) != 1 || got[0].String() != "192.168.77.7" {
			t.Errorf("over %s: %v", network, got)
		}
		if from := addrPort(<-asked); from.Addr() != netip.MustParseAddr("10.8.0.1") {
			t.Errorf("over %s: the site's resolver is asked by %s", network, from)
		}
		if got := addressesIn(c.ask("udp", "www.example.", miekg.TypeA)); len(got) != 1 || got[0].String() != "192.0.2.80" {
			t.Errorf("another name: %v", got)
		}
		_ = server.Shutdown()
		<-done
	}
}

func TestNamesThroughTheTunnel(t *testing.T) {
	cfg := testConfig(t, 2)
	cfg.DNS.Upstreams = []config.Resolver{nameServer(t, "192.0.2.80")}
	s := startSite(t, cfg)
	c := s.client(0)
	for _, network := range []string{"udp", "tcp"} {
		for name, want := range map[string]string{
			"p1.vpn.internal.": "10.8.0.3", "p0.": "10.8.0.2", "vpn.internal.": "10.8.0.1", "www.example.": "192.0.2.80",
		} {
			m := c.ask(network, name, miekg.TypeA)
			if got := addressesIn(m); len(got) != 1 || got[0].String() != want {
				t.Errorf("%s over %s: %v, want %s", name, network, m, want)
			}
		}
	}
	m := c.ask("udp", "3.0.8.10.in-addr.arpa.", miekg.TypePTR)
	if len(m.Answer) != 1 || m.Answer[0].(*miekg.PTR).Ptr != "p1.vpn.internal." {
		t.Errorf("reverse: %v", m)
	}
	st := s.Status().DNS
	if st.QueriesUDP < 5 || st.QueriesTCP != 4 || st.Forwarded != 1 || st.CacheHits < 1 || st.Local < 7 {
		t.Errorf("%+v", st)
	}
}

func TestReloadChangesTheResolver(t *testing.T) {
	cfg := testConfig(t, 1)
	cfg.DNS.Upstreams = []config.Resolver{nameServer(t, "192.0.2.80")}
	s := startSite(t, cfg)
	c := s.client(0)
	want := func(name, address string) {
		t.Helper()
		if got := addressesIn(c.ask("udp", name, miekg.TypeA)); len(got) != 1 || got[0].String() != address {
			t.Errorf("%s: %v, want %s", name, got, address)
		}
	}
	want("www.example.", "192.0.2.80")
	other := nameServer(t, "192.0.2.81")
	s.reload(func(c *config.Config) { c.DNS.Upstreams = []config.Resolver{other} })
	want("www.example.", "192.0.2.81")

	s.reload(func(c *config.Config) { c.Peers = append(c.Peers, testConfigPeer(t, 1)) })
	want("p1.vpn.internal.", "10.8.0.3")

	s.reload(func(c *config.Config) { c.DNS.Enabled = false })
	if conn, err := c.dialTCP(netip.MustParseAddrPort("10.8.0.1:53")); err == nil {
		_ = conn.Close()
		t.Error("the resolver that is off accepts a connection")
	}
	s.reload(func(c *config.Config) { c.DNS.Enabled = true })
	want("p1.vpn.internal.", "10.8.0.3")
}
