package tcp

import (
	"math/rand/v2"
	"testing"
)

// pacedWindow returns a window paced at rate bytes per second.
func pacedWindow(rate uint64) *window {
	w := &window{smss: 1000, pacingRate: rate}
	w.setSendQuantum()
	return w
}

func TestPacerLeavesAnUnpacedWindowAlone(t *testing.T) {
	var p pacer
	w := &window{smss: 1000}
	for range 1000 {
		if p.delayUntil(simStart, w) != 0 {
			t.Fatal("delayed without a rate")
		}
		p.onSent(simStart, w, 1000)
	}
}

func TestPacerReleasesQuantaAtTheRate(t *testing.T) {
	var p pacer
	w := pacedWindow(1e6) // a segment a millisecond, quantum 2 segments
	now := simStart
	sent := 0
	for range 100 {
		burst := 0
		for p.delayUntil(now, w) == 0 {
			p.onSent(now, w, 1000)
			burst++
		}
		sent += burst
		if burst != 2 {
			t.Fatalf("burst of %d segments, want the quantum of 2", burst)
		}
		now = p.delayUntil(now, w)
	}
	if d := now.Sub(simStart); d != Duration(sent)*Millisecond {
		t.Errorf("%d segments took %d µs", sent, d/Microsecond)
	}
}

// A caller that polls late, at any time, loses no throughput up to pacingCatchUp.
func TestPacerCatchesUpWithALateCaller(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var p pacer
	w := pacedWindow(10e6)
	now := simStart
	sent := uint64(0)
	for now < simStart.Add(10*Second) {
		at := p.delayUntil(now, w)
		if at == 0 {
			p.onSent(now, w, 1000)
			sent += 1000
			continue
		}
		now = at.Add(Duration(rng.Int64N(int64(pacingCatchUp))))
	}
	if want := bytesIn(w.pacingRate, now.Sub(simStart)); sent < want*99/100 || sent > want*101/100 {
		t.Errorf("sent %d bytes, the rate gives %d", sent, want)
	}
}

// What a connection did not send because it had nothing to send is no credit.
func TestPacerGivesNoCreditForSilence(t *testing.T) {
	var p pacer
	w := pacedWindow(10e6)
	p.onSent(simStart, w, 1000)
	now := simStart.Add(20 * Second)
	burst := uint32(0)
	for p.delayUntil(now, w) == 0 {
		p.onSent(now, w, 1000)
		burst += 1000
	}
	if burst > w.sendQuantum {
		t.Errorf("burst of %d bytes after silence, quantum %d", burst, w.sendQuantum)
	}
}

// Even after having been blocked, a very late caller gets pacingCatchUp and no more.
func TestPacerBoundsTheBurstOfAVeryLateCaller(t *testing.T) {
	var p pacer
	w := pacedWindow(10e6)
	for p.delayUntil(simStart, w) == 0 {
		p.onSent(simStart, w, 1000)
	}
	now := simStart.Add(3600 * Second)
	burst := uint64(0)
	for p.delayUntil(now, w) == 0 {
		p.onSent(now, w, 1000)
		burst += 1000
	}
	limit := bytesIn(w.pacingRate, pacingCatchUp) + uint64(w.sendQuantum) + 1000
	if burst > limit {
		t.Errorf("burst of %d bytes, want at most %d", burst, limit)
	}
}

func TestPacerFollowsAChangeOfRate(t *testing.T) {
	var p pacer
	w := pacedWindow(1000) // a segment a second
	for p.delayUntil(simStart, w) == 0 {
		p.onSent(simStart, w, 1000)
	}
	w.pacingRate = 0
	if p.delayUntil(simStart, w) != 0 {
		t.Error("still delayed when pacing ended")
	}
	p.onSent(simStart, w, 1000)
	w.pacingRate = 1e6
	if p.delayUntil(simStart, w) != 0 {
		t.Error("the debt of the old rate survived")
	}
	p.onSent(simStart, w, 1000)
	p.reset()
	if p.delayUntil(simStart, w) != 0 {
		t.Error("delayed after reset")
	}
}

func TestSendQuantumBounds(t *testing.T) {
	for _, c := range []struct {
		rate uint64
		want uint32
	}{{1, 2000}, {5e6, 5000}, {1e12, 64 << 10}, {1<<64 - 1, 64 << 10}} {
		if w := pacedWindow(c.rate); w.sendQuantum != c.want {
			t.Errorf("rate %d: quantum %d, want %d", c.rate, w.sendQuantum, c.want)
		}
	}
}

// Segments that leave without asking, as after timeouts, do not make those that ask wait for all of them.
func TestUnaskedSendsDoNotAddUp(t *testing.T) {
	w := &window{smss: 1000, pacingRate: 10_000, sendQuantum: 2000}
	var p pacer
	for range 50 {
		p.onSent(simStart, w, 1000)
	}
	if at, most := p.delayUntil(simStart, w), simStart.Add(300*Millisecond+pacingDebtMax); at == 0 || at > most {
		t.Errorf("the next may leave at %d, at the latest it should at %d", at, most)
	}
}
