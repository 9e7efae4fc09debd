package tcp

// bbrCycle is the state of ProbeBW (§2.14).
type bbrCycle struct {
	ackPhase                bbrAckPhase // BBR.ack_phase
	isBWProbeSample         bool        // BBR.is_bw_probe_sample
	bwProbeUpAcked          uint64      // BBR.bw_probe_up_acked
	probeUpAckedPerInc      uint64      // BBR.probe_up_acked_per_inc
	bwProbeUpRounds         uint8       // BBR.bw_probe_up_rounds
	roundsSinceProbeUp      uint32      // BBR.rounds_since_probe_up
	bwProbeWait             Duration    // BBR.bw_probe_wait
	cycleStamp              Instant     // BBR.cycle_stamp
	prevProbeTooHigh        bool        // BBR.prev_probe_too_high
	prevProbePrecautionary  bool        // BBR.prev_probe_precautionary
	cwndLimited, wasLimited bool        // C.is_cwnd_limited in this round and in the last
}

// startProbeDown is StartProbeBW_DOWN (§5.3.3.9). delivered is C.delivered.
func (b *bbr) startProbeDown(w *window, now Instant, delivered uint64) {
	b.resetCongestionSignals()
	b.probeUpAckedPerInc = bbrInfinite // "not growing BBR.inflight_longterm"
	b.pickProbeWait()
	b.cycleStamp = now
	b.ackPhase = bbrAcksProbeStopping
	b.startRound(delivered)
	b.setState(bbrProbeDown)
}

// startProbeCruise is StartProbeBW_CRUISE.
func (b *bbr) startProbeCruise() { b.setState(bbrProbeCruise) }

// startProbeRefill is StartProbeBW_REFILL.
func (b *bbr) startProbeRefill(delivered uint64) {
	b.resetShortTermModel()
	b.bwProbeUpRounds = 0
	b.bwProbeUpAcked = 0
	b.prevProbePrecautionary = false
	b.ackPhase = bbrAcksRefilling
	b.startRound(delivered)
	b.setState(bbrProbeRefill)
}

// startProbeUp is StartProbeBW_UP.
func (b *bbr) startProbeUp(w *window, s *ackSample) {
	b.ackPhase = bbrAcksProbeStarting
	b.startRound(s.rs.totalDelivered)
	b.resetFullBW()
	b.fullBW = s.rs.rate
	b.setState(bbrProbeUp)
	b.raiseInflightLongtermSlope(w)
}

// pickProbeWait is PickProbeWait (§5.3.3.8).
func (b *bbr) pickProbeWait() {
	b.roundsSinceProbeUp = uint32(b.random() >> 63) // 0 or 1
	b.bwProbeWait = bbrProbeWaitBase + Duration(b.random()%uint64(bbrProbeWaitRandom))
}

// updateProbeBWCyclePhase is UpdateProbeBWCyclePhase (§5.3.3.9): "the core state
// machine logic for ProbeBW".
func (b *bbr) updateProbeBWCyclePhase(w *window, s *ackSample) {
	if !b.fullBWReached {
		return // "only handling steady-state behavior here"
	}
	if b.adaptLongTermModel(w, s) {
		return // "already decided state transition"
	}
	switch b.state {
	case bbrProbeDown:
		if !b.checkTimeToProbeBW(w, s) && b.timeToCruise(w, s) {
			b.startProbeCruise()
		}
	case bbrProbeCruise:
		b.checkTimeToProbeBW(w, s)
	case bbrProbeRefill:
		// "After one round of REFILL, start UP."
		if b.roundStart {
			b.isBWProbeSample = true
			b.startProbeUp(w, s)
		}
	case bbrProbeUp:
		if b.timeToGoDown(w, s) {
			b.prevProbeTooHigh = false // "no high loss (yet)"
			b.startProbeDown(w, s.now, s.rs.totalDelivered)
		}
	case bbrStartup, bbrDrain, bbrProbeRTT, bbrNone:
	}
}

// checkTimeToProbeBW is IsTimeToProbeBW (§5.3.3.8).
func (b *bbr) checkTimeToProbeBW(w *window, s *ackSample) bool {
	if s.now > b.cycleStamp.Add(b.bwProbeWait) || b.renoCoexistenceProbeTime(w) {
		b.startProbeRefill(s.rs.totalDelivered)
		return true
	}
	return false
}

// renoCoexistenceProbeTime is IsRenoCoexistenceProbeTime (§5.3.3.8): as many rounds
// as Reno needs to grow by the target, counted in segments.
func (b *bbr) renoCoexistenceProbeTime(w *window) bool {
	rounds := min(b.targetInflight(w)/uint64(max(w.smss, 1)), bbrRenoRounds)
	return uint64(b.roundsSinceProbeUp) >= rounds
}

// timeToCruise is IsTimeToCruise (§5.3.3.9).
func (b *bbr) timeToCruise(w *window, s *ackSample) bool {
	inflight := uint64(s.inFlight)
	return inflight <= b.inflightWithHeadroom(w) && // else "not enough headroom"
		inflight <= b.inflight(w, b.maxBW(), 100) // else "C.inflight > estimated BDP"
}

// timeToGoDown is IsTimeToGoDown (§5.3.3.9).
func (b *bbr) timeToGoDown(w *window, s *ackSample) bool {
	// "Precautionary Bandwidth Probing: Deceleration."
	if b.prevProbeTooHigh && uint64(s.inFlight) >= b.inflightLongterm {
		b.prevProbePrecautionary = true
		return true
	}
	if b.isCwndLimited() && uint64(w.cwnd) >= b.inflightLongterm {
		b.resetFullBW() // "bw is limited by BBR.inflight_longterm"
		b.fullBW = s.rs.rate
		return false
	}
	return b.fullBWNow // "we estimate we've fully used path bw"
}

// isCwndLimited is C.is_cwnd_limited: cwnd was "fully utilized ... at any point in
// the last packet-timed round trip" (§2.2).
func (b *bbr) isCwndLimited() bool { return b.cwndLimited || b.wasLimited }

// inflightWithHeadroom is InflightWithHeadroom (§5.3.3.9).
func (b *bbr) inflightWithHeadroom(w *window) uint64 {
	if b.inflightLongterm == bbrInfinite {
		return bbrInfinite
	}
	headroom := max(uint64(w.smss), b.inflightLongterm*bbrHeadroomPercent/100)
	if b.inflightLongterm <= headroom {
		return minPipeCwnd(w)
	}
	return max(b.inflightLongterm-headroom, minPipeCwnd(w))
}

// raiseInflightLongtermSlope is RaiseInflightLongtermSlope (§5.3.3.9): growth
// doubles with each round of probing.
func (b *bbr) raiseInflightLongtermSlope(w *window) {
	growth := uint64(1) << b.bwProbeUpRounds
	b.bwProbeUpRounds = min(b.bwProbeUpRounds+1, bbrMaxUpRounds)
	b.probeUpAckedPerInc = max(uint64(w.cwnd)/growth, uint64(w.smss), 1)
}

// probeInflightLongtermUpward is ProbeInflightLongtermUpward (§5.3.3.9).
func (b *bbr) probeInflightLongtermUpward(w *window, s *ackSample) {
	if !b.isCwndLimited() || uint64(w.cwnd) < b.inflightLongterm {
		return // "not fully using BBR.inflight_longterm, so don't grow it"
	}
	b.bwProbeUpAcked += uint64(s.delivered)
	if b.bwProbeUpAcked >= b.probeUpAckedPerInc {
		delta := b.bwProbeUpAcked / b.probeUpAckedPerInc
		b.bwProbeUpAcked -= delta * b.probeUpAckedPerInc
		b.inflightLongterm += delta * uint64(w.smss)
	}
	if b.roundStart {
		b.raiseInflightLongtermSlope(w)
	}
}

// adaptLongTermModel is AdaptLongTermModel (§5.3.3.9). It reports whether it decided
// a state transition.
func (b *bbr) adaptLongTermModel(w *window, s *ackSample) bool {
	if b.ackPhase == bbrAcksProbeStarting && b.roundStart {
		b.ackPhase = bbrAcksProbeFeedback // "starting to get bw probing samples"
	}
	if b.ackPhase == bbrAcksProbeStopping && b.roundStart {
		// "End of samples from bw probing phase."
		b.isBWProbeSample = false
		b.ackPhase = bbrAcksInit
		if b.inProbeBW() && !s.rs.appLimited {
			b.advanceMaxBWFilter()
		}
		// "Precautionary Bandwidth Probing: Acceleration."
		if b.inProbeBW() && b.prevProbePrecautionary && !b.prevProbeTooHigh {
			b.startProbeRefill(s.rs.totalDelivered)
			return true
		}
	}
	if b.inflightTooHigh(w, s.rs.lost, s.rs.txInFlight) || b.inflightLongterm == bbrInfinite {
		return false // the response to loss is in onLost; or "no upper bounds to raise"
	}
	// "Loss rate is safe. Adjust upper bounds upward."
	b.inflightLongterm = max(b.inflightLongterm, uint64(s.rs.txInFlight))
	if b.state == bbrProbeUp {
		b.probeInflightLongtermUpward(w, s)
	}
	return false
}
