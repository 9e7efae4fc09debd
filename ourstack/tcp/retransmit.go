package tcp

// The retransmission timer (RFC 6298 §5) and its neighbours. While anything is
// outstanding exactly one of timerRexmit and timerLossProbe is set: the probe, if
// one may be sent, comes first (RFC 8985 §7.2). rec.rtoAt remembers meanwhile when
// the retransmission timer would expire.

// setRexmit starts the retransmission timer anew.
func (c *Conn) setRexmit(now Instant) {
	at := now.Add(c.rtt.rto())
	// Do not overshoot the user timeout (RFC 9293 §3.8.3: R2).
	if limit := c.giveUpAt(); limit > now && limit < at {
		at = limit
	}
	c.rec.rtoAt = at
	c.timers.set(timerRexmit, at)
}

// armAfterSend sets the timers after a transmission: "every time a packet
// containing data is sent (including a retransmission), if the timer is not
// running, start it running" (RFC 6298 §5.1); the probe timer starts anew.
func (c *Conn) armAfterSend(now Instant) {
	if c.rec.rtoAt == 0 {
		c.setRexmit(now)
	}
	if !c.mayProbe() {
		c.stopLossProbe()
		return
	}
	// "If Now() + PTO > TCP_RTO_expiration(): PTO = TCP_RTO_expiration() - Now()" RFC
	// 8985 §7.2: a probe is tried before the window collapses.
	c.timers.stop(timerRexmit)
	c.timers.set(timerLossProbe, min(now.Add(c.probeTimeout()), c.rec.rtoAt))
}

// stopLossProbe lets the retransmission timer run instead of the probe timer.
func (c *Conn) stopLossProbe() {
	c.timers.stop(timerLossProbe)
	if !c.timers.isSet(timerRexmit) {
		c.timers.set(timerRexmit, c.rec.rtoAt)
	}
}

// armAfterACK sets the timers after an ACK: "when all outstanding data has been
// acknowledged, turn off the retransmission timer"; "when an ACK is received
// that acknowledges new data, restart" (RFC 6298 §5.2, §5.3). Nothing else restarts
// it: any other ACK could be repeated for ever.
func (c *Conn) armAfterACK(now Instant, advanced bool) {
	if c.sb.empty() {
		c.timers.stop(timerRexmit)
		c.timers.stop(timerLossProbe)
		c.timers.stop(timerReorder)
		c.rec.rtoAt = 0
		c.rack.probeDue = false
		if c.sndBuf.end == c.sndNxt && !c.user.finQueued {
			c.timers.stop(timerPacing) // a retransmission that waited for it is not needed any more
		}
		c.timers.set(timerIdle, now.Add(idleShrink))
		return
	}
	if advanced {
		c.setRexmit(now)
		c.armAfterSend(now)
	} else if !c.mayProbe() || !c.timers.isSet(timerLossProbe) {
		c.stopLossProbe()
	}
}

// giveUpAt is when R2 ends the connection if nothing is acknowledged until then.
func (c *Conn) giveUpAt() Instant {
	if !c.state.Synchronized() {
		return 0 // timerUser is set
	}
	timeout := c.user.timeout
	if c.user.closed {
		timeout = min(timeout, orphanTimeout)
	}
	return c.user.progressAt.Add(timeout)
}

// onRexmitTimer is RFC 6298 §5.4 to §5.6 and RFC 5681 §3.1: MUST-18, MUST-19; for a SYN
// as well: MUST-22. R1 and R2 of RFC 9293 §3.8.3 are counted here (MUST-20).
func (c *Conn) onRexmitTimer(now Instant) {
	if c.sb.empty() {
		return
	}
	if at := c.giveUpAt(); at != 0 && now >= at {
		c.giveUp(now)
		return
	}
	c.counters.Timeouts++
	c.pending = true
	if c.state == StateSynSent || c.state == StateSynReceived {
		c.resendSYN()
		c.rtt.backoff()
		c.setRexmit(now)
		return
	}
	if c.sndWnd == 0 || c.sb.at(c.sb.head).flags&txProbe != 0 {
		c.reprobeWindow(now)
		return
	}
	c.suspectBlackHole(now)
	c.enterRTO(now)
	c.rtt.backoff() // §5.5
	c.setRexmit(now)
	if c.rtt.backoffs == r1 && !c.softErrIsNew() {
		c.noteSoftError(now, ErrUnresponsive) // "when R1 is reached and before R2" RFC 9293 §3.8.3, SHLD-9
	}
}

// enterRTO collapses the window and marks lost what can be. "once the loss is
// repaired" the point of recovery is what was sent before (RFC 6582 §4).
func (c *Conn) enterRTO(now Instant) {
	c.saveUndo()
	flight := max(c.inFlight(), c.win.smss)
	if c.sb.at(c.sb.head).flags&txSacked != 0 {
		c.sb.forgetSACK() // RFC 6675 §5.1: "SHOULD … SACK information … discarded" when it reneged
	}
	// "for all the other segments, RACK only marks the segment as lost if the time
	// elapsed since the segment was transmitted is at least the sum of the recent RTT
	// and the reordering window" RFC 8985 §6.3.
	recent := now
	if c.opts.sack && c.rack.started {
		recent = now.Add(-c.rack.rtt - c.rack.reoWnd(c))
	}
	for i := c.sb.head; i != c.sb.tail; i++ {
		if t := c.sb.at(i); t.flags&(txSacked|txLost) == 0 && (i == c.sb.head || t.xmitTime <= recent) {
			c.lost(i, now)
		}
	}
	c.sb.relistLost()
	c.startFRTO()
	c.rec.phase = recRTO
	c.rec.point = c.sndNxt
	c.rec.dupAcks, c.rec.renoSacked = 0, 0
	c.rec.undo.hadRTO = true
	c.rec.force = true
	c.rec.cwrDue = c.opts.ecn // RFC 3168 §6.1.2: a reduction "for any reason"
	c.rack.probeOut, c.rack.probeDue = false, false
	c.timers.stop(timerLossProbe)
	c.timers.stop(timerReorder)
	c.cc.onCongestionEvent(&c.win, now, congestionRTO, flight)
	c.pacer.reset()
}

// reprobeWindow repeats a probe of a closed window with exponential back-off
// (RFC 9293 §3.8.6.1, SHLD-30), also of one that was withdrawn (§3.8.6, MUST-35). It is no sign of congestion.
func (c *Conn) reprobeWindow(now Instant) {
	c.counters.WindowProbes++
	c.abandonProbe() // it is resent in pieces, which say nothing of its size
	t := c.sb.at(c.sb.head)
	if t.flags&txSacked != 0 {
		c.sb.forgetSACK() // as in enterRTO
	}
	if t.flags&(txLost|txSacked) == 0 {
		c.sb.markLost(c.sb.head)
	}
	t.flags |= txProbe // if a window was withdrawn: reopenProbes resends at once when it is back
	c.sb.relistLost()
	c.rec.force = true
	c.timers.stop(timerLossProbe)
	c.rtt.backoff()
	c.setRexmit(now)
}

// onPersistTimer sends a window probe at the next poll.
func (c *Conn) onPersistTimer(now Instant) {
	if at := c.giveUpAt(); c.user.closed && at != 0 && now >= at {
		c.giveUp(now)
		return
	}
	c.rec.windowProbeDue = true
	c.pending = true
}

// giveUp ends a connection whose peer does not answer. If an ICMP error came since
// the peer was last heard of, it explains more than a timeout (RFC 9293 §3.9.2.2).
func (c *Conn) giveUp(now Instant) {
	err := ErrTimeout
	if c.softErrIsNew() && c.softErr != ErrUnresponsive {
		err = c.softErr
	}
	c.abortWith(now, err)
}

// softErrIsNew reports whether the soft error came after the peer was last heard of.
func (c *Conn) softErrIsNew() bool {
	return c.softErr != nil && c.softErrAt >= c.user.progressAt
}

// noteSoftError tells the user of a difficulty that does not end the connection
// (RFC 9293 §3.9.1.8, MUST-47).
func (c *Conn) noteSoftError(now Instant, err error) {
	c.softErr, c.softErrAt = err, now
	c.events |= EventSoftError
}
