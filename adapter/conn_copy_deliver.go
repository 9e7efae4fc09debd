package adapter

import (
	"os"
	"sync/atomic"
	"time"
)

// AwaitDelivery blocks until the other end has acknowledged all that was written, or the connection is
// over (nil both times), until Close (net.ErrClosed), or for limit (os.ErrDeadlineExceeded). It takes
// a writer's turn.
func (c *TCPConn) AwaitDelivery(limit time.Duration) error {
	if err := c.wr.acquire(); err != nil {
		return c.opError("write", err)
	}
	defer c.wr.release()
	if c.conn.AwaitDelivery() {
		return nil // as usual, and without a timer
	}
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() {
		late.Store(true)
		c.wr.wake()
	})
	defer timer.Stop()
	for {
		armed := c.wr.arm()
		switch {
		case c.conn.AwaitDelivery():
			return nil
		case late.Load():
			return c.opError("write", os.ErrDeadlineExceeded)
		}
		if err := c.wr.wait(armed); err != nil {
			return c.opError("write", err)
		}
	}
}
