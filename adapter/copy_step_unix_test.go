//go:build unix

package adapter

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"vpngw/ourstack/tcp"
)

// stepping copies from an OS socket to c and back by steps alone. On the side of c a step is tried only
// after Watch's hint; the socket has no poller here, and is asked over and over. It returns when both
// directions have ended.
func stepping(t *testing.T, c *TCPConn, outer *net.TCPConn) error {
	t.Helper()
	source, err := c.NewSource(outer, readv)
	if err != nil {
		t.Fatal(err)
	}
	readable, writable := make(chan struct{}, 1), make(chan struct{}, 1)
	poke := func(ch chan struct{}) {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
	c.Watch(func(r, w bool) {
		if r {
			poke(readable)
		}
		if w {
			poke(writable)
		}
	})
	up := start(func() error {
		for {
			switch err := c.WriteStep(sink{outer}); err { //nolint:errorlint // as they are
			case nil:
			case ErrNoRoom:
				runtime.Gosched()
			case ErrNotReady:
				<-readable
			case io.EOF:
				return outer.CloseWrite()
			default:
				return err
			}
		}
	})
	for err == nil {
		switch err = source.ReadStep(); err { //nolint:errorlint // as they are
		case ErrNotReady:
			runtime.Gosched()
			err = nil
		case ErrNoRoom:
			<-writable
			err = nil
		}
	}
	if err == io.EOF { //nolint:errorlint // as it is
		err = c.CloseWrite()
	}
	return errors.Join(err, <-up, c.Close(), outer.Close())
}

// sink is a socket as a VectorWriter.
type sink struct{ c *net.TCPConn }

func (s sink) WriteVector(p [][]byte) (total int, err error) {
	raw, err := s.c.SyscallConn()
	if err != nil {
		return 0, err
	}
	outer := raw.Write(func(fd uintptr) bool {
		for _, b := range p {
			var n int
			n, err = syscall.Write(int(fd), b)
			if total += max(n, 0); n < len(b) {
				return true
			}
		}
		return true
	})
	if err == syscall.EAGAIN { //nolint:errorlint // an Errno
		err = nil
	}
	return total, errors.Join(err, outer)
}

// readv is readv(2) by read(2).
func readv(fd int, p [][]byte) (total int, err error) {
	for _, b := range p {
		n, err := syscall.Read(fd, b)
		if total += max(n, 0); n < len(b) {
			if total > 0 {
				err = nil
			}
			return total, err
		}
	}
	return total, nil
}

func TestStepsCopyAll(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	outer, far := tcpLoopback(t)
	done := start(func() error { return stepping(t, cb, outer) })
	data := noise(4 << 20)
	for name, dir := range map[string]struct {
		w io.WriteCloser
		r io.Reader
	}{
		"socket to tunnel": {writeHalf{far}, ca},
		"tunnel to socket": {writeHalf{ca}, far},
	} {
		sent := start(func() error {
			_, err := dir.w.Write(data)
			return errors.Join(err, dir.w.Close())
		})
		got, err := io.ReadAll(dir.r)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%s: %d bytes of %d, %v", name, len(got), len(data), err)
		}
		if err := <-sent; err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestStepsDoNotWait(t *testing.T) {
	p := newPair(t, Options{}, Options{WriteBuffer: 64 << 10})
	ca, cb := p.connect(t)
	outer, far := tcpLoopback(t)
	source, err := cb.NewSource(outer, readv)
	if err != nil {
		t.Fatal(err)
	}
	if err := cb.WriteStep(sink{outer}); err != ErrNotReady { //nolint:errorlint // as it is
		t.Errorf("WriteStep without data: %v", err)
	}
	if err := source.ReadStep(); err != ErrNotReady { //nolint:errorlint // as it is
		t.Errorf("ReadStep without data: %v", err)
	}
	if err := cb.Failure(); err != nil {
		t.Errorf("Failure of a connection that is well: %v", err)
	}
	// Neither end reads, so that the buffers on the way fill.
	go func() { _, _ = ca.Write(make([]byte, 64<<20)) }()
	eventually(t, "no room in the socket", func() bool { return cb.WriteStep(sink{outer}) == ErrNoRoom }) //nolint:errorlint // as it is
	go func() { _, _ = far.Write(make([]byte, 16<<20)) }()
	eventually(t, "no room", func() bool { return source.ReadStep() == ErrNoRoom }) //nolint:errorlint // as it is
	_ = far.Close()
	_ = cb.Close()
	if err := cb.WriteStep(sink{outer}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteStep after Close: %v", err)
	}
}

// TestStepsReadManyBlocksAtOnce: a source that has much is read in large pieces, and one that has little
// takes no more memory than that.
func TestStepsReadManyBlocksAtOnce(t *testing.T) {
	var lost atomic.Bool
	p := newPairFiltered(t, Options{}, Options{}, nil, func([]byte) bool { return !lost.Load() })
	ca, cb := p.connect(t)
	if err := cb.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	outer, far := unixPair(t)
	most := 0
	source, err := cb.NewSource(outer, func(fd int, p [][]byte) (int, error) {
		most = max(most, len(p))
		return readv(fd, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	read := func(n int) { // writes n bytes, which the socket holds, and reads them
		t.Helper()
		if _, err := far.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		want, err := source.copy.total+int64(n), error(nil)
		for err == nil {
			err = source.ReadStep()
		}
		if err != ErrNotReady || source.copy.total != want { //nolint:errorlint // as it is
			t.Fatalf("%d bytes, want %d: %v", source.copy.total, want, err)
		}
	}
	const size = 128 << 10
	read(size)
	if most != readSlices {
		t.Errorf("%d slices in a call, want %d", most, readSlices)
	}
	if _, err := io.ReadFull(ca, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "empty buffers", func() bool { return p.b.Stats().Memory == 0 })
	lost.Store(true)
	read(1)
	if m := p.b.Stats().Memory; m != tcp.BlockSize {
		t.Errorf("%d bytes of memory hold one byte", m)
	}
}

// unixPair returns the ends of a connection between sockets of the system; the test closes them.
func unixPair(t *testing.T) (c1, c2 *net.UnixConn) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "socket")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if c1, err = net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c1.Close() })
	if c2, err = l.AcceptUnix(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c2.Close() })
	return c1, c2
}

func TestFailureTellsOfAReset(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	told := make(chan struct{}, 16)
	cb.Watch(func(r, w bool) {
		if r && w {
			told <- struct{}{}
		}
	})
	_ = ca.SetLinger(0)
	_ = ca.Close()
	<-told
	if err := cb.Failure(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	_ = cb.Close()
}
