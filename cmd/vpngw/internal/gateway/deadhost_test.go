package gateway

import (
	"net/netip"
	"testing"
	"time"
)

func TestDeadHostIsTriedByOneAtATime(t *testing.T) {
	d := newDeadHosts()
	d.configure(10 * time.Second)
	now := time.Unix(1000, 0)
	for range 3 {
		if !d.admit(now, dstA) {
			t.Fatal("an unknown destination is dialled")
		}
	}
	d.unanswered(now, dstA)
	if d.admit(now.Add(deadRetryMin-1), dstA) {
		t.Error("dialled again before the pause is over")
	}
	if !d.admit(now, dstB) {
		t.Error("a healthy destination is held up by a dead one")
	}
	now = now.Add(deadRetryMin)
	if !d.admit(now, dstA) {
		t.Fatal("one attempt is due after the pause")
	}
	if d.admit(now, dstA) {
		t.Error("a second attempt while one is under way")
	}
	d.undecided(dstA)
	if !d.admit(now, dstA) {
		t.Error("an attempt that said nothing lets the next one try")
	}
	d.answered(dstA)
	for range 2 {
		if !d.admit(now, dstA) {
			t.Error("a destination that answered is forgotten")
		}
	}
}

func TestDeadHostPauseGrowsToTheMemory(t *testing.T) {
	d := newDeadHosts()
	d.configure(10 * time.Second)
	now := time.Unix(1000, 0)
	d.unanswered(now, dstA)
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second} {
		if d.admit(now.Add(want-1), dstA) {
			t.Fatalf("tried before %v", want)
		}
		now = now.Add(want)
		if !d.admit(now, dstA) {
			t.Fatalf("not tried after %v", want)
		}
		d.unanswered(now, dstA)
	}
}

func TestDeadHostIsForgotten(t *testing.T) {
	d := newDeadHosts()
	d.configure(10 * time.Second)
	now := time.Unix(1000, 0)
	d.unanswered(now, dstA)
	now = now.Add(10 * time.Second)
	for range 2 {
		if !d.admit(now, dstA) {
			t.Error("after forward.dead_host_memory it is like any other")
		}
	}
	d.unanswered(now, dstA)
	d.configure(0)
	if !d.admit(now, dstA) || d.size() != 0 {
		t.Error("a memory of 0 remembers nothing")
	}
	d.unanswered(now, dstA)
	if !d.admit(now, dstA) || d.size() != 0 {
		t.Error("a memory of 0 takes nothing in")
	}
}

func TestDeadHostsAreBounded(t *testing.T) {
	d := newDeadHosts()
	d.configure(time.Minute)
	now := time.Unix(1000, 0)
	for i := range 3 * deadHostsMax {
		addr := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
		d.unanswered(now, netip.AddrPortFrom(addr, uint16(i>>16)+1))
	}
	if d.size() > deadHostsMax {
		t.Errorf("%d destinations remembered, at most %d allowed", d.size(), deadHostsMax)
	}
}
