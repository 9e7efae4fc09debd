package tcp

import (
	"math"
	"testing"
)

// bbrFlow returns a simulated flow under BBR on 50 Mbit/s, 40 ms and a queue of one BDP.
func bbrFlow(seed uint64, change func(*simPath)) (*sim, *simFlow, *bbr) {
	p := simPath{rate: mbit(50)}
	p.buffer = p.bdp(40 * Millisecond)
	if change != nil {
		change(&p)
	}
	s := newSim(seed, p)
	b := newBBR()
	f := s.add(b, 40*Millisecond, 0)
	return s, f, b
}

// The life of a flow: Startup, Drain, then the cycle DOWN, CRUISE, REFILL, UP, with
// ProbeRTT about every five seconds (§5.3).
func TestBBRStateMachine(t *testing.T) {
	s, f, b := bbrFlow(1, nil)
	next := map[bbrState][]bbrState{
		bbrStartup:     {bbrDrain},
		bbrDrain:       {bbrProbeDown, bbrProbeCruise}, // one ACK may do both
		bbrProbeDown:   {bbrProbeCruise, bbrProbeRefill, bbrProbeRTT},
		bbrProbeCruise: {bbrProbeRefill, bbrProbeRTT},
		bbrProbeRefill: {bbrProbeUp, bbrProbeRTT},
		bbrProbeUp:     {bbrProbeDown, bbrProbeRTT},
		bbrProbeRTT:    {bbrProbeCruise, bbrProbeDown},
	}
	last := b.state
	visits := map[bbrState]int{last: 1}
	f.onAckHook = func(_, _ uint32, _ bool) {
		if b.state == last {
			return
		}
		legal := false
		for _, n := range next[last] {
			legal = legal || n == b.state
		}
		if !legal {
			t.Errorf("state %d after %d", b.state, last)
		}
		last = b.state
		visits[last]++
	}
	s.run(0, 30*Second)
	for st := bbrStartup; st <= bbrProbeRTT; st++ {
		if visits[st] == 0 {
			t.Errorf("state %d was never entered", st)
		}
	}
	if visits[bbrStartup] != 1 || visits[bbrDrain] != 1 {
		t.Errorf("Startup %d times, Drain %d times", visits[bbrStartup], visits[bbrDrain])
	}
	if n := visits[bbrProbeRTT]; n < 4 || n > 7 {
		t.Errorf("%d times ProbeRTT in 30 s, want one in five seconds", n)
	}
}

// The gains of §5.6.1.
func TestBBRGains(t *testing.T) {
	b := newBBR()
	for _, c := range []struct {
		state        bbrState
		pacing, cwnd uint64
	}{
		{bbrStartup, 277, 200},
		{bbrDrain, 50, 200},
		{bbrProbeDown, 90, 200},
		{bbrProbeCruise, 100, 200},
		{bbrProbeRefill, 100, 200},
		{bbrProbeUp, 125, 225},
		{bbrProbeRTT, 100, 50},
	} {
		b.setState(c.state)
		if b.pacingGain != c.pacing || b.cwndGain != c.cwnd {
			t.Errorf("state %d: gains %d %d", c.state, b.pacingGain, b.cwndGain)
		}
	}
}

// The model finds bandwidth and propagation delay within a few per cent.
func TestBBRModelFindsThePath(t *testing.T) {
	s, _, b := bbrFlow(2, nil)
	s.run(0, 10*Second)
	near(t, "max_bw", float64(b.maxBW()), float64(s.path.rate), 0.03)
	near(t, "min_rtt", float64(b.minRTT), float64(40*Millisecond), 0.03)
	if !b.fullBWReached {
		t.Error("the pipe was never full")
	}
}

// When the bandwidth falls or rises, the model follows within some cycles (§5.5.4).
func TestBBRFollowsBandwidth(t *testing.T) {
	s, f, b := bbrFlow(3, nil)
	s.run(0, 10*Second)
	s.path.rate = mbit(10)
	s.run(0, 15*Second)
	near(t, "max_bw after the rate fell to a fifth", float64(b.maxBW()), float64(mbit(10)), 0.1)
	s.path.rate = mbit(50)
	f.goodput = 0
	s.run(10*Second, 30*Second)
	near(t, "goodput after it rose again", s.rate(f), float64(mbit(50)), 0.1)
}

// A longer path is noticed when min_rtt expires (§5.3.4).
func TestBBRFollowsRTT(t *testing.T) {
	s, f, b := bbrFlow(4, func(p *simPath) { p.buffer *= 4 })
	s.run(0, 8*Second)
	f.rtt = 80 * Millisecond
	s.run(0, 25*Second)
	near(t, "min_rtt", float64(b.minRTT), float64(80*Millisecond), 0.05)
	f.goodput = 0
	s.run(0, 10*Second)
	near(t, "goodput on the longer path", s.rate(f), float64(s.path.rate), 0.1)
}

// ProbeRTT holds half a BDP for 200 ms and a round trip (§5.3.4.1).
func TestBBRProbeRTTDrainsAndReturns(t *testing.T) {
	s, f, b := bbrFlow(5, nil)
	var entered, left Instant
	least := uint32(math.MaxUint32)
	f.onAckHook = func(_, _ uint32, _ bool) {
		switch {
		case b.state == bbrProbeRTT && entered == 0:
			entered = s.now
		case b.state == bbrProbeRTT && left == 0:
			least = min(least, f.pipe)
		case entered != 0 && left == 0:
			left = s.now
		}
	}
	s.run(0, 9*Second)
	if d := left.Sub(entered); d < bbrProbeRTTDuration || d > bbrProbeRTTDuration+200*Millisecond {
		t.Errorf("ProbeRTT lasted %d ms", d/Millisecond)
	}
	near(t, "inflight", float64(least), float64(s.path.bdp(f.rtt))/2, 0.1)
	if f.w.cwnd < s.path.bdp(f.rtt) {
		t.Errorf("cwnd %d was not restored", f.w.cwnd)
	}
}

// An application-limited flow keeps the bandwidth it knows, skips ProbeRTT where its
// silences do as well, and restarts at full rate (§5.4).
func TestBBRApplicationLimitedKeepsTheModel(t *testing.T) {
	s, f, b := bbrFlow(6, nil)
	s.run(0, 4*Second)
	probes := 0
	last := b.state
	f.onAckHook = func(_, _ uint32, _ bool) {
		if b.state == bbrProbeRTT && last != bbrProbeRTT {
			probes++
		}
		last = b.state
	}
	f.available = f.nextSeg
	s.run(0, 200*Millisecond)                  // what is in flight arrives, and does not count
	f.chunk, f.interval = 100, 430*Millisecond // 2.5 Mbit/s
	s.schedule(s.now, simWrite, f, 0)
	f.goodput = 0
	s.run(0, 20*Second)
	near(t, "max_bw while the application sends little", float64(b.maxBW()), float64(s.path.rate), 0.05)
	near(t, "goodput", s.rate(f), 100*simSMSS/0.43, 0.05)
	if probes > 1 {
		t.Errorf("%d times ProbeRTT though the flow is mostly silent", probes)
	}
	if w := f.w.pacingRate; w < s.path.rate*9/10 {
		t.Errorf("paced at %d after idle, bw %d", w, b.bw)
	}
}

// §5.3.1.3: overflow of the buffer ends Startup with a bound for inflight; undo
// returns to Startup (§5.5.11.2).
func TestBBRStartupLeavesOnLossAndUndo(t *testing.T) {
	s, f, b := bbrFlow(7, func(p *simPath) { p.buffer /= 8 })
	s.until(3*Second, func() bool { return b.state != bbrStartup })
	if b.state == bbrStartup || !b.fullBWReached {
		t.Fatal("Startup goes on")
	}
	if b.undo.state != bbrStartup {
		t.Fatal("loss was not what ended Startup")
	}
	if b.inflightLongterm == bbrInfinite {
		t.Error("inflight_longterm was not set")
	}
	before := f.w.cwnd
	b.onUndo(&f.w, s.now)
	if b.state != bbrStartup || b.fullBWReached || f.w.cwnd < before {
		t.Errorf("after undo: state %d, cwnd %d of %d", b.state, f.w.cwnd, before)
	}
}
