package portmap

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

func TestNATPMPMapsRenewsAndDeletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		if got := w.natpmp(alice, natpmpMapTCP, 80, 61000, 60); got != (natpmpAnswer{0, 0, 80, 61000, 60}) {
			t.Errorf("%+v: never more than was asked for", got) // RFC 6886 §3.3
		}
		time.Sleep(59 * time.Second)
		if got := w.natpmp(alice, natpmpMapTCP, 80, 61005, 60); got != (natpmpAnswer{0, 59, 80, 61000, 60}) {
			t.Errorf("renewed: %+v", got)
		}
		w.natpmp(alice, natpmpMapUDP, 80, 61000, 600)
		w.natpmp(bob, natpmpMapUDP, 81, 61001, 600)
		w.natpmp(printer, natpmpMapUDP, 80, 61002, 600)
		w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80", "udp 0.0.0.0:61000 10.8.0.2:80",
			"udp 0.0.0.0:61001 10.8.0.3:81", "udp 0.0.0.0:61002 192.168.50.7:80")
		for range 2 { // the second time as if it were the first: RFC 6886 §3.4
			if got := w.natpmp(alice, natpmpMapTCP, 80, 0, 0); got.result != 0 || got.port != 0 || got.lifetime != 0 {
				t.Errorf("deleted: %+v", got)
			}
		}
		w.natpmp(alice, natpmpMapTCP, 0, 0, 0) // all, but of this protocol and host
		w.wantOpen("udp 0.0.0.0:61000 10.8.0.2:80", "udp 0.0.0.0:61001 10.8.0.3:81", "udp 0.0.0.0:61002 192.168.50.7:80")
		w.natpmp(alice, natpmpMapUDP, 0, 0, 0)
		w.wantOpen("udp 0.0.0.0:61001 10.8.0.3:81", "udp 0.0.0.0:61002 192.168.50.7:80")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		w.wantOpen()
	})
}

// TestCompanionPort: the other protocol's port of the same number is for the same host. RFC 6886 §3.3
func TestCompanionPort(t *testing.T) {
	w := newWorld(t)
	defer w.Close()
	w.natpmp(alice, natpmpMapTCP, 80, 61000, 600)
	if got := w.natpmp(bob, natpmpMapUDP, 80, 61000, 600); got.result != 0 || got.port == 61000 {
		t.Errorf("another host: %+v", got)
	}
	if got := w.natpmp(alice, natpmpMapUDP, 99, 61000, 600); got.port != 61000 {
		t.Errorf("the same host: %+v", got)
	}
	w.check()
}

// TestNATPMPAndPCPShareTheTable: what PCP made is its client's by the nonce, which NAT-PMP has not.
func TestNATPMPAndPCPShareTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		w.mustMap(web)
		if got := w.natpmp(alice, natpmpMapTCP, 80, 0, 60); got.result != 0 || got.port != 61000 || got.lifetime != 3600 {
			t.Errorf("renewed by NAT-PMP: %+v, want no shorter life", got)
		}
		for _, port := range []uint16{80, 0} {
			if got := w.natpmp(alice, natpmpMapTCP, port, 0, 0); got.result != natpmpNotAuthorized || got.internal != port {
				t.Errorf("deleted by NAT-PMP: %+v", got)
			}
		}
		w.natpmp(alice, natpmpMapUDP, 53, 61001, 600)
		if a := w.mustMap(mapRequest{from: alice, lifetime: 900, nonce: 5, protocol: 17, internal: 53}); a.externalPort != 61001 {
			t.Errorf("taken over by PCP: %+v", a)
		}
		if got := w.natpmp(alice, natpmpMapUDP, 53, 0, 0); got.result != natpmpNotAuthorized {
			t.Errorf("after that: %+v", got)
		}
		w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80", "udp 0.0.0.0:61001 10.8.0.2:53")
	})
}

func TestNATPMPErrors(t *testing.T) {
	w := newWorld(t, func(cfg *config.Config) {
		cfg.Portmap.Peers = []string{"group:staff"}
		cfg.Portmap.Protocols = []string{"udp"}
		cfg.Portmap.MaxPerPeer = 1
	})
	defer w.Close()
	for name, c := range map[string]struct {
		from     netip.Addr
		op       uint8
		internal uint16
		want     natpmpResult
	}{
		"who may not":     {bob, natpmpMapUDP, 80, natpmpNotAuthorized},
		"what may not be": {alice, natpmpMapTCP, 80, natpmpNotAuthorized},
		"no port":         {alice, natpmpMapUDP, 0, natpmpNotAuthorized},
	} {
		got := w.natpmp(c.from, c.op, c.internal, 0, 600)
		if got.result != c.want || got.internal != c.internal || got.port != 0 || got.lifetime != 0 {
			t.Errorf("%s: %+v, want %d", name, got, c.want)
		}
	}
	w.natpmp(alice, natpmpMapUDP, 80, 0, 600)
	if got := w.natpmp(printer, natpmpMapUDP, 80, 0, 600); got.result != natpmpNoResources {
		t.Errorf("above the quota: %+v", got)
	}
	if got := w.ask(bob, []byte{0, 0}); natpmpResult(got[3]) != natpmpNotAuthorized || got[8] != 0 {
		t.Errorf("the address, for who may not: %x", got)
	}
	w.external = netip.Addr{}
	w.reconfigure(func(*config.Config) {})
	if got := w.ask(alice, []byte{0, 0}); natpmpResult(got[3]) != natpmpNetworkFailure || got[8] != 0 {
		t.Errorf("the address, if nobody knows: %x", got)
	}
	if got := w.natpmp(alice, natpmpMapUDP, 80, 0, 600); got.result != natpmpNetworkFailure {
		t.Errorf("a mapping without an address: %+v", got)
	}
}
