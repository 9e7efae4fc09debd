package tcp

import "testing"

// The example test cases of the BBR draft, appendix A, in its order and under its
// names. What congestion_bbr_test.go and congestion_bbr_sim_test.go show is not
// repeated here.

// appendixFlow returns a flow on 20 Mbit/s, 40 ms and a queue of 2 BDP.
func appendixFlow(seed uint64) (*sim, *simFlow, *bbr) {
	return bbrFlow(seed, func(p *simPath) {
		p.rate = mbit(20)
		p.buffer = 2 * p.bdp(40*Millisecond)
	})
}

// wait runs until the flow is in the given state.
func (s *sim) wait(t *testing.T, b *bbr, want bbrState, d Duration) {
	t.Helper()
	s.until(d, func() bool { return b.state == want })
	if b.state != want {
		t.Fatalf("state %d was not reached within %d ms, state is %d", want, d/Millisecond, b.state)
	}
}

// appLimit makes the application write chunk segments each interval from now on.
func (s *sim) appLimit(f *simFlow, chunk uint64, interval Duration) {
	f.available = f.nextSeg
	f.chunk, f.interval = chunk, interval
	s.schedule(s.now, simWrite, f, 0)
}

// Exiting STARTUP on Bandwidth Plateau.
func TestBBRAppendixStartupPlateau(t *testing.T) {
	s, _, b := appendixFlow(1)
	count := uint8(0)
	s.until(5*Second, func() bool {
		if b.state == bbrStartup {
			count = max(count, b.fullBWCount)
		}
		return b.state != bbrStartup
	})
	if count != 2 || b.state != bbrDrain || !b.fullBWReached || !b.fullBWNow {
		t.Errorf("state %d after %d rounds of a plateau, reached %v now %v",
			b.state, count+1, b.fullBWReached, b.fullBWNow)
	}
	near(t, "max_bw", float64(b.maxBW()), float64(s.path.rate), 0.02)
}

// Exiting STARTUP on Loss When Application-Limited.
func TestBBRAppendixStartupLossWhenAppLimited(t *testing.T) {
	s, f, b := appendixFlow(2)
	s.writes(f, 30, 20*Millisecond) // 16 Mbit/s
	s.run(0, Second)
	if b.state != bbrStartup {
		t.Fatalf("state %d while application-limited", b.state)
	}
	s.path.loss = 0.15
	s.until(5*Second, func() bool { return b.state != bbrStartup })
	if b.state == bbrStartup || !b.fullBWReached || !b.fullBWNow {
		t.Errorf("15 %% of loss did not end Startup: state %d", b.state)
	}
}

// Exiting DRAIN Based on Inflight.
func TestBBRAppendixDrainByInflight(t *testing.T) {
	s, f, b := appendixFlow(3)
	s.wait(t, b, bbrDrain, 5*Second)
	if b.pacingGain != 50 {
		t.Errorf("pacing gain %d", b.pacingGain)
	}
	start := b.roundCount
	s.until(5*Second, func() bool { return b.state != bbrDrain })
	if !b.inProbeBW() || uint64(f.pipe) > b.inflight(&f.w, b.bw, 110) || b.roundCount > start+bbrDrainRounds {
		t.Errorf("left Drain for %d after %d rounds with %d in flight, bdp %d",
			b.state, b.roundCount-start, f.pipe, s.path.bdp(f.rtt))
	}
}

// Exiting DRAIN Based on Time: the bandwidth was overestimated.
func TestBBRAppendixDrainByTime(t *testing.T) {
	s, f, b := appendixFlow(4)
	s.wait(t, b, bbrDrain, 5*Second)
	s.path.rate /= 4
	start := b.roundCount
	s.until(5*Second, func() bool { return b.state != bbrDrain })
	if !b.inProbeBW() || b.roundCount < start+bbrDrainRounds || b.roundCount > start+bbrDrainRounds+2 {
		t.Errorf("left Drain for %d after %d rounds with %d in flight", b.state, b.roundCount-start, f.pipe)
	}
}

// Exiting PROBE_UP on Bandwidth Plateau.
func TestBBRAppendixUpPlateau(t *testing.T) {
	s, _, b := appendixFlow(5)
	s.wait(t, b, bbrProbeUp, 10*Second)
	start := b.roundCount
	s.until(5*Second, func() bool { return b.state != bbrProbeUp })
	if b.state != bbrProbeDown || !b.fullBWNow || b.roundCount < start+bbrFullBWCount {
		t.Errorf("left UP for %d after %d rounds, full_bw_now %v", b.state, b.roundCount-start, b.fullBWNow)
	}
}

// Exiting PROBE_UP on Loss, and Handling Loss During PROBE_UP After inflight_longterm
// is Set.
func TestBBRAppendixUpLoss(t *testing.T) {
	s, f, b := appendixFlow(6)
	s.wait(t, b, bbrProbeUp, 10*Second)
	b.inflightLongterm = 3 * uint64(s.path.bdp(f.rtt))
	s.run(0, 60*Millisecond) // samples of the probe arrive
	s.path.loss = 0.2
	s.until(Second, func() bool { return b.state != bbrProbeUp })
	if b.state != bbrProbeDown || !b.prevProbeTooHigh {
		t.Fatalf("state %d, prev_probe_too_high %v", b.state, b.prevProbeTooHigh)
	}
	if got := b.inflightLongterm; got >= 3*uint64(s.path.bdp(f.rtt)) || got < uint64(s.path.bdp(f.rtt))*6/10 {
		t.Errorf("inflight_longterm %d, bdp %d", got, s.path.bdp(f.rtt))
	}
}

// Never Exiting PROBE_UP (or STARTUP) When Application-Limited With No Loss.
func TestBBRAppendixAppLimitedStays(t *testing.T) {
	s, f, b := appendixFlow(7)
	s.writes(f, 10, 25*Millisecond)
	s.run(0, 4*Second)
	if b.state != bbrStartup || b.fullBWReached {
		t.Errorf("Startup was left for %d", b.state)
	}
	s, f, b = appendixFlow(8)
	s.wait(t, b, bbrProbeUp, 10*Second)
	b.probeRTTMinStamp = s.now // keep ProbeRTT away
	s.appLimit(f, 2, 25*Millisecond)
	s.run(0, 2*Second)
	if b.state != bbrProbeUp {
		t.Errorf("UP was left for %d", b.state)
	}
}

// Exiting PROBE_DOWN on Inflight.
func TestBBRAppendixDownByInflight(t *testing.T) {
	s, f, b := appendixFlow(9)
	s.wait(t, b, bbrProbeUp, 10*Second)
	s.wait(t, b, bbrProbeDown, 5*Second)
	if b.pacingGain != 90 {
		t.Errorf("pacing gain %d", b.pacingGain)
	}
	s.until(5*Second, func() bool { return b.state != bbrProbeDown })
	if b.state != bbrProbeCruise && b.state != bbrProbeRTT {
		t.Fatalf("state %d after DOWN", b.state)
	}
	if b.state == bbrProbeCruise && uint64(f.pipe) > b.inflight(&f.w, b.maxBW(), 105) {
		t.Errorf("CRUISE with %d in flight", f.pipe)
	}
}

// TestBBRDownLeavesHeadroom: whatever bw is, the flight falls below inflight_longterm in DOWN, by as
// much as is to be left to others.
func TestBBRDownLeavesHeadroom(t *testing.T) {
	s, f, b := appendixFlow(9)
	s.wait(t, b, bbrProbeUp, 10*Second)
	s.wait(t, b, bbrProbeDown, 5*Second)
	b.probeRTTMinStamp = s.now                    // keep ProbeRTT away
	b.inflightLongterm = uint64(f.pipe)           // as if a probe had gone too high
	b.maxBWFilter = [2]uint64{2 * b.bw, 2 * b.bw} // 90 % of which are more than the path carries
	b.bw, b.bwShortterm = 2*b.bw, bbrInfinite     // no loss has told
	s.until(Second, func() bool { return b.state != bbrProbeDown })
	if limit := uint64(float64(b.inflightLongterm) * 0.86); b.state != bbrProbeCruise || uint64(f.pipe) > limit {
		t.Errorf("state %d with %d in flight, of which %d were to be left", b.state, f.pipe, limit)
	}
}

// Exiting PROBE_DOWN After Max Time: straight to REFILL.
func TestBBRAppendixDownByTime(t *testing.T) {
	s, f, b := bbrFlow(10, func(p *simPath) { p.rate, p.buffer = mbit(100), 100<<20 })
	s.wait(t, b, bbrProbeUp, 10*Second)
	s.wait(t, b, bbrProbeDown, 5*Second)
	b.probeRTTMinStamp = s.now // keep ProbeRTT away
	s.path.rate = s.path.rate * 85 / 100
	start := s.now
	s.until(5*Second, func() bool { return b.state != bbrProbeDown })
	if b.state != bbrProbeRefill {
		t.Fatalf("state %d after DOWN, %d in flight", b.state, f.pipe)
	}
	if d := s.now.Sub(start); d > bbrProbeWaitBase+bbrProbeWaitRandom+200*Millisecond {
		t.Errorf("DOWN lasted %d ms", d/Millisecond)
	}
}

// Skipping PROBE_RTT Due to Application-Limited Sending.
func TestBBRAppendixIdleSkipsProbeRTT(t *testing.T) {
	s, f, b := appendixFlow(11)
	s.wait(t, b, bbrProbeCruise, 10*Second)
	f.available = f.nextSeg
	s.run(0, 6*Second)
	if f.pipe != 0 {
		t.Fatalf("%d bytes in flight while idle", f.pipe)
	}
	s.checkAppLimited(f)
	f.available += 3
	s.send(f)
	if !b.idleRestart {
		t.Fatal("idle_restart was not set")
	}
	if want := percentOf(b.bw, 99); f.w.pacingRate != want {
		t.Errorf("paced at %d after idle, want exactly bw less the margin, %d", f.w.pacingRate, want)
	}
	s.until(Second, func() bool { return true })
	if b.state == bbrProbeRTT {
		t.Error("entered ProbeRTT after idle")
	}
}

// Achieving Expected STARTUP and Cruise Bandwidth on a Link With Aggregation.
func TestBBRAppendixAggregation(t *testing.T) {
	s, f, b := appendixFlow(12)
	f.ackEvery = 40 // a quarter of a BDP in one ACK
	s.run(Second, 4*Second)
	if b.extraAcked < 20*simSMSS || f.w.cwnd < 2*s.path.bdp(f.rtt) {
		t.Errorf("extra_acked %d, cwnd %d, bdp %d", b.extraAcked, f.w.cwnd, s.path.bdp(f.rtt))
	}
	near(t, "goodput", s.rate(f), float64(s.path.rate), 0.08)
	near(t, "max_bw", float64(b.maxBW()), float64(s.path.rate), 0.05)
}

// Correctly Managing Sub-Packet BDPs.
func TestBBRAppendixSubPacketBDP(t *testing.T) {
	s, f, b := bbrFlow(13, func(p *simPath) { p.rate, p.buffer = mbit(0.064), 64<<10 })
	s.run(20*Second, 60*Second)
	if f.w.cwnd < bbrMinPipeSegments*simSMSS {
		t.Errorf("cwnd %d", f.w.cwnd)
	}
	near(t, "max_bw", float64(b.maxBW()), float64(s.path.rate), 0.2)
	near(t, "goodput", s.rate(f), float64(s.path.rate), 0.1)
}

// Increasing Bandwidth 10x, Decreasing Bandwidth 10x.
func TestBBRAppendixBandwidthTimesTen(t *testing.T) {
	s, f, b := bbrFlow(14, func(p *simPath) {
		p.rate, p.buffer = mbit(10), 2*uint32(bytesIn(mbit(100), 40*Millisecond))
	})
	s.wait(t, b, bbrProbeCruise, 10*Second)
	s.path.rate = mbit(100)
	s.run(0, 20*Second)
	near(t, "max_bw after ten times the bandwidth", float64(b.maxBW()), float64(mbit(100)), 0.05)
	s.path.rate = mbit(10)
	s.path.buffer = s.path.bdp(f.rtt)
	s.run(0, 15*Second)
	near(t, "max_bw after a tenth of it", float64(b.maxBW()), float64(mbit(10)), 0.1)
}

// Handling Spurious Fast Recovery and Spurious RTO Recovery.
func TestBBRAppendixSpuriousRecovery(t *testing.T) {
	for _, kind := range []congestionKind{congestionLoss, congestionRTO} {
		s, f, b := appendixFlow(15)
		s.wait(t, b, bbrProbeUp, 10*Second)
		s.run(0, 50*Millisecond)
		cwnd, shortterm, longterm := f.w.cwnd, b.inflightShortterm, b.inflightLongterm
		// Thirty segments sent in UP are taken for lost.
		for i := range uint64(30) {
			tx := f.ring[(f.nextTx-40+i)&simMask].tx
			f.r.onLost(simSMSS)
			b.onLost(&f.w, &lossSample{now: s.now, bytes: simSMSS, tx: tx, totalLost: f.r.lost, delivered: f.r.delivered})
		}
		b.onCongestionEvent(&f.w, s.now, kind, f.pipe)
		if kind == congestionLoss && b.state != bbrProbeDown {
			t.Fatalf("state %d after the losses", b.state)
		}
		b.onUndo(&f.w, s.now)
		if f.w.cwnd < cwnd || b.inflightShortterm < shortterm || b.inflightLongterm < longterm {
			t.Errorf("kind %d: cwnd %d of %d, shortterm %d of %d, longterm %d of %d", kind,
				f.w.cwnd, cwnd, b.inflightShortterm, shortterm, b.inflightLongterm, longterm)
		}
		if b.state != bbrProbeRefill && b.state != bbrProbeUp {
			t.Errorf("kind %d: state %d, the probe was not taken up again", kind, b.state)
		}
	}
}

// Entering and Exiting PROBE_RTT During STARTUP.
func TestBBRAppendixProbeRTTInStartup(t *testing.T) {
	s, f, b := appendixFlow(16)
	s.writes(f, 8, 25*Millisecond)
	s.run(0, 4*Second)
	s.until(4*Second, func() bool { return b.state == bbrProbeRTT })
	if b.state != bbrProbeRTT {
		t.Fatal("ProbeRTT was not entered")
	}
	s.until(2*Second, func() bool { return b.state != bbrProbeRTT })
	if b.state != bbrStartup || b.fullBWReached {
		t.Errorf("state %d after ProbeRTT", b.state)
	}
}

// Handling Application-Limited Sending During PROBE_REFILL.
func TestBBRAppendixAppLimitedRefill(t *testing.T) {
	s, f, b := appendixFlow(17)
	s.wait(t, b, bbrProbeRefill, 10*Second)
	before := b.maxBW()
	s.appLimit(f, 2, 10*Millisecond)
	s.until(Second, func() bool { return b.state == bbrProbeUp })
	s.run(0, 500*Millisecond)
	if b.state != bbrProbeUp || b.maxBW() < before {
		t.Errorf("state %d, max_bw %d of %d", b.state, b.maxBW(), before)
	}
}
