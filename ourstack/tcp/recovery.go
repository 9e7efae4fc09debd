package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// recoveryPhase says why, if at all, the sender is repairing losses.
type recoveryPhase uint8

const (
	recOpen   recoveryPhase = iota // no loss is known
	recFast                        // losses found by ACKs (RFC 5681 §3.2, RFC 6675, RFC 8985)
	recRTO                         // after a retransmission timeout (RFC 5681 §3.1)
	recResend                      // of what was too large for the path: not by congestion
)

// recovery is the state of loss recovery.
type recovery struct {
	phase      recoveryPhase
	point      seqnum.Value // RecoveryPoint: SND.NXT when recovery began (RFC 6675 §5)
	dupAcks    int          // DupAcks, without SACK
	lastWnd    uint16       // window field of the last ACK
	renoSacked uint32       // bytes that duplicate ACKs announce as arrived, without SACK
	// renegeAgain is when selective acknowledgments may be forgotten again because of an ACK.
	renegeAgain Instant
	force       bool // one segment may be resent whatever cwnd says (fast retransmit)

	// Proportional rate reduction (RFC 6937).
	prrDelivered uint32
	prrOut       uint32
	recoverFS    uint32 // RecoverFS: flight at the begin of recovery

	undo undoState
	frto frtoState

	windowProbeDue bool
	cwrDue         bool         // CWR goes on the next new text
	ecnPoint       seqnum.Value // SND.NXT at the last reduction for ECE
	ecnValid       bool

	limitedUntil seqnum.Value // SND.NXT when cwnd last held text back
	limitedValid bool
	lastSent     Instant // of text
	rtoAt        Instant // when the retransmission timer expires, also while a probe timer runs first; 0 = off
}

// cwndLimited notes that the congestion window, not the application, limits
// sending: only then may it grow (RFC 7661 §4, RFC 9438 §5.8).
func (r *recovery) cwndLimited(c *Conn) {
	r.limitedUntil, r.limitedValid = c.sndNxt, true
}

// wasLimited reports whether the flight that ackedUna belonged to was limited by cwnd.
func (r *recovery) wasLimited(una seqnum.Value) bool {
	if r.limitedValid && !una.Less(r.limitedUntil) && una != r.limitedUntil {
		r.limitedValid = false
	}
	return r.limitedValid
}

// startCongestion sets up the congestion state of an established connection.
func (c *Conn) startCongestion(now Instant) {
	w := &c.win
	// RFC 6928 §2: "min (10*MSS, max (2*MSS, 14600))".
	w.initial = min(10*w.smss, max(2*w.smss, 14600))
	if c.rtt.synLost {
		w.initial = w.smss // RFC 6928 §2: after a lost SYN, one segment
	}
	w.cwnd = w.initial
	w.ssthresh = ^uint32(0) >> 1 // "arbitrarily high" (RFC 5681 §3.1)
	w.maxCwnd = max(uint32(2*c.cfg.sndBufMax()), 10*w.smss)
	w.rate, w.withoutSACK = &c.rate, !c.opts.sack
	c.cc = c.newControl()
	if s, ok := c.cc.(interface{ seed(uint64) }); ok {
		s.seed(c.cfg.Seed ^ uint64(c.iss)<<32 ^ uint64(c.tuple.Remote.Port)<<16 ^ uint64(c.tuple.Local.Port))
	}
	c.rack.init()
	c.rate.deliveredTime, c.rate.firstSentTime = now, now
	c.rtt.onEstablished()
}

// countDuplicate applies RFC 5681 §2 to an ACK that does not advance SND.UNA.
func (c *Conn) countDuplicate(a *ackWork, seg *wire.TCP) {
	if c.sb.empty() || len(seg.Payload) > 0 || seg.Flags&wire.FlagFIN != 0 {
		return
	}
	if c.opts.sack {
		a.duplicate = a.delivered > 0
		return
	}
	if c.sndWnd == 0 || c.sb.at(c.sb.head).flags&txProbe != 0 {
		return // the answer to a window probe is no sign of a loss
	}
	// (e) "the advertised window in the incoming acknowledgment equals the
	// advertised window in the last incoming acknowledgment".
	if seg.Wnd != c.rec.lastWnd {
		return
	}
	a.duplicate = true
	c.rec.dupAcks++
	if c.rec.renoSacked+c.win.smss <= c.sb.pipe {
		c.rec.renoSacked += c.win.smss
		a.delivered += c.win.smss
	}
}

// onUnaAdvance resets what counts per SND.UNA.
func (r *recovery) onUnaAdvance(c *Conn, a *ackWork) {
	if c.opts.sack {
		return
	}
	if r.phase != recFast {
		r.dupAcks = 0
	}
	if r.phase == recOpen && r.point.Less(c.sndUna) {
		r.undo.hadRTO = false // before point is so far behind that it looks like the future
	}
	// Without SACK part of what is acknowledged now was announced before: not its
	// first segment, for which the receiver waited.
	dup := min(r.renoSacked, a.ackedCum-min(a.ackedCum, c.win.smss))
	r.renoSacked -= dup
	a.delivered -= min(a.delivered, dup)
}

// afterACK is what follows the accounting: detection of losses, begin and end of
// recovery, the congestion window and the timers.
func (c *Conn) afterACK(a *ackWork, seg *wire.TCP) {
	advanced := a.ackedCum > 0
	if !c.sb.empty() && c.sb.at(c.sb.head).flags&txSacked != 0 && a.now >= c.rec.renegeAgain {
		// The receiver reneged: it would have acknowledged this (RFC 2018 §8). Forgetting costs a
		// step for each segment in flight, so one that does it with each ACK waits for the timer.
		c.sb.forgetSACK()
		c.counters.Reneges++
		c.rec.renegeAgain = a.now.Add(c.rtt.rto())
	}
	c.checkSpurious(a, seg)
	c.frtoACK(a)
	c.detectLosses(a)
	c.leaveRecovery(a)
	if c.sb.lostHead != noSegment && c.rec.phase == recOpen || a.lost > 0 && c.rec.phase == recResend {
		c.enterRecovery(a)
	}
	ece := c.reactECE(a.now, seg)
	c.updateCwnd(a, ece)
	c.armAfterACK(a.now, advanced)
}

// detectLosses marks segments lost: by RACK with SACK, else by NewReno's rules.
func (c *Conn) detectLosses(a *ackWork) {
	if c.opts.sack {
		a.lost += c.rack.detect(c, a.now)
		return
	}
	if c.sb.empty() {
		return
	}
	switch {
	case c.rec.phase == recFast && a.ackedCum > 0 && c.sndUna.Less(c.rec.point):
		// "If this ACK does not acknowledge all of the data up to and including
		// recover, then this is a partial ACK. In this case, retransmit the first
		// unacknowledged segment." RFC 6582 §3.2 step 5
		c.markHeadLost(a)
	case c.rec.phase == recOpen && c.rec.dupAcks >= dupThresh && c.mayEnterReno():
		c.markHeadLost(a) // RFC 5681 §3.2, RFC 6582 §3.2 step 2
	}
}

// mayEnterReno keeps duplicates that our own retransmissions caused after a
// timeout from starting another recovery (RFC 6582 §3.2 step 2, §4).
func (c *Conn) mayEnterReno() bool {
	return !c.rec.undo.hadRTO || c.rec.point.Less(c.sndUna)
}

// markHeadLost marks the first outstanding segment lost.
func (c *Conn) markHeadLost(a *ackWork) {
	t := c.sb.at(c.sb.head)
	if t.flags&(txLost|txSacked) == 0 {
		c.lost(c.sb.head, a.now)
		a.lost += t.len()
		c.rec.force = true
	}
}

// lost marks segment i lost and tells the congestion control. It returns the bytes
// that count as lost by congestion.
func (c *Conn) lost(i uint32, now Instant) uint32 {
	t := c.sb.at(i)
	n := t.len()
	c.sb.markLost(i)
	if t.flags&txMTUProbe != 0 {
		c.probeLost(now, t)
		return 0 // "MUST NOT be treated as an indication of congestion" RFC 4821 §7.7
	}
	c.rate.onLost(n)
	c.counters.Lost++
	c.ccLoss = lossSample{now: now, bytes: n, tx: t.tx, totalLost: c.rate.lost, delivered: c.rate.delivered}
	c.cc.onLost(&c.win, &c.ccLoss)
	return n
}

// enterRecovery begins fast recovery (RFC 6675 §5 step 4, RFC 5681 §3.2 step 2).
func (c *Conn) enterRecovery(a *ackWork) {
	r := &c.rec
	c.saveUndo()
	r.phase = recFast
	r.point = c.sndNxt
	r.recoverFS = max(a.prior, c.win.smss)
	r.prrDelivered, r.prrOut = 0, 0
	r.force = true
	r.undo.hadRTO = false
	c.rack.probeOut, c.rack.probeDue = false, false // RFC 8985 §7.1
	c.counters.FastRecoveries++
	c.cc.onCongestionEvent(&c.win, a.now, congestionLoss, max(c.outstanding(), c.win.smss))
	if !c.cc.ownsRecovery() {
		r.cwrDue = c.opts.ecn
	}
}

// outstanding is FlightSize (RFC 5681 §2): what was sent and is not
// cumulatively acknowledged.
func (c *Conn) outstanding() uint32 { return uint32(c.sndUna.Size(c.sndNxt)) }

// leaveRecovery ends recovery when everything sent before it is acknowledged.
func (c *Conn) leaveRecovery(a *ackWork) {
	r := &c.rec
	if r.phase == recOpen || a.ackedCum == 0 || c.sndUna.Less(r.point) {
		return
	}
	if r.phase == recFast && !c.cc.ownsRecovery() {
		// RFC 6582 §3.2 step 3: "min (ssthresh, max(FlightSize, SMSS) + SMSS)" keeps
		// a burst away; RFC 6937 §3: "cwnd = ssthresh" with PRR, which has seen to it.
		c.win.cwnd = max(min(c.win.ssthresh, c.win.cwnd), min(c.win.ssthresh, c.inFlight()+c.win.smss))
	}
	r.phase = recOpen
	r.dupAcks, r.renoSacked = 0, 0
	r.force = false
	r.frto.step = frtoOff
	c.cc.onExitRecovery(&c.win, a.now)
	c.rack.onExitRecovery()
}

// updateCwnd lets proportional rate reduction or the congestion control set cwnd.
func (c *Conn) updateCwnd(a *ackWork, ece bool) {
	if a.delivered == 0 {
		return
	}
	inRecovery := c.rec.phase == recFast
	c.ccAck = ackSample{
		now: a.now, delivered: a.delivered, ackedCum: a.ackedCum, lost: a.lost,
		priorInFlight: a.prior, inFlight: c.inFlight(), rtt: a.rtt,
		srtt: c.rtt.srtt, minRTT: c.rtt.minRTT(), sndUna: c.sndUna, sndNxt: c.sndNxt,
		cwndLimited: c.rec.wasLimited(a.priorUna), inRecovery: inRecovery, ece: ece,
	}
	c.rate.finish(&a.rs, c.rtt.minRTT())
	c.ccAck.rs = a.rs
	if inRecovery && !c.cc.ownsRecovery() {
		c.proportionalRate(a)
	}
	c.cc.onAck(&c.win, &c.ccAck)
	c.win.cwnd = min(max(c.win.cwnd, c.win.smss), c.win.maxCwnd)
}

// proportionalRate is RFC 6937 §3.1 with the slow-start reduction bound, as its
// successor has it: reduction in proportion to what is delivered, growth only
// while recovery makes progress.
func (c *Conn) proportionalRate(a *ackWork) {
	r := &c.rec
	w := &c.win
	r.prrDelivered += a.delivered
	pipe := c.inFlight()
	var limit int64
	if pipe > w.ssthresh {
		limit = (int64(r.prrDelivered)*int64(w.ssthresh)+int64(r.recoverFS)-1)/int64(r.recoverFS) - int64(r.prrOut)
	} else {
		limit = max(int64(r.prrDelivered)-int64(r.prrOut), int64(a.delivered))
		if a.ackedCum > 0 && a.lost == 0 {
			limit += int64(w.smss) // SafeACK: "a good ACK … allows growth"
		}
		limit = min(int64(w.ssthresh)-int64(pipe), limit)
	}
	if r.prrOut == 0 {
		limit = max(limit, int64(w.smss)) // the fast retransmit itself
	}
	w.cwnd = pipe + uint32(max(limit, 0))
}
