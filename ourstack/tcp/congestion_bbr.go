package tcp

// BBRv3 after draft-ietf-ccwg-bbr (2026-08). Section numbers are of that draft. The
// files follow its parts:
//
//	congestion_bbr.go          constants, state, events (§5.2)
//	congestion_bbr_startup.go  Startup and Drain (§5.3.1, §5.3.2)
//	congestion_bbr_probebw.go  ProbeBW (§5.3.3)
//	congestion_bbr_probertt.go ProbeRTT, min_rtt, restart from idle (§5.3.4, §5.4)
//	congestion_bbr_model.go    rounds, max_bw, extra_acked, short-term model (§5.5)
//	congestion_bbr_loss.go     response to loss and its undo (§5.5.10, §5.5.11)
//	congestion_bbr_floor.go    losses that are not congestion (a deviation)
//	congestion_bbr_control.go  pacing rate, send quantum and cwnd (§5.6)

// Gains in percent.
const (
	bbrStartupPacingGain = 277 // StartupPacingGain, 4*ln(2), §2.5
	bbrDrainPacingGain   = 50  // DrainPacingGain, §2.5
	bbrDownPacingGain    = 90  // §5.3.3.1
	bbrCruisePacingGain  = 100 // §5.3.3.2, also REFILL and ProbeRTT
	bbrUpPacingGain      = 125 // §5.3.3.5
	bbrDefaultCwndGain   = 200 // DefaultCwndGain, §2.6
	bbrUpCwndGain        = 225 // §5.3.3.5
	bbrProbeRTTCwndGain  = 50  // ProbeRTTCwndGain, §2.16.2

	bbrPacingMarginPercent = 1  // PacingMarginPercent, §2.5
	bbrBetaPercent         = 70 // Beta, §2.8
	bbrHeadroomPercent     = 15 // Headroom, §2.8
)

// Other constants of the draft.
const (
	bbrLossThreshPPM    = 20000               // LossThresh 2 %, §2.8, in parts per million
	bbrMinPipeSegments  = 4                   // MinPipeCwnd in segments, §2.8
	bbrFullLossCount    = 6                   // BBRStartupFullLossCnt, §5.3.1.3
	bbrFullBWCount      = 3                   // rounds of a plateau, §5.3.1.2
	bbrDrainRounds      = 3                   // rounds after which Drain gives up, §5.3.2
	bbrExtraAckedRounds = 10                  // ExtraAckedFilterLen, §2.12
	bbrMinRTTFilterLen  = 10 * Second         // MinRTTFilterLen, §2.16.1
	bbrProbeRTTInterval = 5 * Second          // ProbeRTTInterval, §2.16.2
	bbrProbeRTTDuration = 200 * Millisecond   // ProbeRTTDuration, §2.16.2
	bbrProbeWaitBase    = 2 * Second          // T_bbr: 2 to 3 s, §5.3.3.8
	bbrProbeWaitRandom  = 1 * Second          // the random part of it
	bbrRenoRounds       = 63                  // T_reno_bound, §5.3.3.8
	bbrMaxUpRounds      = 30                  // bound of bw_probe_up_rounds, §5.3.3.9
	bbrInfinite         = uint64(1<<64 - 1)   // "Infinity" of volumes and rates
	bbrInfiniteRTT      = Duration(1<<63 - 1) // "Infinity" of times
	bbrDefaultSeed      = 0x9E3779B97F4A7C15  // of a connection that sets none
)

// bbrState is BBR.state.
type bbrState uint8

const (
	bbrStartup bbrState = iota
	bbrDrain
	bbrProbeDown
	bbrProbeCruise
	bbrProbeRefill
	bbrProbeUp
	bbrProbeRTT
	bbrNone // undo_state: nothing to undo
)

// bbrAckPhase is BBR.ack_phase (§2.14).
type bbrAckPhase uint8

const (
	bbrAcksInit          bbrAckPhase = iota // not probing bandwidth
	bbrAcksRefilling                        // sending at the estimate to fill the pipe
	bbrAcksProbeStarting                    // inflight rises to probe bandwidth
	bbrAcksProbeFeedback                    // getting feedback from bandwidth probing
	bbrAcksProbeStopping                    // stopped probing; still getting feedback
)

// bbr is BBRv3. Volumes are bytes, rates bytes per second.
type bbr struct {
	state      bbrState
	pacingGain uint64 // BBR.pacing_gain in percent
	cwndGain   uint64 // BBR.cwnd_gain in percent
	rng        uint64 // state of the random numbers (§5.3.3.8)
	started    bool   // OnInit has run
	hasSRTT    bool   // the pacing rate was initialised from an RTT

	bbrRound
	bbrRateModel
	bbrVolumeModel
	bbrSignals
	bbrFullPipe
	bbrCycle
	bbrMinRTT
	floor bbrLossFloor

	priorCwnd  uint32 // BBR.prior_cwnd
	inRecovery bool   // InLossRecovery()
	rtoPending bool   // no ACK since the last timeout
	undo       bbrUndo
}

// newBBR returns BBR in Startup. The connection may set rng by [bbr.seed].
func newBBR() *bbr {
	b := &bbr{rng: bbrDefaultSeed}
	b.minRTT, b.probeRTTMinDelay = bbrInfiniteRTT, bbrInfiniteRTT
	b.bw = 0
	b.inflightLongterm = bbrInfinite
	b.probeUpAckedPerInc = bbrInfinite
	b.undo.state = bbrNone
	b.resetCongestionSignals()
	b.resetShortTermModel()
	b.resetFullBW()
	b.enterStartup()
	return b
}

// seed sets the state of the random numbers: once, before use, to a value that an
// attacker cannot know.
func (b *bbr) seed(v uint64) {
	if v != 0 {
		b.rng = v
	}
}

// random returns 64 random bits (xorshift64*; Vigna, "An experimental exploration
// of Marsaglia's xorshift generators, scrambled", 2016). Good enough to keep flows
// from probing in step, which is all it is for.
func (b *bbr) random() uint64 {
	b.rng ^= b.rng >> 12
	b.rng ^= b.rng << 25
	b.rng ^= b.rng >> 27
	return b.rng * 0x2545F4914F6CDD1D
}

func (*bbr) name() string       { return "bbr" }
func (*bbr) ownsRecovery() bool { return true }

// start is the part of OnInit (§5.2.1) that needs the time.
func (b *bbr) start(now Instant) {
	if b.started {
		return
	}
	b.started = true
	b.minRTTStamp, b.probeRTTMinStamp = now, now
	b.extraAckedStart = now
	b.cycleStamp = now
}

// onSent is OnTransmit (§5.2.2).
func (b *bbr) onSent(w *window, now Instant, _, priorInFlight uint32) {
	b.start(now)
	b.handleRestartFromIdle(w, now, priorInFlight)
}

// onAck is UpdateOnACK (§5.2.3); the rate sample was generated by the connection.
func (b *bbr) onAck(w *window, s *ackSample) {
	b.start(s.now)
	b.rtoPending = false
	b.initPacingRate(w, s)

	// UpdateModelAndState():
	b.updateLatestDeliverySignals(s)
	b.updateCongestionSignals(w, s)
	b.updateACKAggregation(w, s)
	b.floor.onAck(b, w, s)
	b.checkFullBWReached(s)
	b.checkStartupDone(w, s)
	b.checkDrainDone(w, s)
	b.updateProbeBWCyclePhase(w, s)
	b.updateMinRTT(s)
	b.checkProbeRTT(w, s)
	b.advanceLatestDeliverySignals(s)
	b.boundBWForModel()

	// UpdateControlParameters():
	b.setPacingRate(w)
	w.setSendQuantum()
	b.setCwnd(w, s)
}

// onCongestionEvent is OnEnterFastRecovery and OnEnterRTO (§5.6.4.4).
func (b *bbr) onCongestionEvent(w *window, now Instant, kind congestionKind, flight uint32) {
	b.start(now)
	switch kind {
	case congestionLoss:
		b.saveCwnd(w)
		b.inRecovery = true
	case congestionECN:
		b.handleECN(w, now, flight)
	case congestionRTO:
		if !b.rtoPending {
			b.saveCwnd(w)
			b.saveStateUponLoss(w)
		}
		b.rtoPending = true
		b.inRecovery = true
		// "C.cwnd = C.inflight + 1": the timer marks all that was outstanding as lost.
		w.cwnd = w.smss
	}
	w.clamp()
}

// onExitRecovery restores "the 'last known good' value that C.cwnd held before
// entering recovery" (§5.6.4.4), within the bounds of the model.
func (b *bbr) onExitRecovery(w *window, _ Instant) {
	if b.inRecovery {
		b.inRecovery, b.undo.saved = false, false
		b.restoreCwnd(w)
		b.boundCwnd(w)
	}
}

// onIdleRestart: nothing; "BBR leaves C.cwnd as-is and paces packets at exactly
// BBR.bw" (§5.4.1), which onSent sees to.
func (b *bbr) onIdleRestart(*window, Instant, Duration) {}

// inProbeBW is IsInAProbeBWState (§5.3.3.9).
func (b *bbr) inProbeBW() bool { return b.state >= bbrProbeDown && b.state <= bbrProbeUp }

// probingBW is IsProbingBW (§5.3.3.9).
func (b *bbr) probingBW() bool {
	return b.state == bbrStartup || b.state == bbrProbeRefill || b.state == bbrProbeUp
}

// setState enters a state with its gains: the table of §5.6.1.
func (b *bbr) setState(s bbrState) {
	b.state = s
	b.cwndGain = bbrDefaultCwndGain
	switch s {
	case bbrStartup:
		b.pacingGain = bbrStartupPacingGain
	case bbrDrain:
		b.pacingGain = bbrDrainPacingGain
	case bbrProbeDown:
		b.pacingGain = bbrDownPacingGain
	case bbrProbeCruise, bbrProbeRefill:
		b.pacingGain = bbrCruisePacingGain
	case bbrProbeUp:
		b.pacingGain = bbrUpPacingGain
		b.cwndGain = bbrUpCwndGain
	case bbrProbeRTT:
		b.pacingGain = bbrCruisePacingGain
		b.cwndGain = bbrProbeRTTCwndGain
	case bbrNone:
	}
}
