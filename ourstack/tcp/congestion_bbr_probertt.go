package tcp

// bbrMinRTT is the estimate of the round-trip propagation delay and the schedule of
// ProbeRTT (§2.16).
type bbrMinRTT struct {
	minRTT      Duration // BBR.min_rtt
	minRTTStamp Instant  // BBR.min_rtt_stamp

	probeRTTMinDelay  Duration // BBR.probe_rtt_min_delay
	probeRTTMinStamp  Instant  // BBR.probe_rtt_min_stamp
	probeRTTExpired   bool     // BBR.probe_rtt_expired
	probeRTTDoneStamp Instant  // BBR.probe_rtt_done_stamp; 0 = not yet at the low inflight
	probeRTTRoundDone bool     // BBR.probe_rtt_round_done
	idleRestart       bool     // BBR.idle_restart
}

// updateMinRTT is UpdateMinRTT (§5.3.4.3).
func (b *bbr) updateMinRTT(s *ackSample) {
	b.probeRTTExpired = s.now > b.probeRTTMinStamp.Add(bbrProbeRTTInterval)
	if s.rtt >= 0 && (s.rtt < b.probeRTTMinDelay || b.probeRTTExpired) {
		b.probeRTTMinDelay = s.rtt
		b.probeRTTMinStamp = s.now
	}
	expired := s.now > b.minRTTStamp.Add(bbrMinRTTFilterLen)
	if b.probeRTTMinDelay < b.minRTT || expired {
		b.minRTT = b.probeRTTMinDelay
		b.floor.onMinRTT(b.minRTT)
		b.minRTTStamp = b.probeRTTMinStamp
	}
}

// checkProbeRTT is CheckProbeRTT (§5.3.4.3).
func (b *bbr) checkProbeRTT(w *window, s *ackSample) {
	if b.state != bbrProbeRTT && b.probeRTTExpired && !b.idleRestart {
		b.saveCwnd(w)
		b.setState(bbrProbeRTT) // EnterProbeRTT
		b.floor.decay()
		b.probeRTTDoneStamp = 0
		b.ackPhase = bbrAcksProbeStopping
		b.startRound(s.rs.totalDelivered)
	}
	if b.state == bbrProbeRTT {
		b.handleProbeRTT(w, s)
	}
	if s.rs.delivered > 0 {
		b.idleRestart = false
	}
}

// handleProbeRTT is HandleProbeRTT (§5.3.4.3).
func (b *bbr) handleProbeRTT(w *window, s *ackSample) {
	if w.rate != nil {
		w.rate.markAppLimited(s.inFlight) // "Ignore low rate samples during ProbeRTT"
	}
	if b.probeRTTDoneStamp == 0 {
		if uint64(s.inFlight) <= b.probeRTTCwnd(w) {
			// "Wait for at least BBR.ProbeRTTDuration to elapse", and for one round.
			b.probeRTTDoneStamp = s.now.Add(bbrProbeRTTDuration)
			b.probeRTTRoundDone = false
			b.startRound(s.rs.totalDelivered)
		}
		return
	}
	if b.roundStart {
		b.probeRTTRoundDone = true
	}
	if b.probeRTTRoundDone {
		b.checkProbeRTTDone(w, s.now, s.rs.totalDelivered)
	}
}

// checkProbeRTTDone is CheckProbeRTTDone (§5.3.4.3).
func (b *bbr) checkProbeRTTDone(w *window, now Instant, delivered uint64) {
	if b.probeRTTDoneStamp != 0 && now > b.probeRTTDoneStamp {
		b.probeRTTMinStamp = now // "schedule next ProbeRTT"
		b.restoreCwnd(w)
		b.exitProbeRTT(w, now, delivered)
	}
}

// exitProbeRTT is ExitProbeRTT (§5.3.4.4).
func (b *bbr) exitProbeRTT(w *window, now Instant, delivered uint64) {
	b.resetShortTermModel()
	if b.fullBWReached {
		b.startProbeDown(w, now, delivered)
		b.startProbeCruise()
	} else {
		b.enterStartup()
	}
}

// handleRestartFromIdle is HandleRestartFromIdle (§5.4.1), before a transmission.
func (b *bbr) handleRestartFromIdle(w *window, now Instant, inFlight uint32) {
	if inFlight != 0 || w.rate == nil || w.rate.appLimited == 0 {
		return
	}
	b.idleRestart = true
	// The interval begins anew with nothing acknowledged in it. DEVIATION §5.4.1, which keeps the
	// count: with each pause extra_acked, and so cwnd, would grow by what was sent before it.
	b.extraAckedStart, b.extraAckedDelivered = now, 0
	if b.inProbeBW() {
		b.setPacingRateWithGain(w, 100)
	} else if b.state == bbrProbeRTT {
		b.checkProbeRTTDone(w, now, w.rate.delivered)
	}
}
