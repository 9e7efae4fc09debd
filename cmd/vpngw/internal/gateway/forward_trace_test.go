package gateway

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"vpngw/adapter"
)

// TestSYNKeepsItsLifetime: the dial has a hop less than the client's SYN, and the error of the router at
// which that ended goes to the client as it is, unless it is this host's own.
func TestSYNKeepsItsLifetime(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		router := netip.MustParseAddr("198.51.100.7")
		w.answer(dstA, func(context.Context) (upstream, error) {
			return nil, &net.OpError{Op: "dial", Err: fault{
				Fault: adapter.Fault{Type: 11, From: router, TTL: 61}, errno: syscall.EHOSTUNREACH,
			}}
		})
		r := newRequest("10.8.0.2:1000", dstA)
		r.hops = 5
		w.handleTCP(r)
		if got := r.state(); got != "fault 11/0 from 198.51.100.7" || w.ttl != 4 {
			t.Errorf("%s with TTL %d", got, w.ttl)
		}
		w.policy.guard.setOwn([]net.Addr{&net.IPNet{IP: router.AsSlice(), Mask: net.CIDRMask(24, 32)}})
		r = newRequest("10.8.0.2:1001", dstA)
		w.handleTCP(r)
		if got := r.state(); got != "fault 11/0 from invalid IP" || w.ttl != 63 {
			t.Errorf("%s with TTL %d", got, w.ttl)
		}
	})
}

// TestTracesDoNotMakeHostsDead: a SYN that was not to arrive says nothing about its destination.
func TestTracesDoNotMakeHostsDead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 10 {
			r := newRequest("10.8.0.2:1000", dstA)
			r.src = netip.AddrPortFrom(r.src.Addr(), uint16(1000+i))
			r.hops = 2 + i
			w.handleTCP(r)
			time.Sleep(deadSuspectAfter + time.Second)
			r.giveUp()
			if got := r.state(); got != "silence" {
				t.Errorf("probe %d: %s", i, got)
			}
		}
		if n := w.dead.size(); n != 0 || w.dials[dstA] != 10 {
			t.Errorf("%d hosts count as dead after %d dials", n, w.dials[dstA])
		}
		r := newRequest("10.8.0.2:2000", dstA)
		w.handleTCP(r)
		time.Sleep(deadSuspectAfter + time.Second)
		r.giveUp()
		if r.state(); w.dead.size() != 1 {
			t.Error("control: an ordinary dial without an answer is remembered")
		}
	})
}
