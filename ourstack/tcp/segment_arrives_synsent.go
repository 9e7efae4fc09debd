package tcp

import "vpngw/ourstack/wire"

// segmentArrivesSynSent is RFC 9293 §3.10.7.3.
func (c *Conn) segmentArrivesSynSent(now Instant, seg *wire.TCP) DropReason {
	// "First, check the ACK bit".
	acked := false
	if seg.Flags&wire.FlagACK != 0 {
		if seg.Ack.LessEq(c.iss) || c.sndNxt.Less(seg.Ack) {
			if seg.Flags&wire.FlagRST == 0 {
				// "send a reset <SEQ=SEG.ACK><CTL=RST> and discard the segment"
				c.rst = pendingRST{set: true, seq: seg.Ack}
				c.pending = true
			}
			return DropACK
		}
		acked = true
	}
	// "Second, check the RST bit": "If the ACK was acceptable, then signal to the
	// user "error: connection reset", drop the segment, enter CLOSED state".
	if seg.Flags&wire.FlagRST != 0 {
		if !acked {
			return DropRST // RFC 5961 §3.2 keeps this; without ACK it could be anyone's
		}
		c.fail(ErrRefused)
		return DropNone
	}
	// "Third, check the security". None.
	// "Fourth, check the SYN bit".
	if seg.Flags&wire.FlagSYN == 0 {
		return DropState // "Fifth, if neither of the SYN or RST bits is set, then drop"
	}
	if c.opts.timestamps = seg.Opts.HasTimestamps; c.opts.timestamps && acked {
		// RFC 7323 §3.2: TSecr must be a timestamp that our SYN carried; one of the
		// future is none of ours. Zero is what broken middleboxes leave there.
		if seg.Opts.TSEcr != 0 && int32(c.tsNow(now)-seg.Opts.TSEcr) < 0 {
			return DropPAWS
		}
	}
	c.receiveSYN(now, seg)
	if acked {
		c.acceptECNReply(seg.Flags)
		c.handleACKOfSYN(now, seg)
		c.ackNow()
		return c.textWithSYN(now, seg)
	}
	// "Otherwise, enter SYN-RECEIVED, form a SYN,ACK segment": simultaneous open (MUST-10).
	c.acceptECN(seg.Flags)
	c.setState(StateSynReceived)
	c.timers.set(timerUser, now.Add(synAckTimeout))
	c.resendSYN()
	return DropNone
}

// handleACKOfSYN enters ESTABLISHED from SYN-SENT or SYN-RECEIVED.
func (c *Conn) handleACKOfSYN(now Instant, seg *wire.TCP) {
	// Window and congestion state first: acknowledging the SYN takes the first
	// RTT sample, which the controls want to see.
	c.establish(now, seg)
	c.ackAdvance(now, seg)
}

// textWithSYN processes text and FIN that came with the SYN-ACK (RFC 9293
// §3.10.7.3: "If there are other controls or text in the segment, then
// continue processing at the sixth step").
func (c *Conn) textWithSYN(now Instant, seg *wire.TCP) DropReason {
	rest := *seg
	rest.Seq = seg.Seq.Add(1)
	rest.Flags &^= wire.FlagSYN
	c.checkURG(&rest)
	drop := c.processText(now, &rest)
	if c.state != StateClosed {
		c.checkFIN(now, &rest)
	}
	return drop
}
