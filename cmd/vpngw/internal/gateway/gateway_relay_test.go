package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.zx2c4.com/wireguard/tun/tuntest"

	"vpngw/config"
	"vpngw/ourstack/wire"
)

func TestRelays(t *testing.T) {
	cfg := testConfig(t, 3)
	cfg.Peers[0].AllowedIPs = prefixes("10.8.0.2/32", "10.8.0.22/32")
	cfg.Peers[1].AllowedIPs = prefixes("10.8.0.3/32", "192.168.77.0/24")
	cfg.Peers[2].AllowedIPs = prefixes("10.8.0.4/32", "0.0.0.0/0")
	f := newForwarder(testLog(t), 1024)
	f.configure(cfg)
	f.peers.Store(newPeerTable(cfg.Peers, nil, &f.open))
	check := func(src, dst string, want bool) {
		t.Helper()
		if _, _, got := f.policy.relays(netip.MustParseAddr(src), netip.MustParseAddr(dst)); got != want {
			t.Errorf("%s to %s: %v", src, dst, got)
		}
	}
	check("10.8.0.2", "10.8.0.3", true)
	check("10.8.0.2", "192.168.77.5", true)
	check("192.168.77.5", "10.8.0.2", true)
	check("10.8.0.2", "10.8.0.22", true)     // the peer's other address
	check("10.8.0.2", "10.8.0.2", false)     // itself
	check("10.8.0.3", "192.168.77.5", false) // a network behind the sender
	check("192.168.77.5", "10.8.0.3", true)  // an address of the sender, on the way to its network
	check("10.8.0.2", "10.8.0.99", false)    // nobody's
	check("10.8.0.2", "192.0.2.1", false)    // a route of length 0 names the Internet
	check("192.0.2.1", "10.8.0.2", true)     // of the peer with that route
	cfg.Forward.PeerToPeer = false
	f.configure(cfg)
	check("10.8.0.2", "10.8.0.3", false)
	cfg.Forward.PeerToPeer, cfg.Forward.Enabled = true, false
	f.configure(cfg)
	check("10.8.0.2", "10.8.0.3", false)
}

// TestRelaysBetweenPeers: what stands for a peer is the same for all of its addresses and for no other's.
func TestRelaysBetweenPeers(t *testing.T) {
	cfg := testConfig(t, 4)
	cfg.Peers[0].AllowedIPs = prefixes("192.168.0.0/16", "10.8.0.2/32")
	cfg.Peers[1].AllowedIPs = prefixes("192.168.0.0/24") // which takes the first address of the one above
	cfg.Peers[2].AllowedIPs = prefixes("0.0.0.0/0", "fd00::/64", "10.8.0.4/30")
	cfg.Peers[3].AllowedIPs = prefixes("10.8.0.9/32")
	f := newForwarder(testLog(t), 1024)
	f.configure(cfg)
	f.peers.Store(newPeerTable(cfg.Peers, nil, &f.open))
	signs := map[netip.Addr]int{}
	for i, addrs := range [][]string{
		{"192.168.7.7", "192.168.8.8", "10.8.0.2"},
		{"192.168.0.0", "192.168.0.99"},
		{"10.8.0.5", "10.8.0.6", "192.0.2.1"},
	} {
		for _, addr := range addrs {
			from, to, ok := f.policy.relays(netip.MustParseAddr(addr), netip.MustParseAddr("10.8.0.9"))
			if was, known := signs[from]; !ok || known && was != i || to.String() != "10.8.0.9" {
				t.Errorf("%s of peer %d: from %v (also of %d) to %v, %v", addr, i, from, was, to, ok)
			}
			signs[from] = i
		}
	}
	if len(signs) != 3 {
		t.Errorf("three peers are %v", signs)
	}
}

// TestPeerToPeer: two clients, through the gateway: TCP both ways, datagrams in fragments, ping.
func TestPeerToPeer(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	a, b := s.client(0), s.client(1)
	addrs := [2]netip.Addr{s.cfg.Peers[0].AllowedIPs[0].Addr(), s.cfg.Peers[1].AllowedIPs[0].Addr()}
	s.greet(a)
	s.greet(b)
	content := bytes.Repeat([]byte("0123456789abcdef"), 128<<10)
	for i, pair := range [2][2]*client{{a, b}, {b, a}} {
		from, to, dst := pair[0], pair[1], addrs[1-i]
		l, err := to.ListenTCP(&net.TCPAddr{Port: 80})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		received := make(chan []byte, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer func() { _ = c.Close() }()
			got, _ := io.ReadAll(c)
			received <- got
		}()
		c := from.mustDialTCP(netip.AddrPortFrom(dst, 80))
		if _, err := c.Write(content); err != nil {
			t.Fatal(err)
		}
		_ = c.CloseWrite()
		if got := await(t, "content", received); !bytes.Equal(got, content) {
			t.Errorf("client %d: %d bytes of %d arrived", i, len(got), len(content))
		}
	}

	server, err := b.ListenUDP(&net.UDPAddr{Port: 53})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	dst := netip.AddrPortFrom(addrs[1], 53)
	if got, from := exchange(t, a.udpSocket(), content[:60000], dst); !bytes.Equal(got, content[:60000]) || from != dst {
		t.Errorf("%d bytes came back from %v", len(got), from)
	}
	if n := s.Status().Counters; n.PeerRelayed < 1000 || n.UDPMapped != 0 || n.TCPAccepted != 0 {
		t.Errorf("%+v", n)
	}
}

// greet waits until the tunnel of c carries something: the gateway must have heard from a peer before it
// can send to it.
func (s *site) greet(c *client) {
	s.t.Helper()
	if _, err := c.dialTCP(netip.AddrPortFrom(s.cfg.Interface.Address.Addr(), 9)); !errors.Is(err, syscall.ECONNREFUSED) {
		s.t.Fatalf("a closed port of the gateway: %v", err)
	}
}

// TestPeerToPeerTTL: a traceroute between peers sees the gateway, and the packet arrives one hop older.
func TestPeerToPeerTTL(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	a, b := s.rawClient(0), s.rawClient(1)
	src, dst := wire.Addr{10, 8, 0, 2}, wire.Addr{10, 8, 0, 3}
	probe := func(ttl uint8, src, dst wire.Addr) []byte {
		pkt := make([]byte, 40)
		ip := wire.IPv4{TotalLen: len(pkt), TTL: ttl, Protocol: 132, Src: src, Dst: dst, DF: true}
		ip.Put(pkt)
		return pkt
	}
	b.Outbound <- probe(1, dst, src) // makes b's tunnel
	for _, c := range []struct {
		at  *tuntest.ChannelTUN
		ttl uint8
		typ uint8
	}{{b, 0, wire.ICMPTimeExceeded}, {a, 1, wire.ICMPTimeExceeded}, {b, 2, 0}, {b, 64, 0}} {
		if c.ttl > 0 {
			a.Outbound <- probe(c.ttl, src, dst)
		}
		var ip wire.IPv4
		if e := ip.Parse(await(t, "packet", c.at.Inbound)); e != wire.OK {
			t.Fatal(e)
		}
		switch {
		case c.typ != 0 && (ip.Src != wire.Addr{10, 8, 0, 1} || ip.Protocol != wire.ProtoICMP || ip.Payload[0] != c.typ):
			t.Errorf("TTL %d: %+v", c.ttl, ip)
		case c.typ == 0 && (ip.Src != src || ip.TTL != c.ttl-1 || ip.Protocol != 132):
			t.Errorf("TTL %d: %+v", c.ttl, ip)
		}
	}
}

// rawClient connects peer i as a device whose packets the test makes itself.
func (s *site) rawClient(i int) *tuntest.ChannelTUN {
	s.t.Helper()
	raw := tuntest.NewChannelTUN()
	dev := clientDevice(raw.TUN())
	s.connect(dev, s.cfg.Peers[i].PrivateKey)
	s.t.Cleanup(dev.Close)
	return raw
}

// TestPeerToPeerIsOneSwitch, live; and a peer that is removed is no longer reached.
func TestPeerToPeerIsOneSwitch(t *testing.T) {
	s := startSite(t, testConfig(t, 2))
	a, b := s.client(0), s.client(1)
	s.greet(a)
	s.greet(b)
	dst := netip.AddrPortFrom(s.cfg.Peers[1].AllowedIPs[0].Addr(), 9)
	want := func(why string, want error) {
		t.Helper()
		if _, err := a.dialTCP(dst); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", why, err, want)
		}
	}
	want("the other's closed port", syscall.ECONNREFUSED)
	s.reload(func(c *config.Config) { c.Forward.PeerToPeer = false })
	want("isolated", syscall.EHOSTUNREACH)
	s.reload(func(c *config.Config) { c.Forward.PeerToPeer = true })
	want("switched on again", syscall.ECONNREFUSED)
	s.reload(func(c *config.Config) { c.Peers = c.Peers[:1] })
	want("the peer was removed", syscall.EHOSTUNREACH)
}
