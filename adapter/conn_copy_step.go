package adapter

import (
	"errors"
	"io"
	"net"

	"vpngw/ourstack/tcp"
)

// What follows copies without a goroutine that waits: a program that keeps many connections open on
// which nothing happens calls Watch once, and a step when it is told to.

var (
	// ErrNotReady is returned by a step for which there is nothing to move just now.
	ErrNotReady = errors.New("nothing to move just now")
	// ErrNoRoom is returned by a step for which the send buffer is full.
	ErrNoRoom = errors.New("no room in the send buffer just now")
)

// watcher is whom Watch has told to call.
type watcher struct{ changed func(readable, writable bool) }

func (w *watcher) tell(e tcp.Event) {
	readable := e&(tcp.EventReadable|tcp.EventClosed) != 0
	writable := e&(tcp.EventWritable|tcp.EventConnected|tcp.EventSoftError|tcp.EventClosed) != 0
	if readable || writable {
		w.changed(readable, writable)
	}
}

// Watch makes changed be called whenever something may have changed since a step returned
// ErrNotReady (readable) or ErrNoRoom (writable); the end of the connection, other than by Close on
// this side, is both. changed is called by whatever goroutine made the change, perhaps by several at
// once; it must not block. Calls are hints. Steps that were not ready before Watch are to be tried
// once after it. nil ends the calls, but for those under way; a connection that is closed but not yet
// forgotten (TIME-WAIT) then keeps nothing of its watcher alive.
func (c *TCPConn) Watch(changed func(readable, writable bool)) {
	if changed == nil {
		c.watcher.Store(nil)
		return
	}
	c.watcher.Store(&watcher{changed})
}

// WriteStep is one turn of WriteTo: it hands to w what has arrived, up to 128 KiB, and returns how
// much w took. It does not wait for data, but for w. At the end of the stream it returns io.EOF.
func (c *TCPConn) WriteStep(w io.Writer) (int64, error) {
	if err := c.rd.acquire(); err != nil {
		return 0, c.opError("read", err)
	}
	defer c.rd.release()
	return c.tryWriteSome(w)
}

// Failure returns what AwaitReset would, without waiting: why the connection is over, or nil if it is
// not, or ended in order.
func (c *TCPConn) Failure() error {
	err := c.conn.Err()
	if err == nil || errors.Is(systemError("", err), net.ErrClosed) {
		return nil
	}
	return c.opError("read", err)
}
