package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// HandleSegment processes a segment whose checksum is good and whose addresses
// and ports match the connection: SEGMENT ARRIVES of RFC 9293 §3.10.7. ecn is the
// ECN field of its IP header (0–3). now is when the segment arrived, not when it
// is processed: round-trip times come from it. The payload is copied; seg is the
// caller's again on return. Afterwards look at TakeEvents, Pending and Deadline.
func (c *Conn) HandleSegment(now Instant, seg *wire.TCP, ecn uint8) DropReason {
	c.counters.SegmentsIn++
	var drop DropReason
	switch c.state {
	case StateClosed, StateListen:
		return DropState // the caller answers for what belongs to nobody
	case StateSynSent:
		drop = c.segmentArrivesSynSent(now, seg)
	default:
		drop = c.segmentArrivesSync(now, seg, ecn)
	}
	if drop != DropNone {
		c.counters.Dropped++
	}
	return drop
}

// segmentArrivesSync is RFC 9293 §3.10.7.4: the other states, step by step.
func (c *Conn) segmentArrivesSync(now Instant, seg *wire.TCP, ecn uint8) DropReason {
	if seg.Flags&wire.FlagSYN != 0 && c.state == StateTimeWait {
		c.user.synInTimeWait = true // which gets an ACK, one way or another
	}
	// "First, check sequence number", with RFC 7323 §5.3 R1 before it.
	if drop := c.checkPAWS(now, seg); drop != DropNone {
		return drop
	}
	if drop := c.checkSequence(now, seg); drop != DropNone {
		return drop
	}
	// "Second, check the RST bit": with a window of zero as well (MUST-66), and with
	// text in the segment (SHLD-2).
	if seg.Flags&wire.FlagRST != 0 {
		return c.checkRST(now, seg)
	}
	// "Third, check security": there is none to check in IPv4 without the
	// obsolete security option (RFC 9293 §A.1).
	// "Fourth, check the SYN bit".
	if seg.Flags&wire.FlagSYN != 0 {
		return c.checkSYN(now, seg)
	}
	// "Fifth, check the ACK field".
	if drop := c.checkACK(now, seg); drop != DropNone {
		return drop
	}
	c.updateTSRecent(now, seg)
	c.receiveECN(seg, ecn)
	c.alive.heard(now)
	if c.state == StateClosed {
		return DropNone // LAST-ACK was acknowledged, or a RST is due
	}
	// "Sixth, check the URG bit".
	c.checkURG(seg)
	// "Seventh, process the segment text" and "eighth, check the FIN bit".
	drop := c.processText(now, seg)
	if c.state != StateClosed {
		c.checkFIN(now, seg)
	}
	return drop
}

// checkSequence is the acceptability test of RFC 9293 §3.10.7.4 (table 6).
func (c *Conn) checkSequence(now Instant, seg *wire.TCP) DropReason {
	if c.acceptable(seg) {
		return DropNone
	}
	if seg.Flags&wire.FlagRST != 0 {
		return DropSequence // "unless the RST bit is set, if so drop the segment and return"
	}
	if c.state == StateSynReceived && seg.Flags&wire.FlagSYN != 0 && seg.Seq == c.irs {
		if c.simultaneous(now, seg) {
			return DropDuplicate // its ACK was all that was new
		}
		c.updateTSRecent(now, seg) // it measures its first round trip by what our SYN-ACK echoes
		c.resendSYN()              // which it did not get
		return DropDuplicate
	}
	if c.state == StateTimeWait && seg.Flags&wire.FlagFIN != 0 {
		// "The only thing that can arrive in this state is a retransmission of the
		// remote FIN. Acknowledge it, and restart the 2 MSL timeout."
		c.timers.set(timerState, now.Add(c.cfg.timeWait()))
	}
	// "If an incoming segment is not acceptable, an acknowledgment should be sent in reply": the
	// peer may only be retransmitting because our ACK was lost.
	if len(seg.Payload) > 0 || seg.Flags&wire.FlagFIN != 0 {
		c.noteDuplicateOld(seg)
		c.ackNow() // never limited: the peer waits for it (bug class 29)
	} else {
		c.challenge(now)
	}
	return DropSequence
}

// acceptable tells whether part of seg is in the receive window:
//
//	Segment Length  Receive Window  Test
//	0               0               SEG.SEQ = RCV.NXT
//	0               >0              RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND
//	>0              0               not acceptable
//	>0              >0              RCV.NXT =< SEG.SEQ < RCV.NXT+RCV.WND
//	                                or RCV.NXT =< SEG.SEQ+SEG.LEN-1 < RCV.NXT+RCV.WND
func (c *Conn) acceptable(seg *wire.TCP) bool {
	n, wnd := seg.Len(), c.rcvNxt.Size(c.rcvAdv)
	if n == 0 {
		// "=" also at the right edge: a pure ACK of a peer that has filled our
		// window lies exactly there, and its ACK and window count (as in Linux). A RST
		// there is "outside the current receive window" (RFC 5961 §3.2).
		if seg.Flags&wire.FlagRST == 0 {
			wnd++
		}
		return seg.Seq == c.rcvNxt || seg.Seq.InWindow(c.rcvNxt, wnd)
	}
	if wnd == 0 {
		// "special allowance should be made to accept valid ACKs, URGs, and RSTs":
		// the text of a window probe at RCV.NXT is dropped later, its ACK counts.
		return seg.Seq == c.rcvNxt
	}
	return seg.Seq.InWindow(c.rcvNxt, wnd) || seg.Seq.Add(n-1).InWindow(c.rcvNxt, wnd)
}

// checkRST follows RFC 5961 §3.2: only a RST exactly at RCV.NXT resets.
func (c *Conn) checkRST(now Instant, seg *wire.TCP) DropReason {
	if seg.Seq != c.rcvNxt {
		c.challenge(now)
		return DropRST
	}
	switch c.state {
	case StateSynReceived:
		// "If this connection was initiated with a passive OPEN, then return this
		// connection to the LISTEN state": the listener never knew it.
		c.fail(ErrRefused)
	case StateTimeWait:
		// DEVIATION RFC 9293 §3.10.7.4, which enters CLOSED: RFC 1337 §3, a RST in TIME-WAIT is
		// ignored, or old duplicates, which our ACK answers, could assassinate the state
		// that protects from old duplicates. But the RST by which a peer answers the
		// challenge that its SYN met "will confirm that the remote peer has indeed closed
		// the previous connection" (RFC 5961 §4.2): its next SYN is to find nothing here.
		if !c.user.synInTimeWait {
			return DropRST
		}
		c.enterClosed()
	default:
		c.fail(ErrReset)
	}
	return DropNone
}

// checkSYN follows RFC 5961 §4.2: a SYN on a synchronized connection gets a
// challenge ACK whatever its sequence number.
func (c *Conn) checkSYN(now Instant, seg *wire.TCP) DropReason {
	if c.state == StateSynReceived {
		if c.user.passive && seg.Flags&wire.FlagACK == 0 {
			// "If the connection was initiated with a passive OPEN, then return this
			// connection to the LISTEN state": the peer begins anew, and its next
			// SYN finds the listener.
			c.fail(ErrRefused)
			return DropSYN
		}
	}
	c.challenge(now)
	return DropSYN
}

// simultaneous handles the SYN-ACK that completes a simultaneous open (RFC 9293
// figure 7): our SYN-ACK and the peer's crossed.
func (c *Conn) simultaneous(now Instant, seg *wire.TCP) bool {
	if seg.Flags&wire.FlagACK == 0 || seg.Ack != c.iss.Add(1) {
		return false
	}
	c.handleACKOfSYN(now, seg)
	c.ackNow()
	return true
}

// checkURG notes the urgent pointer (RFC 9293 §3.8.5, MUST-30). Urgent data is
// delivered in line (RFC 6093 §4): there is no way to ask for anything else. The
// pointer may lie beyond the window: "urgent data of any length", MUST-31.
func (c *Conn) checkURG(seg *wire.TCP) {
	if seg.Flags&wire.FlagURG == 0 || !c.state.canReceive() || c.rcvBuf.discard {
		return
	}
	up := seg.Seq.Add(seqnum.Size(seg.Urg))
	if !c.rcvBuf.readSeq.Less(up) || c.urgent && up.LessEq(c.rcvUp) {
		return // read already, or known: "RCV.UP <- max(RCV.UP,SEG.UP)"
	}
	c.rcvUp, c.urgent = up, true
	c.events |= EventUrgent
}

// processText takes the text that is new and in the window (RFC 9293 §3.10.7.4, seventh).
func (c *Conn) processText(now Instant, seg *wire.TCP) DropReason {
	if len(seg.Payload) == 0 {
		return DropNone
	}
	if !c.state.canReceive() {
		return DropNone // "This should not occur since a FIN has been received": ignore
	}
	if c.user.closed {
		// RFC 9293 §3.6.1, SHLD-3: text for a user who has closed both ways is lost,
		// and the peer should know. A new FIN behind old text loses nothing.
		if c.rcvNxt.Less(seg.Seq.Add(seqnum.Size(len(seg.Payload)))) {
			c.abortWith(now, ErrAborted)
			return DropState
		}
		return DropNone
	}
	return c.receiveText(now, seg)
}

// receiveText trims the segment to the window and stores it, in order or not (RFC
// 9293 §3.10.7.4, SHLD-31).
func (c *Conn) receiveText(now Instant, seg *wire.TCP) DropReason {
	seq, p := seg.Seq, seg.Payload
	end := seq.Add(seqnum.Size(len(p)))
	old := seq.Less(c.rcvNxt)
	if old {
		c.noteDuplicate(seq, seqnum.Min(end, c.rcvNxt))
		if end.LessEq(c.rcvNxt) {
			c.ackNow()
			return DropDuplicate
		}
		p = p[seq.Size(c.rcvNxt):]
		seq = c.rcvNxt
	}
	limit := c.rcvAdv
	if c.hasFin {
		limit = seqnum.Min(limit, c.rcvFin) // nothing follows a FIN
	}
	if limit.LessEq(seq) {
		c.ackNow() // a window probe, or beyond the FIN
		return DropWindow
	}
	p = p[:min(len(p), int(seq.Size(limit)))]

	if len(p) >= int(c.rcvMSS()) {
		c.tune.onSegment(c, now, &seg.Opts) // less would wait for its sender, not for the path
	}
	hadHoles := len(c.rcvBuf.ranges) > 0
	if d, ok := c.rcvBuf.overlap(seq, seq.Add(seqnum.Size(len(p)))); ok && !old {
		c.noteDuplicate(d.left, d.right) // only the first of a segment: RFC 2883 §4.2
	}
	stored, advanced := c.rcvBuf.insert(c.mem(), seq, p)
	if stored.left == stored.right {
		c.ackNow()
		return DropMemory
	}
	if advanced {
		c.counters.BytesIn += uint64(c.rcvNxt.Size(c.rcvBuf.nxt))
		c.rcvNxt = c.rcvBuf.nxt
		c.events |= EventReadable
	} else {
		c.counters.OutOfOrder++
		c.ack.lastOutOfOrder = stored.left
	}
	c.ackText(now, len(p), !advanced || hadHoles)
	if stored.right != end {
		c.ackNow() // the peer should know that there was no room for the rest
	}
	return DropNone
}

// checkFIN notes a FIN and, once all text before it is here, acts on it (RFC 9293
// §3.10.7.4, eighth).
func (c *Conn) checkFIN(now Instant, seg *wire.TCP) {
	if seg.Flags&wire.FlagFIN != 0 && c.state.canReceive() {
		fin := seg.Seq.Add(seqnum.Size(len(seg.Payload)))
		// One octet of grace: a FIN needs no buffer, so it may sit at the right
		// edge of a closed window. It must not precede text already received.
		if !c.hasFin && fin.InRange(c.rcvNxt, c.rcvAdv.Add(1)) && c.noTextBeyond(fin) {
			c.hasFin, c.rcvFin = true, fin
			if fin != c.rcvNxt {
				c.ack.lastOutOfOrder = fin
				c.noteRange()
			}
		}
		c.ackNow() // also when it is repeated: the peer lacks an answer
	}
	if !c.hasFin || c.finIn || c.rcvNxt != c.rcvFin {
		return
	}
	// "Advance RCV.NXT over the FIN, and send an acknowledgment for the FIN. Note
	// that FIN implies PUSH for any segment text not yet delivered to the user."
	c.finIn = true
	c.rcvNxt = c.rcvNxt.Add(1)
	c.rcvAdv = seqnum.Max(c.rcvAdv, c.rcvNxt)
	c.events |= EventReadable
	c.ackNow()
	switch c.state {
	case StateEstablished:
		c.setState(StateCloseWait)
	case StateFinWait1:
		c.setState(StateClosing) // an ACK of our FIN has been seen to before, in checkACK
	case StateFinWait2:
		c.enterTimeWait(now)
	}
}

// noTextBeyond reports whether no text beyond seq has been received.
func (c *Conn) noTextBeyond(seq seqnum.Value) bool {
	n := len(c.rcvBuf.ranges)
	return n == 0 || c.rcvBuf.ranges[n-1].right.LessEq(seq)
}

// enterTimeWait starts the 2·MSL timer (RFC 9293 §3.10.7.4, MUST-13).
func (c *Conn) enterTimeWait(now Instant) {
	c.setState(StateTimeWait)
	c.timers.stopAll()
	c.timers.set(timerState, now.Add(c.cfg.timeWait()))
	c.events |= EventClosed | EventReadable
}

// AcceptsNewSYN reports whether seg, a SYN that meets the connection in
// TIME-WAIT, may open a new connection in its place (RFC 9293 §3.10.7.4 MAY-2, SHLD-4, RFC
// 6191 §2): its timestamp is newer, or is the first, or without timestamps its sequence number is newer.
func (c *Conn) AcceptsNewSYN(seg *wire.TCP) bool {
	if c.state != StateTimeWait || seg.Flags&(wire.FlagSYN|wire.FlagACK|wire.FlagRST) != wire.FlagSYN {
		return false
	}
	// "The "last sequence number seen" ... refers to the sequence number corresponding to the FIN".
	beyond := c.rcvNxt.LessEq(seg.Seq)
	switch {
	case !seg.Opts.HasTimestamps:
		return beyond
	case !c.opts.timestamps:
		return true // no old duplicate has them
	default:
		newer := int32(seg.Opts.TSVal - c.tsRecent)
		return newer > 0 || newer == 0 && beyond
	}
}

// NextISS is the least ISS for a connection that follows this one on the same
// tuple: beyond everything sent (RFC 9293 §3.4.3).
func (c *Conn) NextISS() seqnum.Value { return c.sndNxt.Add(1 << 17) }
