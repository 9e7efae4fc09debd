package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// ackState decides when an acknowledgment is due (RFC 9293 §3.8.6.3, RFC 5681 §4.2)
// and remembers what SACK has to report.
//
// An ACK that is due is a flag, not a packet: however many segments arrive before
// PollSegment is called, one ACK answers them all (RFC 9293 §3.10.7.4, MUST-58, MUST-59).
type ackState struct {
	now      bool         // due at once
	unacked  uint32       // bytes of text received since the last ACK
	quick    uint8        // segments still to be acknowledged without delay
	lastSent seqnum.Value // Last.ACK.sent (RFC 7323 §4.3)

	lastOutOfOrder seqnum.Value    // newest out-of-order text
	recent         [3]seqnum.Value // further points in ranges, most recently changed first
	numRecent      uint8
	dsack          seqRange // duplicate to report (RFC 2883), if hasDSACK
	hasDSACK       bool

	ece        bool // echo congestion experienced until CWR (RFC 3168 §6.1.3)
	challenges int

	beforeHole tsHole

	challengeAt     Instant
	challengeTokens int
}

// ackNow makes an ACK due at once.
func (c *Conn) ackNow() {
	c.ack.now = true
	c.pending = true
}

// ackText schedules the ACK of n bytes of text. disorder says that the text is
// out of order or fills a hole: "a TCP receiver SHOULD send an immediate
// duplicate ACK when an out-of-order segment arrives" and "an immediate ACK when
// the incoming segment fills in all or part of a gap" (RFC 5681 §4.2, RFC 9293 MAY-13).
func (c *Conn) ackText(now Instant, n int, disorder bool) {
	c.ack.unacked += uint32(n)
	if disorder {
		// The peer has lost something, or will think so, and has a small window to grow from.
		c.ack.quick = max(c.ack.quick, quickAcks)
		c.noteRange()
		c.ackNow()
		return
	}
	// "a TCP SHOULD implement a delayed ACK", "at least for every second full-sized
	// segment" (RFC 9293 §3.8.6.3, SHLD-18, SHLD-19).
	if c.ack.quick > 0 {
		c.ack.quick--
		c.ackNow()
		return
	}
	// A window smaller than four segments would make the peer wait for the timer.
	if c.ack.unacked >= min(2*c.rcvMSS(), uint32(c.tune.rcvBuf/2)) || c.windowUpdateDue() {
		c.ackNow()
		return
	}
	if !c.timers.isSet(timerDelayedACK) && !c.ack.now {
		c.timers.set(timerDelayedACK, now.Add(delayedAckMax)) // < 500 ms, MUST-40
	}
}

// rcvMSS is the largest text the peer is expected to put in a segment.
func (c *Conn) rcvMSS() uint32 {
	mss := uint32(c.localMSS())
	if c.opts.timestamps {
		mss -= timestampOptionLen
	}
	return min(mss, c.win.smss)
}

// noteRange remembers the range that the newest segment belongs to as the one
// to report first (RFC 2018 §4), and forgets points that it has swallowed.
func (c *Conn) noteRange() {
	a := &c.ack
	r, ok := c.heldAt(a.lastOutOfOrder)
	if !ok {
		return
	}
	n := uint8(1)
	older := a.recent
	for _, p := range older[:a.numRecent] {
		if !p.InRange(r.left, r.right) && int(n) < len(a.recent) {
			a.recent[n] = p
			n++
		}
	}
	a.recent[0], a.numRecent = r.left, n
}

// heldAt returns the out-of-order range that contains seq, as SACK reports it: a
// FIN that waits for text before it occupies its sequence number.
func (c *Conn) heldAt(seq seqnum.Value) (seqRange, bool) {
	if !c.finWaits() {
		return c.rcvBuf.rangeAt(seq)
	}
	fin := c.rcvFin
	if seq != fin {
		r, ok := c.rcvBuf.rangeAt(seq)
		if ok && r.right == fin {
			r.right = fin.Add(1)
		}
		return r, ok
	}
	r, ok := c.rcvBuf.rangeAt(fin.Sub(1))
	if !ok {
		r.left = fin
	}
	return seqRange{r.left, fin.Add(1)}, true
}

// finWaits reports whether a FIN was received beyond a hole.
func (c *Conn) finWaits() bool { return c.hasFin && !c.finIn }

// noteDuplicate remembers text that arrived twice, to be reported once (RFC 2883 §4).
func (c *Conn) noteDuplicate(left, right seqnum.Value) {
	if !c.opts.sack || left == right || right.Less(left) {
		return
	}
	c.counters.DuplicateIn++
	c.ack.dsack, c.ack.hasDSACK = seqRange{left, right}, true
}

// hasSACK reports whether an ACK sent now would carry SACK blocks.
func (c *Conn) hasSACK() bool {
	return c.opts.sack && (c.ack.hasDSACK || len(c.rcvBuf.ranges) > 0 || c.finWaits())
}

// putSACK fills in the blocks: a duplicate first (RFC 2883 §4), then the range of
// the newest segment, then the ones most recently reported, then others (RFC 2018 §4).
func (c *Conn) putSACK(o *wire.Options) {
	room := 4
	if o.HasTimestamps {
		room = 3
	}
	n, first := 0, 0
	add := func(r seqRange) {
		b := wire.SACKBlock{Left: r.left, Right: r.right}
		for i := first; i < n; i++ {
			if o.SACK[i] == b {
				return
			}
		}
		if n < room {
			o.SACK[n] = b
			n++
		}
	}
	if c.ack.hasDSACK {
		add(c.ack.dsack)
		first = 1 // the block that contains the duplicate follows, even if it is the same
		if r, ok := c.heldAt(c.ack.dsack.left); ok {
			add(r)
		}
	}
	for i := range c.ack.numRecent {
		if r, ok := c.heldAt(c.ack.recent[i]); ok {
			add(r)
		}
	}
	for i := 0; i < len(c.rcvBuf.ranges) && n < room; i++ {
		if r, ok := c.heldAt(c.rcvBuf.ranges[i].left); ok {
			add(r)
		}
	}
	if c.finWaits() {
		r, _ := c.heldAt(c.rcvFin)
		add(r)
	}
	o.NumSACK = n
}

// acked notes that a segment with an acknowledgment of RCV.NXT left. withSACK
// says that it carried everything that hasSACK had to report.
func (c *Conn) acked(withSACK bool) {
	a := &c.ack
	a.lastSent = c.rcvNxt
	if !withSACK {
		return
	}
	a.now = false
	a.unacked = 0
	a.hasDSACK = false
	if len(c.rcvBuf.ranges) == 0 && !c.finWaits() {
		a.numRecent = 0
	}
	c.timers.stop(timerDelayedACK)
}

// updateTSRecent keeps the timestamp to echo (RFC 7323 §4.3 (2)): from the
// segment that advances the left edge of what was acknowledged.
func (c *Conn) updateTSRecent(now Instant, seg *wire.TCP) {
	if !c.opts.timestamps || !seg.Opts.HasTimestamps {
		return
	}
	fresh := int32(seg.Opts.TSVal-c.tsRecent) >= 0 || c.tsRecentOutdated(now)
	if fresh && seg.Seq.LessEq(c.ack.lastSent) {
		c.ack.beforeHole.note(c)
		c.tsRecent, c.tsRecentAt = seg.Opts.TSVal, now
	}
}

// checkPAWS protects against wrapped sequence numbers (RFC 7323 §5.3 R1).
func (c *Conn) checkPAWS(now Instant, seg *wire.TCP) DropReason {
	if !c.opts.timestamps || seg.Flags&wire.FlagRST != 0 {
		return DropNone // "RST segments MUST NOT be subjected to the PAWS check"
	}
	if !seg.Opts.HasTimestamps {
		if seg.Flags&wire.FlagSYN != 0 {
			return DropNone // a new incarnation may not use them: checkSYN answers
		}
		// "If a non-<RST> segment is received without a TSopt, a TCP SHOULD silently
		// drop the segment." RFC 7323 §3.2
		return DropNoTimestamp
	}
	if int32(seg.Opts.TSVal-c.tsRecent) >= 0 || c.ack.beforeHole.covers(c, seg) {
		return DropNone
	}
	if c.tsRecentOutdated(now) {
		return DropNone
	}
	if c.state == StateSynReceived && seg.Flags&wire.FlagSYN != 0 {
		return DropNone
	}
	// "send an acknowledgment in reply … and drop the segment".
	if len(seg.Payload) > 0 || seg.Flags&wire.FlagFIN != 0 {
		c.noteDuplicateOld(seg)
		c.ackNow()
	} else {
		c.challenge(now)
	}
	return DropPAWS
}

// tsHole is TS.Recent as it was before a retransmission filled a hole: no text that was
// missing then has been sent for the first time with an older timestamp.
//
// DEVIATION RFC 7323 §5.3: R1 compares with TS.Recent alone, and "could lead to discarding
// some segments unnecessarily", those "delayed until after the retransmission ... arrives",
// which it holds to be "very unlikely". It is not on a path that reorders: while a sender
// repairs a loss, each segment that is late by a few milliseconds is overtaken by a
// retransmission, is discarded, and so is the next loss; on 500 Mbit/s with 1 % late by 3 ms
// a single loss became a series. What PAWS is for stays: between the two timestamps there is
// less than a quarter of the sequence space, so that nothing can be a duplicate of an earlier
// turn of it.
type tsHole struct {
	valid    bool
	tsRecent uint32       // TS.Recent before the hole was filled
	rcvNxt   seqnum.Value // and RCV.NXT
}

// tsHoleSpan is the sequence space for which a tsHole holds.
const tsHoleSpan = 1 << 30

// note is called before TS.Recent is updated.
func (h *tsHole) note(c *Conn) {
	switch {
	case len(c.rcvBuf.ranges) == 0:
		h.valid = false
	case !h.valid:
		*h = tsHole{true, c.tsRecent, c.rcvNxt}
	}
}

// covers reports whether seg may be text that was overtaken by a retransmission.
func (h *tsHole) covers(c *Conn, seg *wire.TCP) bool {
	return h.valid && int32(seg.Opts.TSVal-h.tsRecent) >= 0 && h.rcvNxt.Size(c.rcvNxt) < tsHoleSpan
}

// tsRecentOutdated reports whether TS.Recent is so old that the peer's clock may
// have wrapped since: "it is then invalid", and the next segment replaces it (RFC
// 7323 §5.5).
func (c *Conn) tsRecentOutdated(now Instant) bool { return now.Sub(c.tsRecentAt) > pawsIdle }

// noteDuplicateOld reports text that is wholly old as a duplicate; with PAWS
// failing nothing else about the segment is believed.
func (c *Conn) noteDuplicateOld(seg *wire.TCP) {
	end := seg.Seq.Add(seg.Len())
	if end.LessEq(c.rcvNxt) {
		c.noteDuplicate(seg.Seq, end)
	}
}
