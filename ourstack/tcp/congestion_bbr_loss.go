package tcp

// bbrUndo is the state to return to when a loss episode was spurious (§2.15).
type bbrUndo struct {
	saved             bool     // the state before the present loss episode is stored
	state             bbrState // BBR.undo_state; bbrNone = no state to return to
	bwShortterm       uint64   // BBR.undo_bw_shortterm
	inflightShortterm uint64   // BBR.undo_inflight_shortterm
	inflightLongterm  uint64   // BBR.undo_inflight_longterm
}

// onLost is HandleLostPacket (§5.5.10.2).
func (b *bbr) onLost(w *window, l *lossSample) {
	b.start(l.now)
	b.noteLoss(w, l.delivered)
	b.lostInRound += uint64(l.bytes)
	if !b.isBWProbeSample {
		return // "not a packet sent while probing bandwidth"
	}
	lost := l.totalLost - l.tx.lost // "data lost since transmit"
	if b.inflightTooHigh(w, lost, l.tx.txInFlight) {
		b.handleInflightTooHigh(w, l.now, b.inflightAtLoss(l, lost), l.tx.appLimited, l.delivered)
	}
}

// noteLoss is NoteLoss. delivered is C.delivered.
func (b *bbr) noteLoss(w *window, delivered uint64) {
	if b.isLossInRound {
		return
	}
	// "First loss in this round trip."
	b.lossRoundDelivered = delivered
	b.lostInRound, b.deliveredInRound = 0, 0
	b.saveStateUponLoss(w)
	b.isLossInRound = true
}

// inflightTooHigh is IsInflightTooHigh (§5.5.10.2): do losses suggest that inflight
// was too high? lost and txInFlight are RS.lost and RS.tx_in_flight. The threshold
// includes the loss floor of the path.
func (b *bbr) inflightTooHigh(w *window, lost uint64, txInFlight uint32) bool {
	if w.withoutSACK {
		return lost > 0
	}
	return lost > b.floor.allowance(uint64(txInFlight), bbrLossThreshPPM, w.smss)
}

// handleInflightTooHigh is HandleInflightTooHigh (§5.5.10.2). inflight is
// RS.tx_in_flight as corrected by InflightAtLoss.
func (b *bbr) handleInflightTooHigh(w *window, now Instant, inflight uint64, appLimited bool, delivered uint64) {
	b.prevProbeTooHigh = true
	b.isBWProbeSample = false // "only react once per bw probe"
	if !appLimited {
		b.inflightLongterm = max(inflight, percentOf(b.targetInflight(w), bbrBetaPercent))
	}
	if b.state == bbrProbeUp {
		b.undo.state = bbrProbeUp
		b.startProbeDown(w, now, delivered)
	}
}

// inflightAtLoss is InflightAtLoss (§5.5.10.2): at which prefix of the lost packet
// did losses exceed LossThresh?
//
//	lost_prefix = (LossThresh * inflight_prev - lost_prev) / (1 - LossThresh)
func (b *bbr) inflightAtLoss(l *lossSample, lost uint64) uint64 {
	size := uint64(l.bytes)
	inflightPrev := uint64(l.tx.txInFlight) - min(size, uint64(l.tx.txInFlight))
	lostPrev := lost - min(size, lost)
	allowed := b.floor.allowance(inflightPrev, bbrLossThreshPPM, l.bytes)
	if allowed <= lostPrev {
		return inflightPrev
	}
	return inflightPrev + min(mulDiv(allowed-lostPrev, 1e6, 1e6-bbrLossThreshPPM), size)
}

// handleECN responds to an ECN echo as to loss: "the congestion controller response
// MUST treat any CE marks as congestion" (§3.7).
func (b *bbr) handleECN(w *window, now Instant, flight uint32) {
	delivered := b.nextRoundDelivered
	if w.rate != nil {
		delivered = w.rate.delivered
	}
	b.noteLoss(w, delivered)
	b.ecnInRound = true
	switch {
	case b.state == bbrStartup:
		b.startupTooHigh(w)
	case b.isBWProbeSample:
		b.handleInflightTooHigh(w, now, uint64(flight), false, delivered)
	}
	// An ECN echo is never spurious.
	b.undo.state = bbrNone
	b.undo.saved = b.inRecovery
}

// targetInflight is TargetInflight (§5.3.3.8): "Our estimated BDP, unless congestion
// cut C.cwnd."
func (b *bbr) targetInflight(w *window) uint64 {
	return min(b.bdpMultiple(w, b.bw, 100), uint64(w.cwnd))
}

// saveStateUponLoss is SaveStateUponLoss (§5.5.11.1).
//
// DEVIATION §5.5.10.2: only at the first loss of an episode. NoteLoss of the draft
// saves at the first loss of each round, and StartProbeBW_DOWN begins a new one: the
// next loss of the same ACK would overwrite the state that is to come back.
func (b *bbr) saveStateUponLoss(w *window) {
	if b.undo.saved {
		return
	}
	b.saveCwnd(w)
	b.undo = bbrUndo{
		saved:             true,
		state:             bbrNone,
		bwShortterm:       b.bwShortterm,
		inflightShortterm: b.inflightShortterm,
		inflightLongterm:  b.inflightLongterm,
	}
}

// onUndo is HandleSpuriousLossDetection (§5.5.11.2).
func (b *bbr) onUndo(w *window, _ Instant) {
	b.inRecovery, b.rtoPending = false, false
	b.restoreCwnd(w)
	b.isLossInRound = false
	b.resetFullBW()
	b.bwShortterm = max(b.bwShortterm, b.undo.bwShortterm)
	b.inflightShortterm = max(b.inflightShortterm, b.undo.inflightShortterm)
	b.inflightLongterm = max(b.inflightLongterm, b.undo.inflightLongterm)
	// "If flow was probing bandwidth, return to that state."
	switch {
	case b.undo.state == bbrStartup && b.state != bbrStartup:
		b.fullBWReached = false
		if b.state != bbrProbeRTT {
			b.enterStartup()
		}
	case b.undo.state == bbrProbeUp && b.state != bbrProbeUp:
		if b.state != bbrProbeRTT {
			b.startProbeRefill(b.lossRoundDelivered)
		}
	}
	b.undo.state, b.undo.saved = bbrNone, false
	w.clamp()
}

// saveCwnd is SaveCwnd (§5.6.4.4).
func (b *bbr) saveCwnd(w *window) {
	if !b.inRecovery && b.state != bbrProbeRTT {
		b.priorCwnd = w.cwnd
	} else {
		b.priorCwnd = max(b.priorCwnd, w.cwnd)
	}
}

// restoreCwnd is RestoreCwnd (§5.6.4.4).
func (b *bbr) restoreCwnd(w *window) {
	w.cwnd = max(w.cwnd, b.priorCwnd)
	w.clamp()
}
