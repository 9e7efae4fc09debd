package tcp

// Keep-alive (RFC 9293 §3.8.4): off unless configured (MUST-25), probes only on an
// idle connection (MUST-26), which one lost probe does not end (MUST-29).

const (
	defaultKeepAliveIdle     = 2 * 3600 * Second // MUST-28: "no less than two hours"
	defaultKeepAliveInterval = 75 * Second
	defaultKeepAliveCount    = 9
)

type keepAliveState struct {
	cfg      KeepAliveConfig
	lastSeen Instant // when the peer was last heard
	probes   int     // unanswered
	probeDue bool
}

func (k *keepAliveState) idle() Duration { return orDefault(k.cfg.Idle, defaultKeepAliveIdle) }
func (k *keepAliveState) interval() Duration {
	return orDefault(k.cfg.Interval, defaultKeepAliveInterval)
}
func (k *keepAliveState) count() int { return orDefault(k.cfg.Count, defaultKeepAliveCount) }

// heard notes an acceptable segment. The timer is corrected lazily.
func (k *keepAliveState) heard(now Instant) {
	k.lastSeen = now
	k.probes = 0
}

// SetKeepAlive changes the keep-alive setting at now (MUST-24, MUST-27).
func (c *Conn) SetKeepAlive(now Instant, cfg KeepAliveConfig) {
	c.alive.cfg = cfg
	c.alive.lastSeen = now
	c.alive.probes = 0
	c.restartKeepAlive(now)
}

// restartKeepAlive sets the timer for a connection that has just been heard from.
func (c *Conn) restartKeepAlive(now Instant) {
	c.timers.stop(timerKeepAlive)
	if c.alive.cfg.Enabled && c.state.Synchronized() && c.state != StateTimeWait {
		c.alive.lastSeen = now
		c.timers.set(timerKeepAlive, now.Add(c.alive.idle()))
	}
}

// onKeepAliveTimer sends a probe if the connection has been idle for long enough.
func (c *Conn) onKeepAliveTimer(now Instant) {
	k := &c.alive
	if !k.cfg.Enabled || c.state == StateTimeWait {
		return
	}
	if !c.sb.empty() || c.timers.isSet(timerPersist) {
		// Something is outstanding: the retransmission timer watches (MUST-26).
		c.timers.set(timerKeepAlive, now.Add(k.interval()))
		return
	}
	if due := k.lastSeen.Add(k.idle()); k.probes == 0 && now < due {
		c.timers.set(timerKeepAlive, due)
		return
	}
	if k.probes >= k.count() {
		c.giveUp(now)
		return
	}
	k.probes++
	k.probeDue = true
	c.pending = true
	c.timers.set(timerKeepAlive, now.Add(k.interval()))
}
