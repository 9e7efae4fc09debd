package tcp

// Constants of HyStart++ (RFC 9406 §4.3).
const (
	hystartMinRTTThresh  = 4 * Millisecond  // MIN_RTT_THRESH
	hystartMaxRTTThresh  = 16 * Millisecond // MAX_RTT_THRESH
	hystartRTTDivisor    = 8                // MIN_RTT_DIVISOR
	hystartSamples       = 8                // N_RTT_SAMPLE
	hystartGrowthDivisor = 4                // CSS_GROWTH_DIVISOR
	hystartCSSRounds     = 5                // CSS_ROUNDS
	hystartUnpacedLimit  = 8                // L of a sender that is not paced
)

// infiniteRTT stands for "infinity" in RFC 9406 §4.2.
const infiniteRTT = Duration(1<<63 - 1)

// hyStart is HyStart++ (RFC 9406): it ends the initial slow start when the
// round-trip time grows, before the bottleneck's queue overflows, by way of a
// phase of slower growth (CSS, conservative slow start) that undoes a wrong guess.
//
// "An implementation SHOULD use HyStart++ only for the initial slow start" (§4.3):
// it is active from the start of the connection until stop.
type hyStart struct {
	stopped bool // the initial slow start is over

	lastRoundMinRTT    Duration // lastRoundMinRTT
	currentRoundMinRTT Duration // currentRoundMinRTT
	samples            uint8    // rttSampleCount, saturating
	lastSample         Instant  // when the last of them was counted

	inCSS       bool
	baselineRTT Duration // cssBaselineMinRtt
	cssRounds   uint8    // rounds begun in CSS
}

// init prepares for the initial slow start.
func (h *hyStart) init() {
	*h = hyStart{lastRoundMinRTT: infiniteRTT, currentRoundMinRTT: infiniteRTT}
}

// stop ends HyStart++ for the rest of the connection: on loss, on ECN or when it
// has found the end of slow start.
func (h *hyStart) stop() { h.stopped = true }

// onAck processes an ACK in slow start and reports whether to leave it ("enter
// congestion avoidance by setting the ssthresh to the current cwnd", §4.2). newRound
// tells that this ACK began a round: windowEnd was acknowledged (§4.2).
func (h *hyStart) onAck(s *ackSample, newRound bool) (exit bool) {
	if h.stopped {
		return false
	}
	if newRound {
		h.lastRoundMinRTT = h.currentRoundMinRTT
		h.currentRoundMinRTT = infiniteRTT
		h.samples = 0
		if h.inCSS {
			h.cssRounds++
			if h.cssRounds >= hystartCSSRounds {
				// "If CSS_ROUNDS rounds are complete, enter congestion avoidance".
				h.stop()
				return true
			}
		}
	}
	h.sample(s)
	if h.samples < hystartSamples {
		return false
	}
	if h.inCSS {
		// "if (currentRoundMinRTT < cssBaselineMinRtt) cssBaselineMinRtt = infinity;
		// resume slow start including HyStart++".
		if h.currentRoundMinRTT < h.baselineRTT {
			h.inCSS, h.baselineRTT = false, infiniteRTT
		}
		return false
	}
	h.checkDelay()
	return false
}

// sample takes the RTT of an ACK. ACKs that were received in one batch carry the
// same time: together they are one observation of the queue, not a train of them,
// so they count once. Their least RTT counts in any case.
func (h *hyStart) sample(s *ackSample) {
	if s.rtt < 0 {
		return
	}
	h.currentRoundMinRTT = min(h.currentRoundMinRTT, s.rtt)
	if s.now != h.lastSample && h.samples < hystartSamples {
		h.samples++
		h.lastSample = s.now
	}
}

// checkDelay enters CSS when the RTT of this round is clearly above that of the last.
func (h *hyStart) checkDelay() {
	if h.lastRoundMinRTT == infiniteRTT || h.currentRoundMinRTT == infiniteRTT {
		return
	}
	// "RttThresh = max(MIN_RTT_THRESH, min(lastRoundMinRTT / MIN_RTT_DIVISOR,
	// MAX_RTT_THRESH))".
	thresh := max(hystartMinRTTThresh, min(h.lastRoundMinRTT/hystartRTTDivisor, hystartMaxRTTThresh))
	if h.currentRoundMinRTT >= h.lastRoundMinRTT+thresh {
		h.inCSS = true
		h.baselineRTT = h.currentRoundMinRTT
		// The rest of this round counts towards the limit as a round.
		h.cssRounds = 0
	}
}

// increase returns by how much slow start raises cwnd for n acknowledged bytes:
// "min (N, L * SMSS)", a quarter of it in CSS. "L = infinity if paced, L = 8 if
// non-paced" (§4.3).
func (h *hyStart) increase(w *window, n uint32) uint32 {
	if w.pacingRate == 0 {
		n = min(n, hystartUnpacedLimit*w.smss)
	}
	if h.inCSS && !h.stopped {
		n /= hystartGrowthDivisor
	}
	return n
}
