package tcp

// newReno is the congestion control of RFC 5681 with the recovery of RFC 6582 and
// appropriate byte counting (RFC 3465). Recovery itself, partial ACKs and pipe, is
// the connection's; here is only what becomes of cwnd and ssthresh.
type newReno struct {
	use        cwndUse
	over       overshoot
	undo       renoUndo
	last       congestionKind // the last event
	reduced    bool           // recovery from an event of kind last is going on
	rtoNoAck   bool           // no cumulative ACK since the last timeout
	bytesAcked uint32         // bytes_acked of RFC 3465 §2.1
}

// renoUndo is the state before the last congestion event.
type renoUndo struct {
	valid          bool
	cwnd, ssthresh uint32
}

// renoSlowStartLimit is L of RFC 3465 §2.2 in segments, for senders that are not paced.
const renoSlowStartLimit = 2

func (*newReno) name() string       { return "newreno" }
func (*newReno) ownsRecovery() bool { return false }

func (*newReno) onSent(*window, Instant, uint32, uint32) {}

func (r *newReno) onLost(w *window, l *lossSample) {
	r.over.onLost(l.bytes)
	if r.over.on {
		w.ssthresh = max(r.over.volume()/2, 2*w.smss)
	}
}

func (r *newReno) onAck(w *window, s *ackSample) {
	r.use.onAck(s)
	if s.ackedCum > 0 {
		r.rtoNoAck = false
	}
	r.grow(w, s)
	w.clamp()
	w.paceWindow(s)
}

// grow raises cwnd where the ACK permits it.
func (r *newReno) grow(w *window, s *ackSample) {
	if s.inRecovery && r.last != congestionRTO {
		r.use.onLoss()
		return // proportional rate reduction sets cwnd
	}
	r.over.end()
	n := r.use.growth(s, r.reduced && r.last == congestionRTO)
	// "The sending TCP SHOULD NOT increase the congestion window in response to the
	// receipt of an ECN-Echo ACK packet" RFC 3168 §6.1.2.
	if n == 0 || s.ece || w.atClamp() || !r.use.mayGrow(w) {
		return
	}
	if w.cwnd < w.ssthresh {
		n = r.slowStart(w, n)
	}
	if n > 0 {
		r.congestionAvoidance(w, n)
	}
}

// slowStart grows cwnd up to ssthresh for n bytes and returns those left over.
func (r *newReno) slowStart(w *window, n uint32) uint32 {
	if w.pacingRate == 0 {
		limit := renoSlowStartLimit * w.smss
		if r.reduced && r.last == congestionRTO {
			limit = w.smss // L is one segment after a timeout, RFC 3465 §2.3
		}
		n = min(n, limit)
	}
	// "cwnd += min (N, SMSS)" RFC 5681 §3.1 equation 2, N bounded by L: RFC 3465 §2.2.
	inc := min(n, w.ssthresh-w.cwnd)
	w.cwnd += inc
	return n - inc
}

// congestionAvoidance grows cwnd by one segment for each cwnd of acknowledged
// bytes: "increasing cwnd ... by SMSS bytes" once bytes_acked reaches cwnd (RFC
// 5681 §3.1, RFC 3465 §2.1).
func (r *newReno) congestionAvoidance(w *window, n uint32) {
	r.bytesAcked += min(n, ^uint32(0)-r.bytesAcked)
	if r.bytesAcked < w.cwnd {
		return
	}
	r.bytesAcked -= w.cwnd
	r.bytesAcked = min(r.bytesAcked, w.cwnd) // a stretch ACK is no store of growth
	w.cwnd += min(w.smss, ^uint32(0)-w.cwnd)
}

func (r *newReno) onCongestionEvent(w *window, _ Instant, kind congestionKind, flight uint32) {
	base := r.use.lossBase(w, flight)
	repeated := kind == congestionRTO && r.rtoNoAck
	if !repeated {
		// An ECN echo is never spurious: nothing before it comes back.
		r.undo = renoUndo{valid: kind != congestionECN, cwnd: w.cwnd, ssthresh: w.ssthresh}
	}
	r.over.begin(&r.use, base, kind == congestionLoss && w.cwnd < w.ssthresh)
	switch kind {
	case congestionLoss:
		if r.over.on {
			base = r.over.volume()
		}
		// "ssthresh = max (FlightSize / 2, 2*SMSS)" RFC 5681 §3.1 equation 4.
		w.ssthresh = max(base/2, 2*w.smss)
	case congestionECN:
		// "ssthresh = max (FlightSize * beta_{ecn}, 2 * SMSS)", beta_{ecn} 0.8, "and
		// cwnd = ssthresh" RFC 8511 §3; below two segments RFC 3168 §6.1.2 goes on to one.
		reduced := uint32(uint64(base) * 4 / 5)
		w.ssthresh = max(reduced, 2*w.smss)
		w.cwnd = min(w.cwnd, max(reduced, w.smss))
	case congestionRTO:
		// "the value of ssthresh is held constant" when the segment has been resent by
		// the timer before (RFC 5681 §3.1).
		if !repeated {
			w.ssthresh = max(base/2, 2*w.smss)
		}
		// "cwnd MUST be set to no more than the loss window, LW, which equals 1
		// full-sized segment" RFC 5681 §3.1.
		w.cwnd = w.smss
		r.rtoNoAck = true
	}
	r.last, r.reduced = kind, true
	r.bytesAcked = 0
	r.use.onLoss()
	w.clamp()
}

func (r *newReno) onExitRecovery(w *window, _ Instant) {
	r.over.end()
	if r.reduced && r.last == congestionLoss && w.pacingRate != 0 {
		// "cwnd = ssthresh" at the end of recovery, RFC 6937 §3. Unpaced, the burst
		// that this could release is kept away by the connection's own choice (RFC
		// 6582 §3.2 step 3 (1)), which stays.
		w.cwnd = w.ssthresh
		w.clamp()
	}
	r.reduced = false
}

// onUndo restores cwnd and ssthresh.
//
// DEVIATION RFC 4015 §3.1 (9): "cwnd <- FlightSize + min (bytes_acked, IW)". cwnd is
// restored as a whole, as Linux does: what was outstanding still is, and pacing
// bounds the burst that the difference could cause.
func (r *newReno) onUndo(w *window, _ Instant) {
	if r.undo.valid {
		w.cwnd = max(w.cwnd, r.undo.cwnd)
		w.ssthresh = max(w.ssthresh, r.undo.ssthresh)
	}
	r.undo.valid, r.reduced, r.rtoNoAck = false, false, false
	r.over.end()
	w.clamp()
}

func (r *newReno) onIdleRestart(w *window, _ Instant, _ Duration) {
	w.restartAfterIdle()
	r.bytesAcked = 0
}

// restartAfterIdle is RFC 5681 §4.1: "a TCP SHOULD set cwnd to no more than RW
// before beginning transmission if the TCP has not sent data in an interval exceeding
// the retransmission timeout", RW = min(IW,cwnd). ssthresh remembers three
// quarters of what was in use ("max(ssthresh, 3*cwnd/4)", RFC 7661 §4.4.3), so that
// slow start leads back quickly.
func (w *window) restartAfterIdle() {
	w.ssthresh = max(w.ssthresh, w.cwnd-w.cwnd/4)
	w.cwnd = min(w.cwnd, w.initial)
	w.clamp()
}
