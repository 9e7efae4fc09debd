package tcp

import "vpngw/ourstack/seqnum"

// clamp keeps cwnd between one segment and maxCwnd.
func (w *window) clamp() {
	if w.maxCwnd != 0 {
		w.cwnd = min(w.cwnd, w.maxCwnd)
	}
	w.cwnd = max(w.cwnd, w.smss)
}

// atClamp reports whether buffers or the peer's window, and no longer cwnd, are
// the limit: for cwnd the same as an application that offers no more.
func (w *window) atClamp() bool { return w.maxCwnd != 0 && w.cwnd >= w.maxCwnd }

// cwndUse follows, for the loss-based controls, how much of cwnd is really used:
// congestion window validation (RFC 7661) in the form that needs no phases. cwnd
// grows only while it is what limits the sender, and a loss reduces what was in
// use, not what would have been allowed.
type cwndUse struct {
	roundEnd seqnum.Value // the round trip ends when this is acknowledged
	started  bool         // roundEnd is valid

	limited    bool // cwnd held text back in this round trip
	wasLimited bool // and in the one before
	flight     uint32
	lastFlight uint32 // largest pipe in this round trip and the one before

	acked   uint32       // bytes acknowledged in this round trip
	pipeAck windowFilter // RFC 7661 §4.2: pipeACK
	pending uint32       // bytes delivered out of order, not yet counted for growth
}

// pipeAckPeriod is the least pipeACK Sampling Period: "max(3*RTT, 1 second)"
// RFC 7661 §4.2.
const pipeAckPeriod = 1 * Second

// onAck takes one ACK into account and reports whether a round trip began with it.
func (u *cwndUse) onAck(s *ackSample) (newRound bool) {
	u.limited = u.limited || s.cwndLimited
	u.flight = max(u.flight, s.priorInFlight)
	u.acked += min(s.delivered, ^uint32(0)-u.acked)
	if u.started && s.sndUna.Less(u.roundEnd) {
		return false
	}
	if u.started && !s.inRecovery {
		// "the volume of data that was acknowledged by the network over the period of a
		// measured Round-Trip Time" RFC 7661 §4.2; it is not taken in recovery.
		period := max(3*s.srtt, pipeAckPeriod)
		u.pipeAck.updateMax(uint64(period), uint64(s.now), uint64(u.acked))
	}
	u.started = true
	u.roundEnd = s.sndNxt
	u.wasLimited, u.limited = u.limited, s.cwndLimited
	u.lastFlight, u.flight = u.flight, s.inFlight
	u.acked = 0
	return true
}

// mayGrow reports whether cwnd is validated: "A sender that is not cwnd-limited MUST
// NOT increase the cwnd when ACK packets are received" (RFC 7661 §4.4). A paced sender need not touch cwnd at each
// ACK, so the question is asked of a round trip. In slow start it suffices that
// half of cwnd is used: cwnd doubles in the time in which the flight follows.
func (u *cwndUse) mayGrow(w *window) bool {
	if u.limited || u.wasLimited {
		return true
	}
	return w.cwnd < w.ssthresh && uint64(w.cwnd) < 2*uint64(max(u.flight, u.lastFlight))
}

// growth returns the bytes for which cwnd may grow on this ACK. "each ACK received
// that cumulatively acknowledges new data" (RFC 5681 §3.1) is the trigger; what SACK
// had reported before, outside of recovery, is counted then.
//
// DEVIATION RFC 5681 §3.1: after a timeout what SACK reports counts at once. When the
// first retransmission is lost as well, SND.UNA stands still until its turn comes
// again; with cwnd at one segment that would take a round trip for each segment lost.
func (u *cwndUse) growth(s *ackSample, afterRTO bool) uint32 {
	if s.ackedCum == 0 && !afterRTO {
		u.pending += min(s.delivered, ^uint32(0)-u.pending)
		return 0
	}
	n := s.delivered + min(u.pending, ^uint32(0)-s.delivered)
	u.pending = 0
	return n
}

// lossBase is the volume that a congestion event reduces. "FlightSize" says RFC
// 5681 §3.1 equation 4. At the end of a burst FlightSize is a few segments though
// the path has just carried a full window, so the larger of it and pipeACK counts:
// "Max(pipeACK,LossFlightSize)" RFC 7661 §4.4.1. Never more than cwnd.
func (u *cwndUse) lossBase(w *window, flight uint32) uint32 {
	pipeAck := uint32(min(max(u.pipeAck.best(), uint64(u.acked)), uint64(w.cwnd)))
	return max(min(w.cwnd, max(flight, pipeAck)), w.smss)
}

// onLoss forgets what was counted for growth.
func (u *cwndUse) onLoss() { u.pending = 0 }

// overshoot follows a slow start that ran into loss. By the time the loss is known the
// window has doubled again: about half of it is lost, and a reduction of the whole
// would leave a window that overflows the queue once more. "The loss of segments
// indicates that the path capacity was exceeded by at least R; hence, the calculated
// cwnd is reduced by at least R before the window is halved" (RFC 7661 §4.4.1, after
// Jump Start): what is reduced is what the path has carried.
//
// DEVIATION RFC 9438 §4.6: ssthresh is "flight_size * beta_cubic", whatever was lost of it. Seven
// tenths of a flight of twice what the path holds are 1.4 times what it holds: the next
// round trip is one of loss again. RFC 5681 §3.2 is kept, which asks for "no more than"
// half of FlightSize. It costs nothing where the loss was not of a full queue: one segment of
// a window is subtracted as one segment. In congestion avoidance, where the window has grown by
// a segment or so since the queue was full, nothing is subtracted.
type overshoot struct {
	on   bool
	base uint32 // FlightSize at the first loss, or what was acknowledged in a round trip
	sent uint32 // the largest flight of this round trip and the last: some of it is lost
	lost uint32 // R; also the losses that come with the first
}

// begin takes the first congestion event. slowStart tells whether it ended a slow start. What is
// lost was part of the flight as it was a round trip ago. It has fallen since where something else
// than cwnd has held text back: a scheduler that saw the queue grow, or an application.
func (o *overshoot) begin(u *cwndUse, base uint32, slowStart bool) {
	o.on, o.base, o.sent = slowStart, base, max(base, u.flight, u.lastFlight)
}

// onLost counts n bytes lost.
func (o *overshoot) onLost(n uint32) { o.lost += min(n, ^uint32(0)-o.lost) }

// end forgets the losses: recovery is over, or there is none.
func (o *overshoot) end() { *o = overshoot{} }

// volume is what the path has carried: at least half of the flight, since a window at
// most doubles in a round trip, and for RFC 5681 §3.2 not more than base.
func (o *overshoot) volume() uint32 { return min(o.base, o.sent-min(o.lost, o.sent/2)) }
