package tcp

// Pacing of the loss-based controls: cwnd bytes are spread over a part of the
// smoothed round-trip time, so that a window opened by one ACK does not enter the
// bottleneck's queue in one piece. The window, not the pacer, stays the limit.
const (
	// Percent of cwnd/SRTT. The values are those of Linux (tcp_pacing_ss_ratio and
	// tcp_pacing_ca_ratio): twice in slow start, because cwnd doubles within the
	// round trip, and a fifth more afterwards, so that pacing never holds cwnd back.
	pacingSlowStartPercent = 200
	pacingAvoidancePercent = 120

	// pacingMinRTT is the round-trip time below which the loss-based controls do not
	// pace: a window then spans less than the resolution of the callers' timers.
	pacingMinRTT = 2 * Millisecond
)

// paceWindow sets the pacing rate of a loss-based control after an ACK.
func (w *window) paceWindow(s *ackSample) {
	if s.srtt < pacingMinRTT {
		w.pacingRate, w.sendQuantum = 0, 0
		return
	}
	percent := uint64(pacingAvoidancePercent)
	if w.cwnd < w.ssthresh/2 {
		percent = pacingSlowStartPercent
	}
	// In recovery cwnd follows what is in flight; more may have been.
	volume := uint64(max(w.cwnd, s.inFlight))
	w.pacingRate = max(rateOf(volume*percent/100, s.srtt), 1)
	w.setSendQuantum()
}
