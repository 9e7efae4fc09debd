package gateway

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeConn is one end of an in-memory TCP connection: half-close, reset, and a bounded buffer each
// way. It works in synctest bubbles.
type fakeConn struct {
	*fakeLink
	side   int
	linger int
}

// fakeLink is what the two ends share. buf[i] holds what side i has sent and the other has not
// read.
type fakeLink struct {
	mu     sync.Mutex
	cond   *sync.Cond
	room   int
	buf    [2][]byte
	fin    [2]bool
	closed [2]bool
	reset  bool // by either side
}

// fakePipe returns the two ends of a connection that buffers room bytes each way.
func fakePipe(room int) (ours, theirs *fakeConn) {
	l := &fakeLink{room: room}
	l.cond = sync.NewCond(&l.mu)
	return &fakeConn{fakeLink: l, side: 0, linger: -1}, &fakeConn{fakeLink: l, side: 1, linger: -1}
}

func (c *fakeConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		in := &c.buf[1-c.side]
		switch {
		case c.closed[c.side]:
			return 0, net.ErrClosed
		case len(*in) > 0:
			n := copy(p, *in)
			*in = (*in)[n:]
			c.cond.Broadcast()
			return n, nil
		case c.reset:
			return 0, syscall.ECONNRESET
		case c.fin[1-c.side]:
			return 0, io.EOF
		}
		c.cond.Wait()
	}
}

func (c *fakeConn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(p) > 0 {
		switch {
		case c.closed[c.side]:
			return n, net.ErrClosed
		case c.reset:
			return n, syscall.ECONNRESET
		case c.closed[1-c.side]:
			c.reset = true
			c.cond.Broadcast()
			return n, syscall.ECONNRESET
		case c.fin[c.side]:
			return n, syscall.EPIPE
		case len(c.buf[c.side]) < c.room:
			k := min(len(p), c.room-len(c.buf[c.side]))
			c.buf[c.side] = append(c.buf[c.side], p[:k]...)
			p, n = p[k:], n+k
			c.cond.Broadcast()
		default:
			c.cond.Wait()
		}
	}
	return n, nil
}

func (c *fakeConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed[c.side] = true
	c.fin[c.side] = true
	if c.linger == 0 {
		c.reset = true
	}
	c.cond.Broadcast()
	return nil
}

func (c *fakeConn) CloseWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reset || c.closed[c.side] {
		return syscall.ENOTCONN
	}
	c.fin[c.side] = true
	c.cond.Broadcast()
	return nil
}

func (c *fakeConn) SetLinger(seconds int) error {
	c.mu.Lock()
	c.linger = seconds
	c.mu.Unlock()
	return nil
}

func (c *fakeConn) AwaitReset() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed[c.side] {
		if c.reset {
			return syscall.ECONNRESET
		}
		c.cond.Wait()
	}
	return nil
}

func (c *fakeConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{r})
}

func (c *fakeConn) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, struct{ io.Reader }{c})
}

// unread is how much this side has sent that the other has not read.
func (c *fakeConn) unread() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.buf[c.side])
}

func (c *fakeConn) LocalAddr() net.Addr              { return nil }
func (c *fakeConn) RemoteAddr() net.Addr             { return nil }
func (c *fakeConn) SetDeadline(time.Time) error      { return nil }
func (c *fakeConn) SetReadDeadline(time.Time) error  { return nil }
func (c *fakeConn) SetWriteDeadline(time.Time) error { return nil }

func TestFakeConnBehavesLikeTCP(t *testing.T) {
	a, b := fakePipe(4)
	if n, err := a.Write([]byte("abcd")); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	_ = a.CloseWrite()
	if got, err := io.ReadAll(b); string(got) != "abcd" || err != nil {
		t.Fatalf("%q %v", got, err)
	}
	if _, err := b.Write([]byte("x")); err != nil {
		t.Fatal("half-closed: the other way must still work:", err)
	}
	reset(b)
	if _, err := a.Read(make([]byte, 4)); err != nil {
		t.Fatal("what came before the reset is read first:", err)
	}
	if _, err := a.Read(make([]byte, 4)); err != syscall.ECONNRESET {
		t.Fatal(err)
	}
}
