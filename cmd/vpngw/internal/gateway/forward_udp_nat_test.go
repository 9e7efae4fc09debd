package gateway

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

// reconfigure applies a change of the settings to a running gateway.
func (w *udpWorld) reconfigure(change func(*config.Forward)) {
	cfg := config.Default()
	change(&cfg.Forward)
	w.configure(cfg)
}

// TestUDPFiltering: the three of RFC 4787 §5, each in force at once for mappings that are open.
func TestUDPFiltering(t *testing.T) {
	otherPort := netip.AddrPortFrom(dstA.Addr(), dstA.Port()+1)
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		synctest.Wait()
		for _, c := range []struct {
			filtering                   string
			known, otherPort, otherHost bool
		}{
			{config.FilterAddress, true, true, false},
			{config.FilterAddressAndPort, true, false, false},
			{config.FilterEndpointIndependent, true, true, true},
			{config.FilterAddress, true, true, false},
		} {
			w.reconfigure(func(f *config.Forward) { f.UDPFiltering = c.filtering })
			strangers := w.counters.udpStranger.Load()
			for src, want := range map[netip.AddrPort]bool{dstA: c.known, otherPort: c.otherPort, dstB: c.otherHost} {
				w.ups[0].in <- datagram{text: "x", addr: src}
				got, passed := r.sock.next()
				if passed != want || passed && got.addr != src {
					t.Errorf("%s: from %v: passed %v as %+v", c.filtering, src, passed, got)
				}
				if !want {
					strangers++
				}
			}
			if n := w.counters.udpStranger.Load(); n != strangers {
				t.Errorf("%s: %d strangers, want %d", c.filtering, n, strangers)
			}
		}
	})
}

// TestUDPTimeoutsByPort: the longest of the ports that a mapping spoke to, also after a reload.
func TestUDPTimeoutsByPort(t *testing.T) {
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(dstA.Addr(), port) }
	for _, c := range []struct {
		name string
		dsts []netip.AddrPort
		want time.Duration
	}{
		{"NTP", []netip.AddrPort{at(123)}, time.Minute},
		{"SIP", []netip.AddrPort{at(5061)}, 10 * time.Minute},
		{"DNS, then NTP", []netip.AddrPort{at(53), at(123)}, time.Minute},
		{"SIP, then another, then DNS", []netip.AddrPort{at(5060), at(9), at(53)}, 10 * time.Minute},
	} {
		inUDPWorld(t, func(t *testing.T, w *udpWorld) {
			w.reconfigure(func(f *config.Forward) {
				f.UDPPortTimeouts = config.PortTimeouts{
					{First: 123, Last: 123, Timeout: time.Minute}, {First: 5060, Last: 5061, Timeout: 10 * time.Minute},
				}
			})
			r := w.send("10.8.0.2:5000", "q", c.dsts[0])
			for _, dst := range c.dsts[1:] {
				r.sock.in <- datagram{text: "q", addr: dst}
			}
			synctest.Wait()
			time.Sleep(c.want - time.Second)
			if r.sock.isClosed() {
				t.Errorf("%s: ended before %v", c.name, c.want)
			}
			time.Sleep(time.Second)
			if !r.sock.isClosed() {
				t.Errorf("%s: not ended after %v", c.name, c.want)
			}
		})
	}
}

// TestShorterUDPTimeoutsReachOpenMappings at the reload: what has been idle for longer ends at once, what has not
// when it has.
func TestShorterUDPTimeoutsReachOpenMappings(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		sip := netip.AddrPortFrom(dstA.Addr(), 5060)
		w.reconfigure(func(f *config.Forward) {
			f.UDPPortTimeouts = config.PortTimeouts{{First: 5060, Last: 5060, Timeout: time.Hour}}
		})
		long, recent := w.send("10.8.0.2:5000", "q", sip), w.send("10.8.0.2:5001", "q", sip)
		time.Sleep(2 * time.Minute)
		recent.sock.in <- datagram{text: "q", addr: sip}
		synctest.Wait()
		w.reconfigure(func(f *config.Forward) {
			f.UDPPortTimeouts = config.PortTimeouts{{First: 5060, Last: 5060, Timeout: time.Minute}}
		})
		if !long.sock.isClosed() || recent.sock.isClosed() {
			t.Errorf("after the reload: idle for 2m %v, just used %v", long.sock.isClosed(), recent.sock.isClosed())
		}
		time.Sleep(time.Minute)
		if !recent.sock.isClosed() {
			t.Error("open after its new timeout")
		}
	})
}

// TestUDPCarriesTOS: DSCP and ECN are the ends' affair, both ways.
func TestUDPCarriesTOS(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		synctest.Wait()
		w.ups[0].next()
		r.sock.in <- datagram{text: "up", addr: dstA, tos: 0xB9}
		if got, ok := w.ups[0].next(); !ok || got.tos != 0xB9 {
			t.Errorf("to the network: %+v", got)
		}
		w.ups[0].in <- datagram{text: "down", addr: dstA, tos: 0x03}
		if got, ok := r.sock.next(); !ok || got.tos != 0x03 {
			t.Errorf("to the client: %+v", got)
		}
	})
}

// TestUDPHairpin: a client reaches another's mapping, and its own, at its external address; it is seen
// at its own external port; the host itself stays guarded.
func TestUDPHairpin(t *testing.T) {
	host := netip.MustParseAddr("198.51.100.7")
	endpoint := netip.MustParseAddr("198.51.100.8")
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		w.policy.guard.setOwn([]net.Addr{&net.IPNet{IP: host.AsSlice(), Mask: net.CIDRMask(24, 32)}})
		w.policy.guard.setEndpoint(endpoint.String() + ":51820")
		a := w.send("10.8.0.2:5000", "q", dstA)
		b := w.send("10.8.0.3:6000", "q", dstA)
		synctest.Wait()
		portA, portB := w.ups[0].number, w.ups[1].number
		for _, outer := range []netip.Addr{host, endpoint} {
			atA, atB := netip.AddrPortFrom(outer, portA), netip.AddrPortFrom(outer, portB)
			a.sock.in <- datagram{text: "first", addr: atB}
			wantNoDatagram(t, "b has never sent there", b.sock)
			b.sock.in <- datagram{text: "second", addr: atA}
			wantDatagram(t, "a has", a.sock, "second", atB)
			a.sock.in <- datagram{text: "third", addr: atB}
			wantDatagram(t, "now b has", b.sock, "third", atA)
			a.sock.in <- datagram{text: "self", addr: atA}
			wantDatagram(t, "a to itself", a.sock, "self", atA)
			// The first datagram of a socket may go to a mapping, too.
			c := w.send("10.8.0.2:7000", "new", atB)
			wantDatagram(t, "new socket", b.sock, "new", netip.AddrPortFrom(outer, w.ups[len(w.ups)-1].number))
			// What is no mapping is the host's.
			c.sock.in <- datagram{text: "host", addr: netip.AddrPortFrom(outer, 22)}
			if got := <-c.sock.told; got.text != fmt.Sprint(answerProhibited) {
				t.Errorf("the host itself: %+v", got)
			}
		}
		for i, up := range w.ups {
			if d, ok := up.next(); ok && d.addr != dstA {
				t.Errorf("socket %d sent %+v: it went to the host", i, d)
			}
		}
		w.reconfigure(func(f *config.Forward) { f.PeerToPeer = false })
		w.policy.guard.setEndpoint(endpoint.String() + ":51820")
		a.sock.in <- datagram{text: "isolated", addr: netip.AddrPortFrom(host, portB)}
		wantNoDatagram(t, "isolated peers", b.sock)
		a.sock.in <- datagram{text: "self", addr: netip.AddrPortFrom(host, portA)}
		wantDatagram(t, "the same peer", a.sock, "self", netip.AddrPortFrom(host, portA))
		b.mapping(w).abort(nil)
		a.sock.in <- datagram{text: "gone", addr: netip.AddrPortFrom(host, portB)}
		if got := <-a.sock.told; got.text != fmt.Sprint(answerProhibited) {
			t.Errorf("a mapping that has ended: %+v", got)
		}
	})
}

// TestUDPKeepsTTLAndDF: one hop less, and what the client says about fragments.
func TestUDPKeepsTTLAndDF(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		synctest.Wait()
		w.ups[0].next()
		for _, c := range []struct{ in, out datagram }{
			{datagram{"a", dstA, 64, 0, true}, datagram{"a", dstA, 63, 0, true}},
			{datagram{"b", dstA, 2, 0, false}, datagram{"b", dstA, 1, 0, false}},
		} {
			r.sock.in <- c.in
			if got, _ := w.ups[0].next(); got != c.out {
				t.Errorf("%+v, want %+v", got, c.out)
			}
		}
	})
}

// TestFullSystemBufferKeepsOrder: what finds no room waits, in its order, and nothing is lost or doubled.
func TestFullSystemBufferKeepsOrder(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "first", dstA)
		synctest.Wait()
		up := w.ups[0]
		up.next()
		up.mu.Lock()
		up.full = true
		up.mu.Unlock()
		for i := range 100 {
			r.sock.in <- datagram{text: fmt.Sprint(i), addr: dstA}
		}
		wantNoDatagram(t, "full", up)
		m := r.mapping(w)
		next := 0
		for next < 100 {
			up.mu.Lock()
			up.room = 7
			up.mu.Unlock()
			m.writable()
			for {
				d, ok := up.next()
				if !ok {
					break
				}
				if d.text != fmt.Sprint(next) {
					t.Fatalf("%q, want %d", d.text, next)
				}
				next++
			}
		}
		r.sock.in <- datagram{text: "pending at the end", addr: dstA}
		synctest.Wait()
		m.abort(nil)
		if n := w.budgets.total().UDP; n != 0 {
			t.Errorf("%d mappings are left", n)
		}
	})
}

// mapping is that of a request.
func (r *fakeUDPRequest) mapping(w *udpWorld) *udpMapping {
	p, _ := w.forwarder.peers.Load().lookup(r.src.Addr())
	p.mu.Lock()
	defer p.mu.Unlock()
	for f := range p.flows {
		if m, ok := f.(*udpMapping); ok && m.src == r.src {
			return m
		}
	}
	return nil
}

// TestTenThousandMappingsOfOnePeer: above its budget the longest idle one makes room, whatever the number;
// another peer's stays, and its datagrams are carried.
func TestTenThousandMappingsOfOnePeer(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		const most = 4000
		w.reconfigure(func(f *config.Forward) { f.MaxUDPFlowsPerPeer = most })
		other := w.send("10.8.0.3:5000", "q", dstA)
		var mine []*fakeUDPRequest
		for i := range 10_000 {
			mine = append(mine, w.send(fmt.Sprintf("10.8.0.2:%d", 1000+i), "q", dstA))
			time.Sleep(time.Millisecond)
			if i == most-1 {
				mine[0].sock.in <- datagram{text: "again", addr: dstA} // it is the youngest now
				synctest.Wait()
				time.Sleep(time.Millisecond)
			}
		}
		open := 0
		for i, r := range mine {
			select {
			case <-r.sock.closed:
			default:
				if open++; i < len(mine)-most {
					t.Fatalf("mapping %d is still open", i)
				}
			}
		}
		if open != most || w.counters.udpEvicted.Load() != 10_000-most {
			t.Errorf("%d open, %d evicted", open, w.counters.udpEvicted.Load())
		}
		other.sock.in <- datagram{text: "still here", addr: dstB}
		wantDatagram(t, "the other peer's first", w.ups[0], "q", dstA)
		wantDatagram(t, "the other peer's next", w.ups[0], "still here", dstB)
		if n := len(w.udpPorts.m); n != most+1 {
			t.Errorf("%d ports", n)
		}
	})
}
