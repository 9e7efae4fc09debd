package tcp

import "testing"

// hystartRound feeds one round of n ACKs, spaced by gap, with the given RTT.
func hystartRound(h *hyStart, now *Instant, n int, gap, rtt Duration) (exit bool) {
	for i := range n {
		*now = now.Add(gap)
		if h.onAck(&ackSample{now: *now, rtt: rtt}, i == 0) {
			exit = true
		}
	}
	return exit
}

func newHyStart() (*hyStart, *Instant) {
	h := new(hyStart)
	h.init()
	now := simStart
	return h, &now
}

func TestHyStartEntersCSSAndLeavesSlowStart(t *testing.T) {
	h, now := newHyStart()
	hystartRound(h, now, 10, Millisecond, 100*Millisecond)
	hystartRound(h, now, 10, Millisecond, 110*Millisecond)
	if h.inCSS {
		t.Fatal("10 ms more: below the threshold of an eighth of 100 ms")
	}
	hystartRound(h, now, 10, Millisecond, 124*Millisecond)
	if !h.inCSS {
		t.Fatal("14 ms more than in the round before and no CSS")
	}
	w := &window{smss: 1000, pacingRate: 1}
	if got := h.increase(w, 8000); got != 2000 {
		t.Errorf("CSS grows by %d for 8000 bytes, want a quarter", got)
	}
	for i := range 4 {
		if hystartRound(h, now, 10, Millisecond, 125*Millisecond) {
			t.Fatalf("left slow start after %d CSS rounds", i+1)
		}
	}
	if !hystartRound(h, now, 10, Millisecond, 125*Millisecond) {
		t.Fatal("five CSS rounds, the partial one included, did not end slow start")
	}
	if hystartRound(h, now, 10, Millisecond, 500*Millisecond) {
		t.Error("left slow start twice")
	}
}

// "if (currentRoundMinRTT < cssBaselineMinRtt) ... resume slow start".
func TestHyStartResumesWhenTheDelayWasJitter(t *testing.T) {
	h, now := newHyStart()
	hystartRound(h, now, 10, Millisecond, 40*Millisecond)
	hystartRound(h, now, 10, Millisecond, 46*Millisecond)
	if !h.inCSS {
		t.Fatal("no CSS")
	}
	hystartRound(h, now, 10, Millisecond, 41*Millisecond)
	if h.inCSS {
		t.Fatal("the delay is gone and CSS goes on")
	}
	w := &window{smss: 1000, pacingRate: 1}
	if got := h.increase(w, 8000); got != 8000 {
		t.Errorf("slow start grows by %d for 8000 bytes", got)
	}
}

// RTT_THRESH is clamped to 4 and 16 ms.
func TestHyStartThresholds(t *testing.T) {
	for _, c := range []struct {
		base, more Duration
		css        bool
	}{
		{Millisecond, 3900 * Microsecond, false},
		{Millisecond, 4 * Millisecond, true},
		{400 * Millisecond, 15900 * Microsecond, false},
		{400 * Millisecond, 16 * Millisecond, true},
	} {
		h, now := newHyStart()
		hystartRound(h, now, 10, Microsecond, c.base)
		hystartRound(h, now, 10, Microsecond, c.base+c.more)
		if h.inCSS != c.css {
			t.Errorf("%d µs more than %d µs: CSS %v", c.more/Microsecond, c.base/Microsecond, h.inCSS)
		}
	}
}

// ACKs of one batch carry one time: they are one sample, not eight.
func TestHyStartCountsABatchOnce(t *testing.T) {
	h, now := newHyStart()
	hystartRound(h, now, 10, Millisecond, 100*Millisecond)
	hystartRound(h, now, 50, 0, 200*Millisecond)
	if h.inCSS {
		t.Fatal("a batch of 50 ACKs, delayed together, was taken for a queue")
	}
	hystartRound(h, now, 8, Millisecond, 200*Millisecond)
	if h.samples != hystartSamples {
		t.Errorf("%d samples of eight ACKs", h.samples)
	}
}

func TestHyStartIgnoresACKsWithoutRTT(t *testing.T) {
	h, now := newHyStart()
	hystartRound(h, now, 10, Millisecond, 100*Millisecond)
	hystartRound(h, now, 10, Millisecond, -1)
	hystartRound(h, now, 10, Millisecond, 300*Millisecond)
	if h.inCSS {
		t.Error("compared with a round that had no samples")
	}
}

func TestHyStartLimitsUnpacedGrowth(t *testing.T) {
	h, _ := newHyStart()
	if got := h.increase(&window{smss: 1000}, 64000); got != 8000 {
		t.Errorf("L = 8: %d", got)
	}
	if got := h.increase(&window{smss: 1000, pacingRate: 1}, 64000); got != 64000 {
		t.Errorf("L = infinity when paced: %d", got)
	}
}
