package portmap

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

func TestOnlyPeersAreAnswered(t *testing.T) {
	w := newWorld(t)
	if got := w.ask(nobody, mapRequest{from: nobody}.message()); got != nil || w.Counters().NoPeer != 1 {
		t.Errorf("%x, %+v", got, w.Counters())
	}
}

func TestWhoAndWhatTheOperatorAllows(t *testing.T) {
	w := newWorld(t, func(cfg *config.Config) {
		cfg.Portmap.Peers = []string{"bob"}
		cfg.Portmap.Protocols = []string{"tcp"}
		cfg.Portmap.BindAddress = netip.MustParseAddr("203.0.113.2")
		cfg.Portmap.ExternalAddress = netip.MustParseAddr("203.0.113.3")
	})
	defer w.Close()
	if a := w.mapping(web); a.result != pcpNotAuthorized || a.lifetime != 1800 {
		t.Errorf("another peer: %+v", a)
	}
	of := web.with(func(r *mapRequest) { r.from = bob })
	if a := w.mapping(of.with(func(r *mapRequest) { r.protocol = 17 })); a.result != pcpNotAuthorized {
		t.Errorf("another protocol: %+v", a)
	}
	if a := w.mustMap(of); a.external != netip.MustParseAddr("203.0.113.3") {
		t.Errorf("%+v", a)
	}
	w.wantOpen("tcp 203.0.113.2:61000 10.8.0.3:80")
}

// TestConfigureEndsWhatIsNotAllowed: and tells the clients by the epoch. RFC 6887 §8.5
func TestConfigureEndsWhatIsNotAllowed(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"off":            func(c *config.Config) { c.Portmap.Enabled = false },
		"the protocol":   func(c *config.Config) { c.Portmap.Protocols = []string{"udp"} },
		"the port":       func(c *config.Config) { c.Portmap.Ports = []config.PortRange{{First: 61001, Last: 61001}} },
		"the peer":       func(c *config.Config) { c.Portmap.Peers = []string{"bob"} },
		"the bound host": func(c *config.Config) { c.Portmap.BindAddress = outside },
		"the peer itself": func(c *config.Config) {
			c.Peers = []config.Peer{{Name: "new", PublicKey: config.PublicKey{7}}, c.Peers[1]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.Close()
				w.mustMap(web)
				time.Sleep(time.Minute)
				w.reconfigure(func(c *config.Config) { c.Portmap.MaxLifetime = time.Hour })
				w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80")
				w.reconfigure(change)
				w.wantOpen()
				if got := w.epochTime(time.Now()); got != 0 || w.Counters().Ended != 1 {
					t.Errorf("epoch %d, %+v", got, w.Counters())
				}
			})
		})
	}
}

// TestEpochStartsAnewWithTheAddress: "if the external IP address(es) of the NAT […] changes, the Epoch
// time MUST be reset" RFC 6887 §8.5.
func TestEpochStartsAnewWithTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		w.mustMap(web)
		time.Sleep(time.Minute)
		w.external = netip.Addr{} // unknown for a while, and the same again
		if a := w.mapping(web); a.result != pcpNetworkFailure || a.epoch != 60 {
			t.Errorf("%+v", a)
		}
		w.external = outside
		time.Sleep(externalCheck)
		if a := w.mustMap(web); a.epoch != 70 {
			t.Errorf("%+v", a)
		}
		w.external = netip.MustParseAddr("198.51.100.2")
		time.Sleep(externalCheck)
		if a := w.mustMap(web); a.epoch != 0 || a.external != w.external || a.externalPort != 61000 {
			t.Errorf("%+v", a)
		}
	})
}

// TestPortClosedByOthers: the mapping of a peer that was removed is gone, and its port rests.
func TestPortClosedByOthers(t *testing.T) {
	w := newWorld(t)
	defer w.Close()
	w.mustMap(web)
	p := w.open[outer{TCP, 61000}]
	p.ended()
	p.ended()
	w.wantOpen()
	if w.Counters().Ended != 1 {
		t.Errorf("%+v", w.Counters())
	}
	w.mustMap(web)
	p.ended() // the old one's, late
	w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80")
}

func TestTooManyRequestsOfOnePeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 2 * requestsPerSecond {
			if got := w.ask(alice, []byte{0, 0}); (got != nil) != (i < requestsPerSecond) {
				t.Fatalf("request %d: %x", i, got)
			}
		}
		if w.ask(bob, []byte{0, 0}) == nil {
			t.Error("another peer is not answered")
		}
		if w.ask(printer, []byte{0, 0}) != nil {
			t.Error("another host of the same peer is answered")
		}
		time.Sleep(time.Second)
		if w.ask(alice, []byte{0, 0}) == nil || w.Counters().OverLimit != requestsPerSecond+1 {
			t.Errorf("a second later: %+v", w.Counters())
		}
	})
}

// TestServe: over a socket, until Silence, and again after it, until Close.
func TestServe(t *testing.T) {
	w := newWorld(t)
	w.options.Peer = func(netip.Addr) *config.Peer { return &w.cfg.Peers[0] }
	for range 2 {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		w.Serve(conn)
		client, err := net.DialUDP("udp4", nil, conn.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		_ = client.SetDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 100)
		if _, err := client.Write([]byte{0, 0}); err != nil {
			t.Fatal(err)
		}
		if n, err := client.Read(buf); err != nil || n != 12 {
			t.Errorf("%x, %v", buf[:n], err)
		}
		_ = client.Close()
		w.Silence()
		if _, err := conn.WriteTo(nil, conn.LocalAddr()); err == nil {
			t.Error("Silence has not closed the socket")
		}
	}
	w.mustMap(web)
	w.Close()
	w.wantOpen()
	if got := w.ask(alice, []byte{0, 0}); got != nil {
		t.Errorf("after Close: %x", got)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	w.Serve(conn)
	if _, err := conn.WriteTo(nil, conn.LocalAddr()); err == nil {
		t.Error("Serve after Close has not closed the socket")
	}
}
