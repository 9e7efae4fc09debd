package ourstack

import "fmt"

// Rests reports whether nothing has moved on c for so long that little is kept of it. It is for tests and
// simulations: nothing else depends on it, and the next packet or call changes it.
func (c *Conn) Rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tcb == nil
}

// Check looks for violated invariants in all connections and in how they are scheduled. It is for
// tests and simulations, on a stack that no other goroutine uses meanwhile.
func (s *Stack) Check() error {
	for _, c := range s.table.all() {
		done := c.view()
		err := c.tcb.Check()
		switch {
		case err != nil:
		case c.detached:
			err = fmt.Errorf("detached, but in the tables")
		case c.held && !c.queued:
			err = fmt.Errorf("held, but not scheduled")
		case c.tcb.Pending() && !c.queued:
			err = fmt.Errorf("something is pending, but the flow is not scheduled")
		case c.idle == nil && c.tcb.Deadline() != 0 && (c.armed == 0 || c.armed > c.tcb.Deadline()):
			err = fmt.Errorf("the deadline is %d, the timer is armed for %d", c.tcb.Deadline(), c.armed)
		}
		done(c)
		if err != nil {
			return fmt.Errorf("%v %v: %w", c.tuple, c.State(), err)
		}
	}
	return nil
}
