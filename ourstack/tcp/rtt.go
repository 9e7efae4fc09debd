package tcp

// Constants of RFC 6298.
const (
	initialRTO = 1 * Second // "the sender SHOULD set RTO <- 1 second" RFC 6298 §2.1
	// synLossRTO is the RTO after a handshake in which the SYN timer expired (§5.7).
	synLossRTO = 3 * Second
	// maxRTO: "A maximum value MAY be placed on RTO provided it is at least 60
	// seconds" RFC 6298 §2.5. Linux and others use 120 s.
	maxRTO = 120 * Second
	// minRTOVariance is the least value of the term that RTO adds to SRTT.
	//
	// DEVIATION RFC 6298 §2.4: "if it is less than 1 second, then the RTO SHOULD be
	// rounded up to 1 second". One second idle after a lost tail is far more than
	// today's clocks need. 200 ms covers the delayed ACKs of all common peers. It is
	// added to SRTT, as Linux does, and not compared with the sum: a path of 180 ms
	// would otherwise live 20 ms away from a spurious timeout for each delayed ACK.
	minRTOVariance = 200 * Millisecond

	rttAlpha = 8 // 1/alpha of RFC 6298 §2.3
	rttBeta  = 4 // 1/beta
	rttK     = 4 // K

	// minRTTWindow is how long the minimum of the RTT is remembered: "The sender SHOULD
	// track a windowed min-filtered estimate of recent RTT measurements" RFC 8985 §6.2
	// step 1. Five minutes is Linux' choice.
	minRTTWindow = 300 * Second

	// maxBackoff bounds the shift of the RTO; maxRTO is reached long before.
	maxBackoff = 16
)

// rttEstimator estimates the round-trip time and the retransmission timeout
// (RFC 6298) and remembers the windowed minimum of the RTT (RFC 8985 §6.2).
type rttEstimator struct {
	srtt   Duration // SRTT; 0 = no sample yet
	rttvar Duration // RTTVAR
	latest Duration // the newest sample; 0 = none

	clockGranularity Duration // G
	backoffs         uint8    // doublings of the RTO since the last sample (§5.5)
	synLost          bool     // the SYN timer expired (§5.7)
	dataPhase        bool     // the handshake is over

	min windowFilter

	// State of RFC 4015 §3.1: what SRTT and RTTVAR were before the first of a
	// series of timeouts, and whether the series proved spurious.
	srttPrev   Duration
	rttvarPrev Duration
	spurious   bool
}

// init prepares the estimator. granularity is G, the resolution of the clock.
func (e *rttEstimator) init(granularity Duration) {
	*e = rttEstimator{clockGranularity: max(granularity, 1)}
}

// hasSample reports whether SRTT means anything.
func (e *rttEstimator) hasSample() bool { return e.srtt != 0 }

// onSample takes a measurement that is free of retransmission ambiguity (Karn,
// RFC 6298 §3) and ends the back-off.
//
// Every ACK may bring a sample. DEVIATION RFC 7323 appendix G: alpha and beta are
// not divided by the number of samples in a round trip. It would keep RTTVAR wide
// on busy connections; minRTOVariance does the same with less state.
func (e *rttEstimator) onSample(now Instant, rtt Duration) {
	rtt = max(rtt, e.clockGranularity, 1)
	e.latest = rtt
	e.min.updateMin(uint64(minRTTWindow), uint64(now), uint64(rtt))
	// "once a new RTT measurement is obtained ... the computations outlined in
	// Section 2 are performed, ... which may result in 'collapsing' RTO back down"
	// RFC 6298 §5.
	e.backoffs = 0
	switch {
	case e.spurious:
		// RFC 4015 §3.1 (11): the first sample from new data after a spurious timeout.
		e.spurious = false
		e.srtt = max(e.srttPrev, rtt)
		e.rttvar = max(e.rttvarPrev, rtt/2)
	case e.srtt == 0:
		e.srtt, e.rttvar = rtt, rtt/2 // RFC 6298 §2.2
	default:
		// RFC 6298 §2.3, RTTVAR with the old SRTT.
		deviation := e.srtt - rtt
		if deviation < 0 {
			deviation = -deviation
		}
		e.rttvar += (deviation - e.rttvar) / rttBeta
		e.srtt += (rtt - e.srtt) / rttAlpha
	}
}

// rto returns the retransmission timeout with its back-off: at most maxRTO.
func (e *rttEstimator) rto() Duration {
	base := initialRTO
	switch {
	case e.srtt != 0:
		// "RTO <- SRTT + max (G, K*RTTVAR)" RFC 6298 §2.2, §2.3.
		base = e.srtt + max(e.clockGranularity, rttK*e.rttvar, minRTOVariance)
	case e.synLost && e.dataPhase:
		// "the RTO MUST be re-initialized to 3 seconds when data transmission begins"
		// RFC 6298 §5.7.
		base = synLossRTO
	}
	if base >= maxRTO>>e.backoffs {
		return maxRTO
	}
	return base << e.backoffs
}

// backoff doubles the RTO: "The host MUST set RTO <- RTO * 2" RFC 6298 §5.5.
// It is called at each expiry, before the timer is started again.
func (e *rttEstimator) backoff() {
	if e.backoffs == 0 {
		// RFC 4015 §3.1 (0): "SRTT_prev <- SRTT + (2 * G)".
		e.srttPrev = e.srtt + 2*e.clockGranularity
		e.rttvarPrev = e.rttvar
		e.spurious = false
	}
	e.backoffs = min(e.backoffs+1, maxBackoff)
	if !e.dataPhase {
		e.synLost = true
	}
}

// resetBackoff ends the back-off without a sample: the peer has answered.
func (e *rttEstimator) resetBackoff() { e.backoffs = 0 }

// onEstablished tells that the handshake is over and data transmission begins
// (RFC 6298 §5.7). A sample of the handshake, if there is one, stays.
func (e *rttEstimator) onEstablished() {
	e.dataPhase = true
	e.backoffs = 0
}

// onSpuriousTimeout tells that the last series of timeouts was spurious. The next
// sample must come from data sent after it; it then restores at least the old
// SRTT and RTTVAR (RFC 4015 §3.1 (11)).
func (e *rttEstimator) onSpuriousTimeout() {
	if e.srttPrev != 0 && e.srtt != 0 {
		e.spurious = true
	}
}

// minRTT returns the least RTT of the last five minutes (RACK.min_RTT, C.min_rtt);
// 0 without a sample.
func (e *rttEstimator) minRTT() Duration { return Duration(e.min.best()) }

// minRTTAt is when it was measured.
func (e *rttEstimator) minRTTAt() Instant { return Instant(e.min.s[0].time) }
