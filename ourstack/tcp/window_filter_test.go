package tcp

import (
	"math/rand/v2"
	"testing"
)

func TestWindowFilterFollowsTheExtreme(t *testing.T) {
	// A monotone stream away from the extreme shows the window: the best must expire.
	var mx, mn windowFilter
	for i := range uint64(100) {
		v := 1000 - i
		best := mx.updateMax(10, i, v)
		if best < v || best > v+11 {
			t.Fatalf("max at %d: %d, newest %d", i, best, v)
		}
		w := i + 1
		if least := mn.updateMin(10, i, w); least > w || least+11 < w {
			t.Fatalf("min at %d: %d, newest %d", i, least, w)
		}
	}
	if got := mx.updateMax(10, 200, 5); got != 5 {
		t.Errorf("after silence the maximum is %d, want the only sample 5", got)
	}
	if got := mn.updateMin(10, 200, 5000); got != 5000 {
		t.Errorf("after silence the minimum is %d, want the only sample 5000", got)
	}
}

func TestWindowFilterZeroValueIsEmpty(t *testing.T) {
	var f windowFilter
	if f.best() != 0 {
		t.Error("best of nothing is not 0")
	}
	if got := f.updateMin(10, 5, 7); got != 7 {
		t.Errorf("first sample 7 gives %d", got)
	}
}

// The filter keeps three samples, so it may miss the extreme of the window; it never
// returns a value that is not in the window, nor one worse than the newest.
func TestWindowFilterAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const window = 50
	for range 200 {
		var mx, mn windowFilter
		var all []windowSample
		now := uint64(0)
		for range 300 {
			now += rng.Uint64N(20)
			v := 1 + rng.Uint64N(1000)
			all = append(all, windowSample{now, v})
			gotMax, gotMin := mx.updateMax(window, now, v), mn.updateMin(window, now, v)
			foundMax, foundMin := false, false
			for _, s := range all {
				if now-s.time <= window {
					foundMax = foundMax || s.value == gotMax
					foundMin = foundMin || s.value == gotMin
				}
			}
			if !foundMax || gotMax < v {
				t.Fatalf("max %d at %d (newest %d) is not in the window", gotMax, now, v)
			}
			if !foundMin || gotMin > v {
				t.Fatalf("min %d at %d (newest %d) is not in the window", gotMin, now, v)
			}
		}
	}
}
