package tcp

// bbrFullPipe is the "full pipe" estimator (§2.13, §5.3.1.2).
type bbrFullPipe struct {
	fullBWReached bool   // BBR.full_bw_reached
	fullBWNow     bool   // BBR.full_bw_now
	fullBW        uint64 // BBR.full_bw
	fullBWCount   uint8  // BBR.full_bw_count

	drainStartRound uint64 // BBR.drain_start_round
	lossEvents      uint8  // ACKs that marked losses in this round, saturating (§5.3.1.3)
}

// enterStartup is EnterStartup (§5.3.1.1).
func (b *bbr) enterStartup() { b.setState(bbrStartup) }

// resetFullBW is ResetFullBW (§5.3.1.2).
func (b *bbr) resetFullBW() {
	b.fullBW, b.fullBWCount, b.fullBWNow = 0, 0, false
}

// checkFullBWReached is CheckFullBWReached (§5.3.1.2): three rounds in which the
// delivery rate grew by less than a quarter.
func (b *bbr) checkFullBWReached(s *ackSample) {
	if b.fullBWNow || !b.roundStart || s.rs.appLimited {
		return // "no need to check for a full pipe now"
	}
	if s.rs.rate == 0 {
		return // an unreliable sample is no evidence of a plateau
	}
	if s.rs.rate >= b.fullBW+b.fullBW/4 {
		b.resetFullBW() // "bw is still growing, so reset"
		b.fullBW = s.rs.rate
		return
	}
	b.fullBWCount++ // "another round w/o much growth"
	b.fullBWNow = b.fullBWCount >= bbrFullBWCount
	if b.fullBWNow {
		b.fullBWReached = true
	}
}

// checkStartupDone is CheckStartupDone (§5.3.1.1).
func (b *bbr) checkStartupDone(w *window, s *ackSample) {
	b.checkStartupHighLoss(w, s)
	if b.state == bbrStartup && b.fullBWReached {
		b.enterDrain()
	}
}

// checkStartupHighLoss is CheckStartupHighLoss (§5.3.1.3): at the end of a round in
// fast recovery, enough separate losses and too high a rate of them. An ACK that
// marks losses stands for one of the "discontiguous sequence ranges".
func (b *bbr) checkStartupHighLoss(w *window, s *ackSample) {
	if b.fullBWReached {
		return
	}
	if s.lost > 0 && b.lossEvents < 0xF {
		b.lossEvents++
	}
	if w.withoutSACK && s.lost > 0 && b.inRecovery {
		b.startupTooHigh(w)
		return
	}
	if !b.lossRoundStart {
		return
	}
	if b.inRecovery && b.lossEvents >= bbrFullLossCount &&
		b.inflightTooHigh(w, s.rs.lost, s.rs.txInFlight) {
		b.startupTooHigh(w)
	}
	b.lossEvents = 0
}

// startupTooHigh exits Startup because of loss (§5.3.1.3).
func (b *bbr) startupTooHigh(w *window) {
	if b.state == bbrStartup {
		b.undo.state = bbrStartup
	}
	b.fullBWNow, b.fullBWReached = true, true
	b.inflightLongterm = max(b.bdpMultiple(w, b.bw, 100), b.inflightLatest)
}

// enterDrain is EnterDrain (§5.3.2).
func (b *bbr) enterDrain() {
	b.setState(bbrDrain)
	b.drainStartRound = b.roundCount
}

// checkDrainDone is CheckDrainDone (§5.3.2).
func (b *bbr) checkDrainDone(w *window, s *ackSample) {
	if b.state == bbrDrain &&
		(uint64(s.inFlight) <= b.inflight(w, b.bw, 100) ||
			b.roundCount > b.drainStartRound+bbrDrainRounds) {
		b.startProbeDown(w, s.now, s.rs.totalDelivered) // EnterProbeBW, §5.3.3.9
	}
}
