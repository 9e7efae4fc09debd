package sim

import (
	"fmt"

	"vpngw/ourstack/tcp"
)

// A connection on which nothing moves shall be frozen, whatever it went through: what keeps it from that
// costs memory for as long as it lives, and nothing else tells of it. So some flows linger: they close
// only after they were watched for a while.
const (
	// restWatch is how long each end may take to be seen at rest: far more than a last delayed ACK, probe
	// or answer to a keep-alive and the two seconds of silence after it.
	restWatch = 60 * tcp.Second
	// restWatches, one after the other, see keep-alives come and go: each must see every end at rest.
	restWatches = 5
)

// restWatcher follows the lingering flows of a run.
type restWatcher struct {
	watches int         // how many are over
	since   tcp.Instant // begin of the present one; 0 if there is none
}

// next is when the present watch ends; 0 if there is none.
func (x *restWatcher) next() tcp.Instant {
	if x.since == 0 {
		return 0
	}
	return x.since.Add(restWatch)
}

// watchRest notes which ends rest. After the last watch the flows may close.
func (r *runner) watchRest() error {
	x := &r.rest
	if x.watches == restWatches || !r.calm || !r.settled() {
		return nil
	}
	if x.since == 0 {
		x.since = r.w.Now
	}
	over := r.w.Now >= x.next()
	for _, f := range r.flows {
		for side, e := range f.end {
			if !f.lingers() || !r.freezes(side) {
				continue
			}
			rests := e.conn.Rests()
			e.rested = e.rested || rests
			if over && !e.rested {
				return fmt.Errorf("flow %d side %d: not at rest after %d s of silence: %+v", f.id, side,
					(x.watches+1)*int(restWatch/tcp.Second), e.conn.Info(f.host(r.w, side).Clock()))
			}
			if over {
				e.rested = rests // at the begin of the next
			}
		}
	}
	if over {
		x.watches++
		x.since = r.w.Now
	}
	if x.watches == restWatches {
		x.since = 0
		for _, f := range r.flows {
			f.Linger = false
		}
	}
	return nil
}

// freezes reports whether connections of a side ever rest: a control with a model of the path keeps it.
func (r *runner) freezes(side int) bool { return r.Stack[side].TCP.CongestionControl != "bbr" }

// settled reports whether each flow is over or only lingers.
func (r *runner) settled() bool {
	for _, f := range r.flows {
		if !f.finished() && !f.lingers() {
			return false
		}
	}
	return true
}

// lingers reports whether all text has arrived and the flow is not to be closed yet.
func (f *Flow) lingers() bool {
	if !f.Linger || f.Aborted {
		return false
	}
	for side, e := range f.end {
		if e == nil || e.done || e.written < f.Bytes[side] || e.read < f.Bytes[1-side] || e.conn.Unsent() > 0 {
			return false
		}
	}
	return true
}
