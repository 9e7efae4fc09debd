package adapter

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// TCPConn is a TCP connection over the tunnel: a net.Conn that behaves like a
// *net.TCPConn. It is safe for concurrent use. Calls of Read are served one after
// the other, and so are calls of Write, whose data is never mixed; Close ends all
// of them with net.ErrClosed.
//
// Errors are *net.OpError around a *os.SyscallError with the Errno that a kernel
// would return: ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH,
// EPIPE; or around net.ErrClosed or os.ErrDeadlineExceeded. End of stream is a
// bare io.EOF.
type TCPConn struct {
	net  *Net
	conn *ourstack.Conn
	rd   gate // of Read and WriteTo
	wr   gate // of Write, ReadFrom and dialing

	linger      atomic.Int64                   // see SetLinger; its seconds plus 1, so that 0 is the default
	lingerTimer atomic.Pointer[time.Timer]     // aborts a closed connection
	keepAlive   atomic.Pointer[keepAliveState] // nil until it is changed
	watcher     atomic.Pointer[watcher]        // nil until Watch
}

var _ net.Conn = (*TCPConn)(nil)

// newTCPConn makes a TCPConn of sc and asks it for notifications.
func newTCPConn(n *Net, sc *ourstack.Conn) *TCPConn {
	c := &TCPConn{net: n, conn: sc}
	sc.SetNotifier((*connNotifier)(c))
	return c
}

// connNotifier is a TCPConn as the stack sees it.
type connNotifier TCPConn

// Notify wakes those for whom something may have changed.
func (c *connNotifier) Notify(e tcp.Event) {
	if e&(tcp.EventReadable|tcp.EventClosed) != 0 {
		c.rd.wake()
	}
	if e&(tcp.EventWritable|tcp.EventConnected|tcp.EventSoftError|tcp.EventClosed) != 0 {
		c.wr.wake()
	}
	if w := c.watcher.Load(); w != nil {
		w.tell(e)
	}
	if e&(tcp.EventClosed|tcp.EventReleased) != 0 {
		if t := c.lingerTimer.Load(); t != nil {
			t.Stop()
		}
	}
}

// Read reads into p what has arrived and blocks while nothing has. At the end of
// the stream it returns 0 and io.EOF; after a reset, once everything that arrived
// before it has been read, ECONNRESET.
func (c *TCPConn) Read(p []byte) (int, error) {
	if err := c.rd.acquire(); err != nil {
		return 0, c.opError("read", err)
	}
	defer c.rd.release()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		armed := c.rd.arm()
		n, err := c.conn.Read(c.net.now(), p)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, ourstack.ErrWouldBlock) {
			return n, c.opError("read", err)
		}
		if err := c.rd.wait(armed); err != nil {
			return 0, c.opError("read", err)
		}
	}
}

// Write queues all of p for sending and blocks while there is no room. It returns
// less than len(p) only with an error. p may be reused at once. That data was
// written does not mean that it has arrived.
func (c *TCPConn) Write(p []byte) (int, error) {
	if err := c.wr.acquire(); err != nil {
		return 0, c.opError("write", err)
	}
	defer c.wr.release()
	for done := 0; ; {
		armed := c.wr.arm()
		n, err := c.conn.Write(c.net.now(), p[done:])
		done += n
		if err == nil && done == len(p) {
			return done, nil
		}
		if err != nil && !errors.Is(err, ourstack.ErrWouldBlock) {
			return done, c.opError("write", err)
		}
		if err := c.wr.wait(armed); err != nil {
			return done, c.opError("write", err)
		}
	}
}

// Close ends the connection for this side. Waiting calls return net.ErrClosed, and
// so does everything after it. What was written is still delivered, in the
// background, and then a FIN is sent; data that has arrived and was not read makes
// that a RST, because the peer should know that it is lost (RFC 9293 §3.6.1).
// SetLinger changes this. Close does not block.
func (c *TCPConn) Close() error {
	if !c.rd.close() {
		return c.opError("close", net.ErrClosed)
	}
	c.wr.close()
	switch linger := c.linger.Load(); linger {
	case 0:
		c.conn.Close(c.net.now())
	case 1: // zero seconds
		c.conn.Abort(c.net.now())
	default:
		c.conn.Close(c.net.now())
		c.abortAfter(time.Duration(linger-1) * time.Second)
	}
	return nil
}

// abortAfter gives the closed connection d to deliver what is left.
func (c *TCPConn) abortAfter(d time.Duration) {
	c.lingerTimer.Store(time.AfterFunc(d, func() { c.conn.Abort(c.net.now()) }))
	if c.conn.State() == tcp.StateClosed || c.net.isClosed() { // before there was a timer to stop
		c.lingerTimer.Load().Stop()
	}
}

// CloseRead says that nothing will be read any more: Read returns io.EOF, and what
// arrives is dropped. The peer is not told.
func (c *TCPConn) CloseRead() error {
	if err := c.usable(&c.rd, "close"); err != nil {
		return err
	}
	c.conn.CloseRead(c.net.now())
	c.rd.wake()
	return nil
}

// CloseWrite sends a FIN after what was written (half-close). Read goes on; Write
// returns EPIPE. It does not block.
func (c *TCPConn) CloseWrite() error {
	if err := c.usable(&c.wr, "close"); err != nil {
		return err
	}
	err := c.conn.CloseWrite(c.net.now())
	c.wr.wake()
	return c.opError("close", err)
}

// AwaitReset blocks until the connection is over: it returns why, if the other end reset it or could
// not be reached any more, and nil if it ended in order or by Close on this side. It is meant for
// those who have read to the end of the stream: nothing else tells them of a reset then. It
// takes a reader's turn, and the read deadline ends it.
func (c *TCPConn) AwaitReset() error {
	err := c.rd.acquire()
	if err == nil {
		err = c.awaitEnd()
		c.rd.release()
	}
	if err == nil || errors.Is(systemError("", err), net.ErrClosed) {
		return nil
	}
	return c.opError("read", err)
}

// awaitEnd blocks the holder of rd until the connection is over.
func (c *TCPConn) awaitEnd() error {
	for {
		armed := c.rd.arm()
		if err := c.conn.Err(); err != nil || c.conn.State() == tcp.StateClosed {
			return err
		}
		if err := c.rd.wait(armed); err != nil {
			return err
		}
	}
}

// LocalAddr returns this end's address, a *net.TCPAddr. For a forwarded connection
// that is the destination which the client wanted.
func (c *TCPConn) LocalAddr() net.Addr { return tcpAddr(c.conn.LocalAddr()) }

// RemoteAddr returns the other end's address, a *net.TCPAddr.
func (c *TCPConn) RemoteAddr() net.Addr { return tcpAddr(c.conn.RemoteAddr()) }

// SetDeadline sets both deadlines.
func (c *TCPConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from t on, also one
// that waits now; the zero time means never. Moving it forward before each Read is cheap.
func (c *TCPConn) SetReadDeadline(t time.Time) error {
	return c.setError(c.rd.setDeadline(t))
}

// SetWriteDeadline is SetReadDeadline for Write. A Write that fails so may have
// queued part of its data.
func (c *TCPConn) SetWriteDeadline(t time.Time) error {
	return c.setError(c.wr.setDeadline(t))
}

// usable returns an error for op after Close. Deadlines do not matter.
func (c *TCPConn) usable(g *gate, op string) error {
	if err := g.err(); errors.Is(err, net.ErrClosed) {
		return c.opError(op, err)
	}
	return nil
}

// setError wraps the error of a Set method.
func (c *TCPConn) setError(err error) error {
	return opError("set", "tcp", nil, c.LocalAddr(), err)
}

// opError wraps err. Whatever a call ran into while Close was called, it reports
// net.ErrClosed.
func (c *TCPConn) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(c.rd.err(), net.ErrClosed) {
		err = net.ErrClosed
	}
	if err == io.EOF {
		return err // as it is, and without making the addresses
	}
	return opError(op, "tcp", c.LocalAddr(), c.RemoteAddr(), err)
}
