package ourstack

import (
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

func TestLimiterRates(t *testing.T) {
	var l limiter
	l.init(key{1, 2}, 100, 10)
	a, b := wire.Addr{10, 0, 0, 1}, wire.Addr{10, 0, 0, 2}
	now := tcp.Instant(5 * second)
	take := func(who wire.Addr, n int) (got int) {
		for range n {
			if l.allow(now, who) {
				got++
			}
		}
		return got
	}
	for _, c := range []struct {
		name string
		wait tcp.Duration
		who  wire.Addr
		want int
	}{
		{"the burst", 0, a, 10},
		{"nothing more at once", 0, a, 0},
		{"another target", 0, b, 10},
		{"a tenth of a second", second / 10, a, 1},
		{"a second", second, a, 10},
		{"an hour", 3600 * second, a, 10},
	} {
		now = now.Add(c.wait)
		if got := take(c.who, 50); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestLimiterBoundsAllTargets: however many targets, the total holds over any second.
func TestLimiterBoundsAllTargets(t *testing.T) {
	var l limiter
	l.init(key{3, 4}, 100, 50)
	now, got := tcp.Instant(second), 0
	for i := range 10_000 {
		if l.allow(now, wire.Addr{10, byte(i >> 16), byte(i >> 8), byte(i)}) {
			got++
		}
		now = now.Add(ms)
	}
	if got < 1000 || got > 1100 { // ten seconds and one burst
		t.Errorf("%d in ten seconds", got)
	}
}

func TestLimiterOff(t *testing.T) {
	for _, rate := range []int{0, -1} {
		var l limiter
		l.init(key{}, rate, 1)
		if l.allow(1, wire.Addr{}) {
			t.Errorf("rate %d lets something pass", rate)
		}
	}
}
