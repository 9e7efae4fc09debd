//go:build unix

package adapter

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
)

// stepping copies from an OS socket to c and back by steps alone. On the side of c a step is tried only
// after Watch's hint; the socket has no poller here, and is asked over and over. It returns when both
// directions have ended.
func stepping(t *testing.T, c *TCPConn, outer *net.TCPConn) error {
	t.Helper()
	source, ok := c.NewSource(outer)
	if !ok {
		t.Fatal("no source")
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
			switch _, err := c.WriteStep(outer); err { //nolint:errorlint // as they are
			case nil:
			case ErrNotReady:
				<-readable
			case io.EOF:
				return outer.CloseWrite()
			default:
				return err
			}
		}
	})
	var err error
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
	_, cb := p.connect(t)
	outer, far := tcpLoopback(t)
	source, ok := cb.NewSource(outer)
	if !ok {
		t.Fatal("no source")
	}
	if _, err := cb.WriteStep(outer); err != ErrNotReady { //nolint:errorlint // as it is
		t.Errorf("WriteStep without data: %v", err)
	}
	if err := source.ReadStep(); err != ErrNotReady { //nolint:errorlint // as it is
		t.Errorf("ReadStep without data: %v", err)
	}
	if err := cb.Failure(); err != nil {
		t.Errorf("Failure of a connection that is well: %v", err)
	}
	// The client reads nothing, so that the send buffer fills.
	go func() { _, _ = far.Write(make([]byte, 16<<20)) }()
	eventually(t, "no room", func() bool { return source.ReadStep() == ErrNoRoom }) //nolint:errorlint // as it is
	_ = far.Close()
	_ = cb.Close()
	if _, err := cb.WriteStep(outer); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteStep after Close: %v", err)
	}
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
