package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// PollSegment writes the next segment that is due into b: TCP header, options,
// payload and checksum. It returns its length and the ECN field for its IP
// header, or 0 if nothing is due now; then Pending is false until something
// happens. b must have room for MTU-20 bytes.
//
// Nothing is queued for transmission: a segment is built at the moment it is
// asked for, so that its acknowledgment, window and timestamp are the newest.
func (c *Conn) PollSegment(now Instant, b []byte) (n int, ecn uint8) {
	n, ecn = c.poll(now, b)
	if n > 0 {
		c.counters.SegmentsOut++
		return n, ecn
	}
	c.pending = false
	if c.user.noMemory && c.state != StateClosed && !c.timers.isSet(timerMemory) {
		c.timers.set(timerMemory, now.Add(memoryRetry))
	}
	if c.state == StateClosed && !c.user.released {
		c.user.released = true
		c.events |= EventReleased
	}
	return 0, 0
}

func (c *Conn) poll(now Instant, b []byte) (int, uint8) {
	if c.rst.set {
		return c.buildRST(b), ecnNotECT
	}
	switch c.state {
	case StateClosed:
		return 0, 0
	case StateSynSent, StateSynReceived:
		return c.pollSYN(now, b), ecnNotECT
	}
	if c.ack.now && (c.hasSACK() || c.handshakeACK()) {
		// Text rarely leaves room for SACK blocks, and they must not wait for it.
		return c.buildACK(now, b), ecnNotECT
	}
	if n := c.pollLost(now, b); n > 0 {
		return n, ecnNotECT
	}
	if n, ecn := c.pollNew(now, b); n > 0 {
		return n, ecn
	}
	if n := c.pollProbe(now, b); n > 0 {
		return n, ecnNotECT
	}
	if c.ack.now {
		return c.buildACK(now, b), ecnNotECT
	}
	return 0, 0
}

// handshakeACK reports whether the ACK that is due completes the handshake of an active
// open. It goes alone, as Linux has it: on text it would be lost with the text, and on
// a path that drops large packets the peer would wait for it through its timeouts.
func (c *Conn) handshakeACK() bool { return !c.user.passive && c.sndNxt == c.iss.Add(1) }

// pollSYN sends the SYN of SYN-SENT or the SYN-ACK of SYN-RECEIVED, first or again.
func (c *Conn) pollSYN(now Instant, b []byte) int {
	switch {
	case c.sndNxt == c.iss:
		t := c.sb.push(c.iss, c.iss.Add(1), now, txSYN)
		t.tx = txRate{}
		c.sndNxt = c.iss.Add(1)
	case c.sb.lostHead != noSegment:
		c.sb.markSent(c.sb.lostHead, now)
		c.counters.Retransmits++
	case c.ack.now && c.state == StateSynReceived:
		return c.buildACK(now, b) // a challenge (RFC 5961 §3.2), or the answer to an old duplicate
	default:
		return 0
	}
	c.setRexmit(now)
	return c.buildSYN(now, b)
}

// resendSYN makes our SYN or SYN-ACK due again before its timer, because the peer
// showed that it did not get it.
func (c *Conn) resendSYN() {
	if !c.sb.empty() && c.sb.lostHead == noSegment {
		c.sb.markLost(c.sb.head)
	}
	c.pending = true
}

// pollLost resends the segment that has been known to be lost for longest.
func (c *Conn) pollLost(now Instant, b []byte) int {
	i := c.sb.lostHead
	if i == noSegment {
		return 0
	}
	if c.oversize(c.sb.at(i)) {
		c.sb.resegment(c.win.smss)
		i = c.sb.lostHead
	}
	t := c.sb.at(i)
	if c.frtoHolds(t) || !c.mayResend(now, t) {
		return 0
	}
	return c.resend(now, b, i)
}

// mayResend applies congestion window, pacing and the peer's window to a
// retransmission. The first segment of all always may go: without it nothing moves.
func (c *Conn) mayResend(now Instant, t *txSegment) bool {
	if t.seq == c.sndUna && (c.sndWnd == 0 || c.rec.force) {
		return true
	}
	if !c.rec.force && c.inFlight() > 0 && c.inFlight()+t.len() > c.win.cwnd {
		c.rec.cwndLimited(c)
		return false
	}
	// SHLD-16: old data is retransmitted only inside the window; a peer that has
	// shrunk it gets the first segment as a probe.
	if t.seq != c.sndUna && int64(c.sndUna.Size(t.end)) > int64(c.sndWnd) {
		return false
	}
	return c.paced(now)
}

// resend transmits segment i of the scoreboard again.
func (c *Conn) resend(now Instant, b []byte, i uint32) int {
	c.rec.onRetransmit(c, now)
	prior := c.inFlight()
	at := c.stamp(now)
	t := c.sb.markSent(i, at)
	c.rate.onSent(&t.tx, at, t.len(), prior)
	c.rec.force = false
	c.counters.Retransmits++
	n := t.len()
	if c.rec.phase == recFast && t.seq == c.sndUna {
		// "a more careful variant that re-arms the RTO timer on each retransmission that is sent
		// during recovery MAY be used" RFC 6675 §6; Linux does so for the first segment. RACK finds a
		// second loss of it after a round trip, and the third transmission needs its own.
		c.setRexmit(now)
	}
	c.sent(now, n, prior)
	return c.buildText(now, b, t)
}

// pollNew sends text or a FIN for the first time, if the peer's window, the
// silly-window rules, the congestion window and pacing allow.
func (c *Conn) pollNew(now Instant, b []byte) (int, uint8) {
	if !c.state.canSend() {
		return 0, 0
	}
	avail := uint32(0)
	if c.sndNxt.Less(c.sndBuf.end) {
		avail = uint32(c.sndNxt.Size(c.sndBuf.end))
	}
	fin := c.user.finQueued && !c.finSent()
	if avail == 0 && !fin {
		c.noteAppLimited()
		return 0, 0
	}
	if c.hold {
		c.heldBack = true
		return 0, 0
	}
	n, ok := c.segmentSize(avail, fin)
	if !ok {
		c.waitForWindow(now)
		return 0, 0
	}
	if c.sb.empty() {
		c.restartAfterIdle(now)
	}
	probe := c.probeText(now, avail)
	n = max(n, probe)
	fin = fin && n == avail && int64(n) < c.usableWindow()
	size := n
	if fin {
		size++
	}
	prior := c.inFlight()
	if prior > 0 && prior+n > c.win.cwnd {
		c.rec.cwndLimited(c)
		return 0, 0
	}
	if !c.rec.frto.maySendNew() {
		return 0, 0
	}
	if !c.paced(now) {
		return 0, 0
	}
	t := c.transmitNew(now, size, fin, prior)
	if probe > 0 {
		c.probeSent(t)
	}
	return c.buildText(now, b, t), c.ecnField(int(n), false)
}

// transmitNew moves SND.NXT over size octets and enters them in the scoreboard.
func (c *Conn) transmitNew(now Instant, size uint32, fin bool, prior uint32) *txSegment {
	var flags txFlags
	if fin {
		flags = txFIN
	}
	if c.sb.empty() {
		c.user.progressAt = now
	}
	at := c.stamp(now)
	c.rec.frto.onNew()
	t := c.sb.push(c.sndNxt, c.sndNxt.Add(seqnum.Size(size)), at, flags)
	c.rate.onSent(&t.tx, at, size, prior)
	c.sndNxt = t.end
	c.wakeWriter() // while a hole is repaired room follows SND.NXT, not SND.UNA
	c.sent(now, size, prior)
	if c.inFlight()+c.win.smss > c.win.cwnd {
		c.rec.cwndLimited(c)
	}
	return t
}

// stamp returns the transmission time for a segment that leaves at now. No two
// are the same: a batch leaves at one reading of the clock, and loss detection
// needs to know the order in it (RFC 8985 §6.2 breaks ties by sequence number,
// which is wrong when a retransmission follows new text).
func (c *Conn) stamp(now Instant) Instant {
	c.lastXmit = max(now, c.lastXmit+1)
	return c.lastXmit
}

// sent follows up on the transmission of n octets.
func (c *Conn) sent(now Instant, n, prior uint32) {
	if c.rec.phase == recFast {
		c.rec.prrOut += n
	}
	c.cc.onSent(&c.win, now, n, prior)
	c.pacer.onSent(now, &c.win, n)
	c.rec.lastSent = now
	c.counters.BytesOut += uint64(n)
	c.timers.stop(timerPersist)
	c.timers.stop(timerIdle)
	c.armAfterSend(now)
}

// segmentSize returns how much of avail unsent octets to send now: sender
// silly-window avoidance (RFC 9293 §3.8.6.2.1, MUST-38) and the Nagle algorithm
// (§3.7.4, SHLD-7). Writes are collected (§3.9.1.2, MAY-16, SHLD-27) into segments as
// large as can be (SHLD-28), and none waits for ever (MUST-60). Nothing new goes
// beyond a window that was shrunk (§3.8.6, SHLD-15).
func (c *Conn) segmentSize(avail uint32, fin bool) (uint32, bool) {
	usable := c.usableWindow()
	if usable <= 0 {
		return 0, false
	}
	n := uint32(min(int64(min(avail, c.win.smss)), usable))
	switch {
	case n == c.win.smss:
		return n, true // (1) "if a maximum-sized segment can be sent"
	case n == avail && fin:
		return n, true // the last of all
	case n == avail && (c.user.noDelay && !c.manyShort() || c.sndUna == c.sndNxt):
		return n, true // (2) pushed, and nothing outstanding or Nagle off
	case n < avail && n >= c.maxSndWnd/2 && n > 0:
		return n, true // (3) "at least a fraction Fs of the maximum window"
	}
	return 0, false
}

// manyShort reports whether so many segments are outstanding for the text in them that another short
// one has to wait for an ACK, as if Nagle were on: else a writer of single bytes, whose peer
// acknowledges none of them, or only selectively, would take a record for each.
func (c *Conn) manyShort() bool {
	return c.sb.len() >= maxShortSegments+int(c.outstanding()/min(c.win.smss, shortSegmentShare))
}

// waitForWindow arms the timer that asks the peer for window, or overrides
// silly-window avoidance, if nothing is in flight whose ACK would do
// (RFC 9293 §3.8.6.1 MUST-36, §3.8.6.2.1 (4)).
func (c *Conn) waitForWindow(now Instant) {
	if !c.sb.empty() || c.timers.isSet(timerPersist) {
		return
	}
	if c.usableWindow() > 0 && c.sndUna != c.sndNxt {
		return // Nagle waits for the ACK of what is in flight
	}
	// "The transmitting host SHOULD send the first zero-window probe when a zero
	// window has existed for the retransmission timeout period" (SHLD-29).
	c.timers.set(timerPersist, now.Add(c.rtt.rto()))
}

// pollProbe sends a probe that a timer has asked for: tail loss probe, window
// probe or keep-alive.
func (c *Conn) pollProbe(now Instant, b []byte) int {
	switch {
	case c.rack.probeDue:
		c.rack.probeDue = false
		return c.sendLossProbe(now, b)
	case c.rec.windowProbeDue:
		c.rec.windowProbeDue = false
		return c.sendWindowProbe(now, b)
	case c.alive.probeDue:
		c.alive.probeDue = false
		return c.buildKeepAlive(now, b)
	}
	return 0
}

// sendWindowProbe sends what fits the window, but at least "one octet of new
// data" (RFC 9293 §3.8.6.1, MUST-36): a probe without text is ignored by some
// receivers. The octet is retransmitted by the ordinary timer until the window opens.
func (c *Conn) sendWindowProbe(now Instant, b []byte) int {
	if !c.sb.empty() || !c.state.canSend() {
		return 0
	}
	avail := uint32(0)
	if c.sndNxt.Less(c.sndBuf.end) {
		avail = uint32(c.sndNxt.Size(c.sndBuf.end))
	}
	size := uint32(max(1, min(int64(min(avail, c.win.smss)), c.usableWindow())))
	fin := avail == 0 && c.user.finQueued && !c.finSent()
	if avail == 0 && !fin {
		return 0
	}
	c.counters.WindowProbes++
	beyond := c.usableWindow() <= 0
	t := c.transmitNew(now, size, fin, 0)
	if beyond {
		t.flags |= txProbe
	}
	return c.buildText(now, b, t)
}

// reopenProbes resends at once what was only a probe, now that there is a window.
func (c *Conn) reopenProbes(now Instant) {
	if c.sb.empty() {
		return
	}
	t := c.sb.at(c.sb.head)
	if t.flags&txProbe == 0 {
		return
	}
	t.flags &^= txProbe
	c.rtt.resetBackoff()
	if t.flags&(txLost|txSacked) == 0 {
		c.sb.markLost(c.sb.head)
	}
	c.rec.force = true
	c.pending = true
	c.setRexmit(now)
}

// restartAfterIdle tells the congestion control that sending resumes.
func (c *Conn) restartAfterIdle(now Instant) {
	if c.rec.lastSent == 0 {
		return
	}
	if idle := now.Sub(c.rec.lastSent); idle >= c.rtt.rto() {
		c.cc.onIdleRestart(&c.win, now, idle)
	}
}

// noteAppLimited marks the delivery rate as limited by the application, when
// there is nothing to send and the window would allow more
// (draft-ietf-ccwg-bbr, "Marking packets as application-limited").
func (c *Conn) noteAppLimited() {
	if c.sb.lostHead == noSegment && c.inFlight() < c.win.cwnd {
		c.rate.markAppLimited(c.inFlight())
	}
}

// paced reports whether pacing lets a segment leave now; if not it arms a timer.
func (c *Conn) paced(now Instant) bool {
	at := c.pacer.delayUntil(now, &c.win)
	if at <= now {
		return true
	}
	c.timers.set(timerPacing, at)
	return false
}

// inFlight is the estimate of what is in the network: "pipe" (RFC 6675 §4),
// without SACK less what duplicate ACKs have announced as arrived.
func (c *Conn) inFlight() uint32 { return c.sb.pipe - min(c.sb.pipe, c.rec.renoSacked) }

// psh reports whether a segment that ends at end is the last of the queue: "set
// the PSH bit in the last buffered segment" (RFC 9293 §3.9.1.2, MUST-61).
func (c *Conn) psh(end seqnum.Value) wire.Flags {
	if end.GreaterEq(c.sndBuf.end) {
		return wire.FlagPSH
	}
	return 0
}
