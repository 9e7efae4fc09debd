package tcp

// timerKind names a deadline of a connection.
type timerKind uint8

const (
	timerRexmit     timerKind = iota // RTO (RFC 6298 §5)
	timerLossProbe                   // TLP (RFC 8985 §7)
	timerReorder                     // RACK reordering (RFC 8985 §6.2)
	timerPersist                     // zero-window probe and SWS override (RFC 9293 §3.8.6.1)
	timerDelayedACK                  // RFC 9293 §3.8.6.3
	timerKeepAlive                   // RFC 9293 §3.8.4
	timerState                       // 2·MSL in TIME-WAIT, bound of FIN-WAIT-2
	timerUser                        // user timeout, R2, bound of orphans (RFC 9293 §3.8.3)
	timerPacing                      // the next segment may leave
	timerIdle                        // rings may be freed
	timerMemory                      // a writer found no memory: it may try again
	numTimers
)

// timerTable holds the deadlines; 0 means not set.
type timerTable struct{ at [numTimers]Instant }

func (t *timerTable) set(k timerKind, at Instant) { t.at[k] = at }
func (t *timerTable) stop(k timerKind)            { t.at[k] = 0 }
func (t *timerTable) stopAll()                    { t.at = [numTimers]Instant{} }
func (t *timerTable) isSet(k timerKind) bool      { return t.at[k] != 0 }

// expired reports whether deadline k has passed, and if so clears it.
func (t *timerTable) expired(k timerKind, now Instant) bool {
	if t.at[k] == 0 || now < t.at[k] {
		return false
	}
	t.at[k] = 0
	return true
}

// next returns the earliest deadline, 0 if there is none.
func (t *timerTable) next() Instant {
	var m Instant
	for _, at := range t.at {
		if at != 0 && (m == 0 || at < m) {
			m = at
		}
	}
	return m
}
