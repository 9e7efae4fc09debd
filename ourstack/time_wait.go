package ourstack

import "sync"

// timeWait knows the connections in TIME-WAIT, so that their number is bounded.
type timeWait struct {
	mu   sync.Mutex
	list connList
}

func (w *timeWait) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list.n
}

// add enters c, which has just reached TIME-WAIT. If there are too many, the oldest is forgotten:
// what protects against old duplicates then is the timestamp check and the random initial
// sequence number (RFC 6191 §1).
func (w *timeWait) add(c *Conn) {
	w.mu.Lock()
	w.list.add(&c.waitLink)
	var oldest *Conn
	if w.list.n > c.stack.limits.TimeWait {
		oldest = w.list.oldest()
		w.list.remove(&oldest.waitLink)
	}
	w.mu.Unlock()
	if oldest != nil && oldest.detach() {
		c.stack.counters.timeWaitRecycled.Add(1)
	}
}

// remove is called when c is forgotten.
func (w *timeWait) remove(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list.remove(&c.waitLink)
}

// detach makes the stack forget c without another packet; its user may still read what has arrived.
// It reports false if c was forgotten already.
func (c *Conn) detach() bool {
	c.mu.Lock()
	if c.detached {
		c.mu.Unlock()
		return false
	}
	c.detached = true
	c.mu.Unlock()
	c.stack.forget(c)
	return true
}
