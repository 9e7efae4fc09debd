package adapter

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// noise returns n reproducible random bytes.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

// forward copies between an OS socket and a tunnel connection both ways, as a
// gateway does, until both directions have ended.
func forward(outer *net.TCPConn, inner *TCPConn) error {
	up := start(func() error {
		_, err := inner.WriteTo(outer)
		return errors.Join(err, outer.CloseWrite())
	})
	_, err := inner.ReadFrom(outer)
	return errors.Join(err, inner.CloseWrite(), <-up, inner.Close())
}

func TestCopyBetweenSocketAndTunnel(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	outer, far := tcpLoopback(t)
	done := start(func() error { return forward(outer, cb) })

	data := noise(8 << 20)
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
		h := sha256.New()
		n, err := io.Copy(h, struct{ io.Reader }{dir.r})
		if err != nil || n != int64(len(data)) {
			t.Fatalf("%s: %d bytes, %v", name, n, err)
		}
		if want := sha256.Sum256(data); !bytes.Equal(h.Sum(nil), want[:]) {
			t.Fatalf("%s: data differs", name)
		}
		if err := <-sent; err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = ca.Close()
}

// writeHalf closes the write side only.
type writeHalf struct {
	c interface {
		io.Writer
		CloseWrite() error
	}
}

func (w writeHalf) Write(p []byte) (int, error) { return w.c.Write(p) }
func (w writeHalf) Close() error                { return w.c.CloseWrite() }

func TestReadFromOrdinaryReader(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		data := noise(3<<20 + 17)
		done := start(func() error {
			n, err := ca.ReadFrom(iotest.HalfReader(bytes.NewReader(data)))
			if n != int64(len(data)) {
				t.Errorf("ReadFrom = %d", n)
			}
			return errors.Join(err, ca.Close())
		})
		got, err := io.ReadAll(cb)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestReadFromReturnsReaderError(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		boom := errors.New("boom")
		n, err := ca.ReadFrom(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(boom)))
		if n != 3 || !errors.Is(err, boom) {
			t.Fatalf("ReadFrom = %d, %v", n, err)
		}
		mustRead(t, cb, "abc")
	})
}

func TestReadFromLimitedSocket(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	c1, c2 := tcpLoopback(t)
	data := noise(100_000)
	if _, err := c2.Write(data); err != nil {
		t.Fatal(err)
	}
	n, err := io.CopyN(ca, c1, 60_000)
	if n != 60_000 || err != nil {
		t.Fatalf("CopyN = %d, %v", n, err)
	}
	got := make([]byte, 60_000)
	if _, err := io.ReadFull(cb, got); err != nil || !bytes.Equal(got, data[:60_000]) {
		t.Fatalf("tunnel: %v", err)
	}
	got = got[:40_000]
	if _, err := io.ReadFull(c1, got); err != nil || !bytes.Equal(got, data[60_000:]) {
		t.Fatalf("the rest is not in the socket any more: %v", err)
	}
}

func TestReadFromSocketReportsReset(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, _ := p.connect(t)
	c1, c2 := tcpLoopback(t)
	done := start(func() error {
		_, err := ca.ReadFrom(c1)
		return err
	})
	if err := errors.Join(c2.SetLinger(0), c2.Close()); err != nil {
		t.Fatal(err)
	}
	isErrno(t, <-done, "read", syscall.ECONNRESET)
}

func TestReadFromSocketEndsWithTheConnection(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	c1, c2 := tcpLoopback(t)
	done := start(func() error {
		_, err := ca.ReadFrom(c1)
		return err
	})
	if err := errors.Join(cb.SetLinger(0), cb.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Read(make([]byte, 1)); err == nil {
		t.Fatal("no reset")
	}
	if _, err := c2.Write([]byte("into a connection that is gone")); err != nil {
		t.Fatal(err)
	}
	isErrno(t, <-done, "write", syscall.ECONNRESET)
}

func TestReadFromSocketHonoursItsDeadline(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, _ := p.connect(t)
	c1, _ := tcpLoopback(t)
	if err := c1.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := ca.ReadFrom(c1)
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("got %v, want a time-out", err)
	}
}

func TestWriteToReturnsWriterError(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		mustWrite(t, ca, strings.Repeat("x", 100))
		boom := errors.New("boom")
		n, err := cb.WriteTo(&failingWriter{left: 30, err: boom})
		if n != 30 || !errors.Is(err, boom) {
			t.Fatalf("WriteTo = %d, %v", n, err)
		}
		mustRead(t, cb, strings.Repeat("x", 70)) // what the writer did not take is still there
	})
}

// failingWriter takes left bytes and then fails.
type failingWriter struct {
	left int
	err  error
}

func (w *failingWriter) Write(p []byte) (int, error) {
	if len(p) <= w.left {
		w.left -= len(p)
		return len(p), nil
	}
	return w.left, w.err
}

// oddWriter says that it wrote more or less than it was given.
type oddWriter int

func (w oddWriter) Write(p []byte) (int, error) { return len(p) + int(w), nil }

func TestWriteToSurvivesBrokenWriters(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		for _, w := range []oddWriter{1000, 1, -1, -1000} {
			mustWrite(t, ca, strings.Repeat("x", 100))
			synctest.Wait()
			if n, err := cb.WriteTo(w); err == nil || n < 0 || n > 400 {
				t.Errorf("a writer that is off by %d: %d, %v", w, n, err)
			}
		}
		if err := ca.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, cb); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestSlowSocketClosesTheWindow(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	outer, far := tcpLoopback(t)
	done := start(func() error {
		_, err := cb.WriteTo(outer)
		return errors.Join(err, outer.Close())
	})
	data := noise(48 << 20) // more than all buffers on the way hold
	sent := start(func() error {
		_, err := ca.Write(data)
		return errors.Join(err, ca.Close())
	})
	eventually(t, "a full receive buffer", func() bool { return p.b.Stats().Memory > 32<<10 })
	select {
	case err := <-sent:
		t.Fatalf("Write ended (%v) although nobody reads", err)
	default:
	}
	got, err := io.ReadAll(far)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("read %d bytes, %v", len(got), err)
	}
	if err := errors.Join(<-sent, <-done); err != nil {
		t.Fatal(err)
	}
}

// TestCloseDuringCopies closes connections at any moment of copies in both
// directions: what the socket receives must be a prefix of what was sent.
func TestCloseDuringCopies(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	data := noise(1 << 20)
	for i := range 30 {
		ca, cb := p.connect(t)
		outer, far := tcpLoopback(t)
		done := start(func() error { _ = forward(outer, cb); return nil })
		write := start(func() error { _, _ = ca.Write(data); return nil })
		write2 := start(func() error { _, _ = far.Write(data); return nil })
		limit := 1 + i*20_000
		got := make([]byte, limit)
		if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, data[:limit]) {
			t.Fatalf("round %d: prefix: %v", i, err)
		}
		_ = cb.Close()
		rest, _ := io.ReadAll(io.LimitReader(far, int64(len(data))))
		if !bytes.Equal(rest, data[limit:limit+len(rest)]) {
			t.Fatalf("round %d: data after Close differs", i)
		}
		_ = outer.Close()
		_ = far.Close()
		_ = ca.Close()
		<-done
		<-write
		<-write2
	}
}

// eventually waits for what other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hang); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
