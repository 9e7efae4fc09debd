package adapter

import (
	"net"
	"time"
)

// A deadline is the time limit of one gate. Its fields are guarded by the gate's
// mutex. It is allocated when a limit is set for the first time, and its timer is
// touched only when it would fire too late: a caller that moves the deadline
// forward before each Read (the usual idle time-out) costs no timer operation. A
// timer that fires early looks at the deadline and re-arms itself for the rest.
type deadline struct {
	at    time.Time   // the limit, with a monotonic reading; zero: none
	fires time.Time   // when timer fires; zero: it is not running
	timer *time.Timer // nil until first needed
}

// stop ends the timer for good. It may be called on nil.
func (d *deadline) stop() {
	if d != nil && d.timer != nil {
		d.timer.Stop()
	}
}

// setDeadline makes calls fail with os.ErrDeadlineExceeded from t on; the zero
// time takes the limit away. A time in the past ends waiting calls at once. It
// returns net.ErrClosed after close.
func (g *gate) setDeadline(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return net.ErrClosed
	}
	if t.IsZero() {
		g.expired = false
		if g.limit != nil {
			g.limit.at = time.Time{}
		}
		return nil
	}
	if g.limit == nil {
		g.limit = new(deadline)
	}
	now := time.Now()
	left := t.Sub(now)
	g.limit.at = now.Add(left) // monotonic also when t is a wall-clock time
	g.expired = left <= 0
	if g.expired {
		g.broadcastLocked()
		return nil
	}
	g.armDeadlineLocked(left)
	return nil
}

// armDeadlineLocked makes the timer fire in left, unless it fires earlier anyway.
func (g *gate) armDeadlineLocked(left time.Duration) {
	d := g.limit
	if !d.fires.IsZero() && !d.fires.After(d.at) {
		return
	}
	d.fires = d.at
	if d.timer == nil {
		d.timer = time.AfterFunc(left, g.onTimer)
	} else {
		d.timer.Reset(left)
	}
}

// onTimer runs in the timer's goroutine. It may be late, early or superseded:
// only the deadline in force decides.
func (g *gate) onTimer() {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.limit
	d.fires = time.Time{}
	if g.closed || d.at.IsZero() {
		return
	}
	if left := time.Until(d.at); left > 0 {
		g.armDeadlineLocked(left)
		return
	}
	g.expired = true
	g.broadcastLocked()
}
