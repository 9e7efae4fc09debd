package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

func TestDefaultGuard(t *testing.T) {
	f := newForwarder(discardLog(), 0)
	cfg := config.Default()
	cfg.Interface.Endpoint = "203.0.113.77:51820"
	cfg.Peers = []config.Peer{
		{Name: "a", AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.2/32")}},
		{Name: "site", PublicKey: config.PublicKey{1}, AllowedIPs: []netip.Prefix{
			netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix("0.0.0.0/0"),
		}},
	}
	f.configure(cfg)
	f.peers.Store(newPeerTable(cfg.Peers, nil, &f.open))
	f.policy.guard.setOwn([]net.Addr{
		&net.IPNet{IP: net.IPv4(172, 20, 5, 9), Mask: net.CIDRMask(20, 32)},
		&net.IPNet{IP: net.ParseIP("198.51.100.4"), Mask: net.CIDRMask(31, 32)},
		&net.IPNet{IP: net.ParseIP("2001:db8::1"), Mask: net.CIDRMask(64, 128)},
	})
	for _, c := range []struct {
		dst  string
		want verdict
	}{
		{"93.184.216.34", verdictAllow},
		{"192.168.1.1", verdictAllow},
		{"127.0.0.1", verdictProhibited},
		{"127.200.0.9", verdictProhibited},
		{"0.0.0.0", verdictProhibited},
		{"0.1.2.3", verdictProhibited},
		{"169.254.169.254", verdictProhibited},
		{"169.254.170.2", verdictProhibited},
		{"100.100.100.200", verdictProhibited},
		{"100.100.100.201", verdictAllow},
		{"168.63.129.16", verdictProhibited},
		{"224.0.0.251", verdictProhibited},
		{"239.255.255.250", verdictProhibited},
		{"255.255.255.255", verdictProhibited},
		{"240.0.0.1", verdictProhibited},
		{"172.20.5.9", verdictProhibited},    // an address of this host
		{"172.20.15.255", verdictProhibited}, // its network's broadcast address
		{"172.20.5.10", verdictAllow},        // a neighbour
		{"198.51.100.4", verdictProhibited},
		{"198.51.100.5", verdictAllow}, // a /31 has no broadcast address
		{"203.0.113.77", verdictProhibited},
		{"10.8.0.1", verdictNoHost},
		{"10.8.0.99", verdictNoHost},
		{"192.168.77.3", verdictNoHost},
	} {
		dst := netip.AddrPortFrom(netip.MustParseAddr(c.dst), 443)
		for _, proto := range []proto{protoTCP, protoUDP, protoICMP} {
			if got := f.policy.decide(nil, proto, dst); got.verdict != c.want {
				t.Errorf("%v %v: verdict %d by %q, want %d", proto, c.dst, got.verdict, got.rule, c.want)
			}
		}
	}
}

func TestForwardingOffForbidsAll(t *testing.T) {
	f := newForwarder(discardLog(), 0)
	cfg := config.Default()
	cfg.Forward.Enabled = false
	f.configure(cfg)
	if got := f.policy.decide(nil, protoTCP, dstA); got.verdict != verdictProhibited {
		t.Errorf("verdict %d", got.verdict)
	}
}

func TestGuardKnowsThisHost(t *testing.T) {
	g := guard{interfaces: net.InterfaceAddrs}
	if err := g.refresh(); err != nil {
		t.Fatal(err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		addr := netip.MustParsePrefix(a.String()).Addr()
		if addr.Is4() && g.denies(addr) == "" {
			t.Errorf("%v is this host's and not guarded", addr)
		}
	}
}

func TestEndpointAddressIsGuardedUntilItChanges(t *testing.T) {
	var g guard
	dst := netip.MustParseAddr("203.0.113.9")
	for _, c := range []struct {
		endpoint string
		guarded  bool
	}{{"203.0.113.9:51820", true}, {"vpn.example.com:51820", false}, {"", false}, {"203.0.113.9", false}, {"[2001:db8::1]:5", false}} {
		g.setEndpoint(c.endpoint)
		if got := g.denies(dst) != ""; got != c.guarded {
			t.Errorf("endpoint %q: guarded %v", c.endpoint, got)
		}
	}
}

func TestBroadcastAddress(t *testing.T) {
	for network, want := range map[string]string{
		"192.168.1.7/24": "192.168.1.255", "10.1.2.3/8": "10.255.255.255", "10.0.0.5/30": "10.0.0.7", "1.2.3.4/32": "1.2.3.4",
	} {
		if got := broadcast(netip.MustParsePrefix(network)); got.String() != want {
			t.Errorf("%s: %v, want %s", network, got, want)
		}
	}
}

func TestNewAddressesOfThisHostAreGuardedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newForwarder(discardLog(), 0)
		var list atomic.Pointer[[]net.Addr]
		list.Store(&[]net.Addr{})
		f.policy.guard.interfaces = func() ([]net.Addr, error) {
			if l := list.Load(); l != nil {
				return *l, nil
			}
			return nil, errors.New("the system does not say")
		}
		ctx, stop := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { f.watchHost(ctx) })
		dst := netip.MustParseAddr("198.51.100.4")
		list.Store(&[]net.Addr{&net.IPNet{IP: dst.AsSlice(), Mask: net.CIDRMask(24, 32)}})
		time.Sleep(hostAddressesRefresh)
		synctest.Wait()
		if f.policy.guard.denies(dst) == "" {
			t.Error("not guarded after the next look")
		}
		list.Store(nil)
		time.Sleep(hostAddressesRefresh)
		synctest.Wait()
		if f.policy.guard.denies(dst) == "" {
			t.Error("a look that fails forgets what was known")
		}
		stop()
		watching.Wait()
	})
}

func TestReloadDoesNotOpenTheGuard(t *testing.T) {
	var g guard
	g.setEndpoint("203.0.113.77:51820")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100_000 {
			g.setEndpoint("203.0.113.77:51820")
		}
	}()
	for open := false; !open; {
		if g.denies(netip.MustParseAddr("203.0.113.77")) == "" {
			t.Error("for a moment the endpoint was not guarded")
			open = true
		}
		select {
		case <-done:
			return
		default:
		}
	}
	<-done
}
