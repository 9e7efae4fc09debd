package ourstack

import "vpngw/ourstack/tcp"

// A connection on which nothing moves has no tcp.Conn: what is worth keeping of it lies in a tcp.Idle.
// Whoever locks a connection finds a tcp.Conn again; the timer that a tcp.Conn sets to be put
// away ends with it being frozen anew.

// lock locks c.mu and makes sure that c.tcb is there.
func (c *Conn) lock() {
	c.mu.Lock()
	if c.tcb == nil {
		c.thaw()
		c.idle = nil
	}
}

// thaw makes c.tcb of c.idle. c.mu is held.
func (c *Conn) thaw() {
	c.tcb = c.stack.newTCB()
	c.tcb.Thaw(&c.remote.cfg, c.tuple, c.idle)
}

// rest freezes c if nothing has moved on it for a while. c.mu is held.
func (c *Conn) rest() {
	if !c.queued && !c.detached && c.tcb.AtRest() {
		c.freeze(&tcp.Idle{})
	}
}

func (c *Conn) freeze(f *tcp.Idle) {
	if c.tcb.Freeze(f) {
		c.idle = f
		c.stack.tcbs.Put(c.tcb)
		c.tcb = nil
	}
}

// view locks c for a look at c.tcb that changes nothing. The function that it returns unlocks it; what
// was frozen is so again.
func (c *Conn) view() (done func(*Conn)) {
	c.mu.Lock()
	if c.tcb != nil {
		return (*Conn).unlock
	}
	c.thaw()
	return (*Conn).unlockIdle
}

func (c *Conn) unlock() { c.mu.Unlock() }

func (c *Conn) unlockIdle() {
	c.freeze(c.idle)
	c.mu.Unlock()
}

// newTCB returns a tcp.Conn to be initialized.
func (s *Stack) newTCB() *tcp.Conn {
	if t, ok := s.tcbs.Get().(*tcp.Conn); ok {
		return t
	}
	return new(tcp.Conn)
}
