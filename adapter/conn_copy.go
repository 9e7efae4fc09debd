package adapter

import (
	"errors"
	"io"
	"net"
	"sync"

	"vpngw/ourstack"
)

var (
	_ io.ReaderFrom = (*TCPConn)(nil)
	_ io.WriterTo   = (*TCPConn)(nil)
)

// peekCount is how many slices WriteTo takes from the stack at once, each at most
// one tcp.Block of 8 KiB. 128 KiB keeps a socket busy and still returns room to
// the peer's window in good time.
const peekCount = 16

// copyBufferSize is the size in bytes of the buffers through which ReadFrom reads
// from what is not a socket: that of io.Copy.
const copyBufferSize = 32 << 10

// copyBuffers holds those buffers, as *[]byte, while nobody uses them.
var copyBuffers = sync.Pool{New: func() any {
	b := make([]byte, copyBufferSize)
	return &b
}}

// outgoing is what WriteTo needs to move a batch; it is pooled, so that a connection
// without data does not hold it.
type outgoing struct {
	view [peekCount][]byte
	bufs net.Buffers
}

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

func (o *outgoing) release() {
	clear(o.view[:])
	outgoings.Put(o)
}

// WriteTo writes everything that arrives to w until the end of the stream, and
// returns how many bytes w took. It is what io.Copy uses. Data goes from the stack's
// buffers to w without a copy in between, with one writev when w is a
// *net.TCPConn or a *net.UnixConn. While w blocks, the peer's window closes; a
// Read by somebody else waits. Errors of w are returned as they are.
func (c *TCPConn) WriteTo(w io.Writer) (int64, error) {
	for total := int64(0); ; {
		n, end, err := c.writeSome(w)
		total += n
		if end || err != nil {
			return total, err
		}
	}
}

// writeSome waits for data and hands one batch to w. end is the end of the stream.
func (c *TCPConn) writeSome(w io.Writer) (n int64, end bool, err error) {
	if err := c.rd.acquire(); err != nil {
		return 0, false, c.opError("read", err)
	}
	defer c.rd.release()
	for {
		armed := c.rd.arm()
		n, err := c.tryWriteSome(w)
		switch {
		case err == io.EOF: //nolint:errorlint // the stack returns it bare
			return n, true, nil
		case err != ErrNotReady: //nolint:errorlint // as it is
			return n, false, err
		}
		if err := c.rd.wait(armed); err != nil {
			return 0, false, c.opError("read", err)
		}
	}
}

// tryWriteSome hands one batch to w, or returns ErrNotReady or io.EOF. It holds rd.
func (c *TCPConn) tryWriteSome(w io.Writer) (n int64, err error) {
	out := outgoings.Get().(*outgoing)
	defer out.release()
	view, err := c.peek(out)
	if err != nil {
		return 0, err
	}
	return c.handOver(w, out, view)
}

// peek returns what can be read, or ErrNotReady or io.EOF.
func (c *TCPConn) peek(out *outgoing) ([][]byte, error) {
	view, err := c.conn.Peek(out.view[:0])
	switch {
	case err == nil:
		return view, nil
	case errors.Is(err, ourstack.ErrWouldBlock):
		return nil, ErrNotReady
	}
	return nil, c.opError("read", err)
}

// handOver writes a view of the receive buffer to w and gives it back to the stack.
func (c *TCPConn) handOver(w io.Writer, out *outgoing, view [][]byte) (n int64, err error) {
	switch w.(type) {
	case *net.TCPConn, *net.UnixConn:
		out.bufs = net.Buffers(view) // writev
		n, err = out.bufs.WriteTo(w)
	default:
		n, err = writeEach(w, view)
	}
	c.conn.Discard(c.net.now(), int(n))
	return n, err
}

// writeEach writes one slice after the other. A writer that breaks the rules of
// io.Writer must not break the connection.
func writeEach(w io.Writer, view [][]byte) (total int64, err error) {
	for _, b := range view {
		n, err := w.Write(b)
		if n < 0 || n > len(b) {
			return total, errInvalidWrite
		}
		total += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// ReadFrom writes what r yields until its end, and returns how many bytes that
// were. It is what io.Copy uses. When r is a *net.TCPConn or a *net.UnixConn (also
// behind an io.LimitedReader), on Unix systems, the bytes are read straight into the
// stack's buffers, and while r has nothing to read no buffer is held. From any
// other reader they go through a pooled buffer. A Write by somebody else may come
// between two pieces. Errors of r are returned as they are.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	limited, limit := r, (*int64)(nil)
	if l, ok := r.(*io.LimitedReader); ok {
		limited, limit = l.R, &l.N
	}
	if n, err, ok := c.readFromSocket(limited, limit); ok {
		return n, err
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	var total int64
	for {
		n, rerr := r.Read(*buf)
		if n > 0 {
			w, err := c.Write((*buf)[:n])
			total += int64(w)
			if err != nil {
				return total, err
			}
		}
		if rerr == io.EOF { //nolint:errorlint // io.Reader returns it bare
			return total, nil
		}
		if rerr != nil {
			return total, rerr
		}
	}
}

// waitRoom blocks until there is room to write. It may be gone again when the
// caller uses it.
func (c *TCPConn) waitRoom() error {
	if err := c.wr.acquire(); err != nil {
		return c.opError("write", err)
	}
	defer c.wr.release()
	for {
		armed := c.wr.arm()
		_, err := c.conn.WriteSpace(make([][]byte, 0, 1))
		if err == nil {
			return c.opError("write", c.conn.CommitWrite(c.net.now(), 0))
		}
		if !errors.Is(err, ourstack.ErrWouldBlock) {
			return c.opError("write", err)
		}
		if err := c.wr.wait(armed); err != nil {
			return c.opError("write", err)
		}
	}
}
