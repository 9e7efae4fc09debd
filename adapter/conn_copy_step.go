package adapter

import (
	"errors"
	"net"

	"vpngw/ourstack/tcp"
)

// What follows copies without a goroutine that waits: a program that keeps many connections open on
// which nothing happens calls Watch once, and a step when it is told to.

// A VectorWriter is what WriteStep writes to: a socket that takes what it has room for.
type VectorWriter interface {
	// WriteVector writes one slice after the other without waiting, and returns how many bytes it
	// took: fewer than all, with a nil error, if it has no room for more.
	WriteVector(p [][]byte) (n int, err error)
}

var (
	// ErrNotReady is returned by a step for which there is nothing to move just now.
	ErrNotReady = errors.New("nothing to move just now")
	// ErrNoRoom is returned by a step for which the send buffer is full: that of the connection (ReadStep)
	// or that of the writer (WriteStep).
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

// Connected reports whether the handshake is over, also if it has failed. Of its end Watch's function is
// told as of room to write.
func (c *TCPConn) Connected() bool {
	s := c.conn.State()
	return s != tcp.StateSynReceived && s != tcp.StateSynSent
}

// WriteStep is one turn of WriteTo: it hands to w what has arrived, up to 128 KiB. It does not wait, but
// for a Read by somebody else. It returns nil if there may be more, ErrNotReady, ErrNoRoom if w did not
// take all, io.EOF at the end of the stream, or an error of w or of the connection.
func (c *TCPConn) WriteStep(w VectorWriter) error {
	if err := c.rd.acquire(); err != nil {
		return c.opError("read", err)
	}
	defer c.rd.release()
	out := outgoings.Get().(*outgoing)
	defer out.release()
	view, err := c.peek(out)
	if err != nil {
		return err
	}
	n, err := w.WriteVector(view)
	c.conn.Discard(c.net.now(), n)
	if err == nil && n < length(view) {
		return ErrNoRoom
	}
	return err
}

// length is how many bytes p holds.
func length(p [][]byte) (n int) {
	for _, b := range p {
		n += len(b)
	}
	return n
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
