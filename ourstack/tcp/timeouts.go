package tcp

// HandleTimeout does what is due at now: TIMEOUTS of RFC 9293 §3.10.8. It is to be
// called at or after Deadline; calling it earlier does nothing.
func (c *Conn) HandleTimeout(now Instant) {
	if c.state == StateClosed {
		return
	}
	if c.timers.expired(timerState, now) {
		// 2·MSL in TIME-WAIT: "delete the TCB, enter the CLOSED state"; or FIN-WAIT-2
		// without a user to wait for.
		c.enterClosed()
		return
	}
	if c.timers.expired(timerUser, now) {
		c.giveUp(now)
		return
	}
	if c.timers.expired(timerDelayedACK, now) {
		c.ackNow()
	}
	if c.timers.expired(timerPacing, now) {
		c.pending = true
	}
	if c.timers.expired(timerReorder, now) {
		c.onReorderTimer(now)
	}
	if c.timers.expired(timerLossProbe, now) {
		c.onLossProbeTimer()
		if !c.timers.isSet(timerRexmit) {
			c.setRexmit(now)
		}
	}
	if c.timers.expired(timerRexmit, now) {
		c.onRexmitTimer(now)
		if c.state == StateClosed {
			return
		}
	}
	if c.timers.expired(timerPersist, now) {
		c.onPersistTimer(now)
		if c.state == StateClosed {
			return
		}
	}
	if c.timers.expired(timerKeepAlive, now) {
		c.onKeepAliveTimer(now)
	}
	if c.timers.expired(timerMemory, now) {
		c.retryMemory()
	}
	if c.timers.expired(timerIdle, now) {
		if at := c.alive.lastSeen.Add(idleShrink); now < at {
			c.timers.set(timerIdle, at)
		} else {
			c.shrink()
			if c.pending {
				// A keep-alive, say, that came due with it and keeps the connection from rest now.
				c.timers.set(timerIdle, now.Add(idleShrink))
			}
		}
	}
}

// shrink frees what an idle connection does not need.
func (c *Conn) shrink() {
	c.sb.shrink()
	c.sndBuf.q.shrink()
	c.rcvBuf.q.shrink()
	if len(c.rcvBuf.ranges) == 0 {
		c.rcvBuf.ranges = nil
	}
}
