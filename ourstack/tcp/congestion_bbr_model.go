package tcp

// bbrRound counts packet-timed round trips (§2.7, §5.5.1).
type bbrRound struct {
	roundCount         uint64 // BBR.round_count
	roundStart         bool   // BBR.round_start
	nextRoundDelivered uint64 // BBR.next_round_delivered
}

// bbrRateModel is the model of the data rate (§2.9.1).
type bbrRateModel struct {
	// maxBWFilter is BBR.max_bw_filter, which "only needs to track samples from two
	// time slots: the previous ProbeBW cycle and the current ProbeBW cycle" (§5.5.6).
	maxBWFilter [2]uint64
	bwShortterm uint64 // BBR.bw_shortterm
	bw          uint64 // BBR.bw
}

// bbrVolumeModel is the model of the data volume (§2.9.2, §2.12).
type bbrVolumeModel struct {
	inflightLongterm    uint64 // BBR.inflight_longterm
	inflightShortterm   uint64 // BBR.inflight_shortterm
	extraAcked          uint64 // BBR.extra_acked
	extraAckedStart     Instant
	extraAckedDelivered uint64       // BBR.extra_acked_delivered
	extraAckedFilter    windowFilter // BBR.extra_acked_filter
}

// bbrSignals is the state for responding to congestion (§2.10).
type bbrSignals struct {
	bwLatest           uint64 // BBR.bw_latest
	inflightLatest     uint64 // BBR.inflight_latest
	lossRoundDelivered uint64 // BBR.loss_round_delivered
	lossRoundStart     bool   // BBR.loss_round_start
	isLossInRound      bool   // BBR.is_loss_in_round

	ecnInRound       bool   // an ECN echo arrived in this round
	lostInRound      uint64 // bytes marked lost since isLossInRound was set
	deliveredInRound uint64 // bytes delivered since then
}

// startRound is StartRound (§5.5.1). delivered is C.delivered.
func (b *bbr) startRound(delivered uint64) { b.nextRoundDelivered = delivered }

// updateRound is UpdateRound (§5.5.1).
func (b *bbr) updateRound(s *ackSample) {
	b.cwndLimited = b.cwndLimited || s.cwndLimited
	if s.rs.priorDelivered < b.nextRoundDelivered || !s.rs.hasData {
		b.roundStart = false
		return
	}
	b.startRound(s.rs.totalDelivered)
	b.roundCount++
	b.roundsSinceProbeUp++
	b.roundStart = true
	b.wasLimited, b.cwndLimited = b.cwndLimited, s.cwndLimited
}

// maxBW is BBR.max_bw.
func (b *bbr) maxBW() uint64 { return max(b.maxBWFilter[0], b.maxBWFilter[1]) }

// updateMaxBW is UpdateMaxBw (§5.5.5).
func (b *bbr) updateMaxBW(s *ackSample) {
	b.updateRound(s)
	rate := s.rs.rate
	if rate > 0 && (rate >= b.maxBW() || !s.rs.appLimited) {
		b.maxBWFilter[1] = max(b.maxBWFilter[1], rate)
	}
}

// advanceMaxBWFilter is AdvanceMaxBwFilter (§5.5.6). A cycle without a sample, which
// was application-limited as a whole, is not counted.
func (b *bbr) advanceMaxBWFilter() {
	if b.maxBWFilter[1] == 0 {
		return
	}
	b.maxBWFilter[0], b.maxBWFilter[1] = b.maxBWFilter[1], 0
}

// updateACKAggregation is UpdateACKAggregation (§5.5.9).
func (b *bbr) updateACKAggregation(w *window, s *ackSample) {
	expected := bytesIn(b.bw, max(s.now.Sub(b.extraAckedStart), 0))
	if b.extraAckedDelivered <= expected {
		// "Reset interval if ACK rate is below expected rate."
		b.extraAckedDelivered = 0
		b.extraAckedStart = s.now
		expected = 0
	}
	b.extraAckedDelivered += uint64(s.delivered)
	extra := min(b.extraAckedDelivered-min(expected, b.extraAckedDelivered), uint64(w.cwnd))
	window := uint64(1) // "in Startup, just remember 1 round"
	if b.fullBWReached {
		window = bbrExtraAckedRounds
	}
	b.extraAcked = b.extraAckedFilter.updateMax(window, b.roundCount, extra)
}

// updateLatestDeliverySignals is UpdateLatestDeliverySignals (§5.5.10.3).
func (b *bbr) updateLatestDeliverySignals(s *ackSample) {
	b.lossRoundStart = false
	b.bwLatest = max(b.bwLatest, s.rs.rate)
	b.inflightLatest = max(b.inflightLatest, s.rs.delivered)
	b.deliveredInRound += uint64(s.delivered)
	if s.rs.hasData && s.rs.priorDelivered >= b.lossRoundDelivered {
		b.lossRoundDelivered = s.rs.totalDelivered
		b.lossRoundStart = true
	}
}

// advanceLatestDeliverySignals is AdvanceLatestDeliverySignals.
func (b *bbr) advanceLatestDeliverySignals(s *ackSample) {
	if b.lossRoundStart {
		b.bwLatest = s.rs.rate
		b.inflightLatest = s.rs.delivered
	}
}

// resetCongestionSignals is ResetCongestionSignals.
func (b *bbr) resetCongestionSignals() {
	b.isLossInRound, b.ecnInRound = false, false
	b.bwLatest, b.inflightLatest = 0, 0
}

// updateCongestionSignals is UpdateCongestionSignals: once a round, "wait until end
// of round trip".
func (b *bbr) updateCongestionSignals(w *window, s *ackSample) {
	b.updateMaxBW(s)
	if !b.lossRoundStart {
		return
	}
	b.adaptLowerBounds(w)
	b.isLossInRound, b.ecnInRound = false, false
}

// adaptLowerBounds is AdaptLowerBoundsFromCongestion with InitLowerBounds and
// LossLowerBounds. Losses of the usual rate of the path do not count: see
// bbrLossFloor.
func (b *bbr) adaptLowerBounds(w *window) {
	if b.probingBW() || !b.congestedRound(w) {
		return
	}
	if b.bwShortterm == bbrInfinite {
		b.bwShortterm = b.maxBW()
	}
	if b.inflightShortterm == bbrInfinite {
		b.inflightShortterm = uint64(w.cwnd)
	}
	b.bwShortterm = max(b.bwLatest, percentOf(b.bwShortterm, bbrBetaPercent))
	b.inflightShortterm = max(b.inflightLatest, percentOf(b.inflightShortterm, bbrBetaPercent))
}

// resetShortTermModel is ResetShortTermModel.
func (b *bbr) resetShortTermModel() {
	b.bwShortterm = bbrInfinite
	b.inflightShortterm = bbrInfinite
}

// boundBWForModel is BoundBWForModel.
func (b *bbr) boundBWForModel() { b.bw = min(b.maxBW(), b.bwShortterm) }

// percentOf returns percent of v without overflow; infinity stays infinite.
func percentOf(v, percent uint64) uint64 {
	if v == bbrInfinite {
		return v
	}
	return mulDiv(v, percent, 100)
}
