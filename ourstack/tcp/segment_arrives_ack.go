package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// checkACK is the fifth step of RFC 9293 §3.10.7.4.
func (c *Conn) checkACK(now Instant, seg *wire.TCP) DropReason {
	if seg.Flags&wire.FlagACK == 0 {
		return DropNoACK // "if the ACK bit is off, drop the segment and return"
	}
	if c.state == StateSynReceived {
		if !seg.Ack.InRange(c.sndUna.Add(1), c.sndNxt.Add(1)) {
			// "If the segment acknowledgment is not acceptable, form a reset segment
			// <SEQ=SEG.ACK><CTL=RST> and send it."
			c.rst = pendingRST{set: true, seq: seg.Ack}
			c.pending = true
			return DropACK
		}
		c.handleACKOfSYN(now, seg)
		return DropNone
	}
	if c.sndNxt.Less(seg.Ack) {
		// "If the ACK acks something not yet sent (SEG.ACK > SND.NXT), then send an
		// ACK, drop the segment, and return", as a challenge (RFC 5961 §5.2).
		c.challenge(now)
		return DropACK
	}
	// RFC 5961 §5.2, MAY-12: "SND.UNA - MAX.SND.WND =< SEG.ACK".
	if seg.Ack.Less(c.sndUna) && uint32(seg.Ack.Size(c.sndUna)) > c.maxSndWnd {
		c.challenge(now)
		return DropACK
	}
	c.user.progress(c, now, seg)
	c.updateWindow(now, seg)
	c.ackAdvance(now, seg)
	if !seg.Ack.Less(c.sndUna) {
		c.finAcked(now)
	}
	return DropNone
}

// progress notes that the peer is alive and taking data, or at least probes:
// "a TCP peer keeps the connection open as long as probes are acknowledged"
// (RFC 9293 §3.8.6.1, MUST-37), and is not timed out for text beyond the edge of a
// window that was withdrawn (§3.8.6, SHLD-17).
func (u *userState) progress(c *Conn, now Instant, seg *wire.TCP) {
	orphanBlocked := u.closed && seg.Ack == c.sndUna
	if orphanBlocked {
		return // nobody is left to wait for a peer that takes nothing: bounded
	}
	if c.sndUna.Less(seg.Ack) || c.sndWnd == 0 {
		u.progressAt = now
	}
}

// updateWindow takes the peer's window by the rule of WL1 and WL2: only from
// segments that are newer than the last that was used (RFC 9293 §3.10.7.4).
func (c *Conn) updateWindow(now Instant, seg *wire.TCP) {
	if seg.Ack.Less(c.sndUna) {
		return
	}
	if !(c.sndWl1.Less(seg.Seq) || c.sndWl1 == seg.Seq && c.sndWl2.LessEq(seg.Ack)) {
		return
	}
	wnd := uint32(seg.Wnd) << c.opts.sndWindShift
	if wnd != c.sndWnd || c.sndUna.Less(seg.Ack) {
		c.pending = true
	}
	if wnd > c.sndWnd {
		c.timers.stop(timerPersist)
	}
	c.sndWnd = wnd
	c.maxSndWnd = max(c.maxSndWnd, wnd)
	c.sndWl1, c.sndWl2 = seg.Seq, seg.Ack
	if wnd > 0 {
		c.reopenProbes(now)
	}
}

// finAcked moves on when our FIN has been acknowledged.
func (c *Conn) finAcked(now Instant) {
	if !c.finSent() || c.sndUna != c.sndNxt {
		return
	}
	switch c.state {
	case StateFinWait1:
		c.setState(StateFinWait2)
		c.timers.stop(timerUser)
		if c.user.closed {
			c.timers.set(timerState, now.Add(finWait2Timeout))
		}
	case StateClosing:
		c.enterTimeWait(now)
	case StateLastAck:
		// "the only thing that can arrive in this state is an acknowledgment of our
		// FIN. If our FIN is now acknowledged, delete the TCB".
		c.enterClosed()
	}
}

// finSent reports whether our FIN has been sent: it is then the last octet of
// the send sequence space, one past the text.
func (c *Conn) finSent() bool { return c.user.finQueued && c.sndBuf.end.Less(c.sndNxt) }

// ackAdvance accounts for everything that the acknowledgment and the SACK blocks
// of seg say, measures, detects losses and tells the congestion control.
func (c *Conn) ackAdvance(now Instant, seg *wire.TCP) {
	if c.sb.empty() && seg.Ack == c.sndUna && seg.Opts.NumSACK == 0 && !c.rack.probeOut {
		c.rec.lastWnd = seg.Wnd // text for one who sends none: nothing of what follows has any effect
		return
	}
	a := ackWork{now: now, seg: seg, rtt: -1, prior: c.inFlight(), priorUna: c.sndUna}
	a.dsack = c.checkDSACK(seg)
	old := seg.Ack == c.sndUna
	if c.sndUna.Less(seg.Ack) {
		c.ackCumulative(&a, seg.Ack)
	}
	// After the cumulative part, or its segments would look reordered.
	if c.opts.sack && seg.Opts.NumSACK > 0 {
		c.markSACKed(&a, seg)
	}
	if old {
		c.countDuplicate(&a, seg)
	}
	c.rec.lastWnd = seg.Wnd
	c.lossProbeACK(&a, seg)
	if a.ackedCum == 0 && a.delivered == 0 && !a.duplicate && a.dsack == 0 {
		return
	}
	c.sampleRTT(&a, seg)
	c.afterACK(&a, seg)
	c.pending = true
}

// ackWork gathers what one ACK changes.
type ackWork struct {
	now        Instant
	seg        *wire.TCP
	prior      uint32       // pipe before
	priorUna   seqnum.Value // SND.UNA before
	delivered  uint32       // bytes newly acknowledged, either way
	ackedCum   uint32       // bytes by which SND.UNA advanced
	lost       uint32       // bytes newly marked lost
	dsack      uint32       // bytes reported as duplicates
	duplicate  bool         // a duplicate ACK (RFC 5681 §2)
	retrans    bool         // a retransmitted segment is among what was delivered
	original   bool         // so is one sent once, before the timeout (RFC 5682)
	beyond     bool         // and one sent after it
	headResent Instant      // when the segment at SND.UNA had last been resent; 0 if it had not
	rtt        Duration     // newest sample without ambiguity, or -1
	rs         rateSample
	newest     Instant // transmission time of the newest segment delivered
}

// ackCumulative advances SND.UNA.
func (c *Conn) ackCumulative(a *ackWork, ack seqnum.Value) {
	a.ackedCum = uint32(c.sndUna.Size(ack))
	if t := c.sb.at(c.sb.head); t.flags&txRetrans != 0 {
		a.headResent = t.xmitTime
	}
	for !c.sb.empty() {
		t := c.sb.at(c.sb.head)
		if ack.Less(t.end) {
			c.trimFront(a, t, ack)
			break
		}
		if t.flags&txSacked == 0 {
			c.deliver(a, t)
		}
		c.sb.popFront()
	}
	c.sndUna = ack
	c.rec.onUnaAdvance(c, a)
	before := c.sndBuf.len()
	c.sndBuf.release(c.mem(), ack)
	if c.sndBuf.len() != before {
		c.wakeWriter()
	}
}

// trimFront handles an ACK inside a segment: the part before it is done.
func (c *Conn) trimFront(a *ackWork, t *txSegment, ack seqnum.Value) {
	if !t.seq.Less(ack) {
		return
	}
	n := uint32(t.seq.Size(ack))
	switch {
	case t.flags&txSacked != 0:
		c.sb.sackedBytes -= n
	case t.flags&txLost != 0:
		c.sb.lostBytes -= n
		a.delivered += n
	default:
		c.sb.pipe -= n
		a.delivered += n
	}
	t.seq = ack
	t.flags &^= txSYN
}

// deliver accounts for a segment that is known to have arrived, for the first time.
func (c *Conn) deliver(a *ackWork, t *txSegment) {
	n := t.len()
	a.delivered += n
	c.rate.onDelivered(n, a.now, &t.tx, &a.rs, t.xmitTime)
	if t.flags&txRetrans != 0 {
		a.retrans = true
	} else {
		c.noteOriginal(a, t)
		if t.xmitTime >= a.newest {
			a.newest = t.xmitTime
			a.rtt = max(a.now.Sub(t.xmitTime), 0) // stamps of a burst run ahead of the clock
		}
	}
	c.rack.onDelivered(c, a, t)
	if t.flags&txMTUProbe != 0 {
		c.probeArrived(a.now, t)
	}
}

// sampleRTT takes one RTT sample an ACK: from the newest segment that was sent
// only once (Karn, RFC 6298 §3), else from the timestamp echo (RFC 7323 §4.1).
func (c *Conn) sampleRTT(a *ackWork, seg *wire.TCP) {
	if a.rtt < 0 && a.headResent != 0 && c.echoes(seg, a.headResent) {
		if ms := c.tsNow(a.now) - seg.Opts.TSEcr; ms < 1<<20 {
			a.rtt = max(Duration(ms)*Millisecond, c.rtt.minRTT())
		}
	}
	if a.rtt < 0 {
		return
	}
	c.rtt.onSample(a.now, a.rtt)
	c.rack.sampled = true
}

// echoes reports whether the timestamp echoed is not older than a transmission at
// at, which then may have caused the ACK. An older echo belongs to an original whose
// ACK was lost: the time since is no round trip.
func (c *Conn) echoes(seg *wire.TCP, at Instant) bool {
	return c.opts.timestamps && seg.Opts.HasTimestamps && int32(seg.Opts.TSEcr-c.tsNow(at)) >= 0
}

// wakeWriter reports room to a writer that found none, and delivery to one that awaits it.
func (c *Conn) wakeWriter() {
	if c.user.wantEmpty && c.sndBuf.len() == 0 {
		c.user.wantEmpty = false
		c.events |= EventWritable
	}
	enough := min(c.sndLimit()/3, 1<<16)
	if cwnd := int(c.win.cwnd); int(c.outstanding()) > 2*cwnd {
		// A third of the limit is more than may ever wait behind so large a hole.
		enough = min(enough, 2*cwnd/3)
	}
	if c.user.wantWrite && c.sendRoom() >= enough {
		c.user.wantWrite = false
		c.events |= EventWritable
	}
}
