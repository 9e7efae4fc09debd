package adapter

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestAwaitDeliveryEndsWithTheLastAcknowledgment(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	if err := ca.AwaitDelivery(time.Minute); err != nil {
		t.Fatalf("nothing was written: %v", err)
	}
	got := start(func() error {
		_, err := io.Copy(io.Discard, struct{ io.Reader }{cb})
		return err
	})
	for range 20 {
		if _, err := ca.Write(noise(300_000)); err != nil {
			t.Fatal(err)
		}
		if err := ca.AwaitDelivery(time.Minute); err != nil {
			t.Fatal(err)
		}
		if i := ca.Info(); i.Unsent != 0 || i.Unacked != 0 {
			t.Fatalf("%d bytes are not sent and %d not acknowledged", i.Unsent, i.Unacked)
		}
	}
	_ = ca.Close()
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestAwaitDeliveryIsBounded(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	_ = cb.SetReadBuffer(4096)
	_ = ca.SetWriteBuffer(1 << 20)
	written := start(func() error { // nobody reads: some stays here
		_, err := ca.Write(make([]byte, 16<<20))
		return err
	})
	eventually(t, "far more is here than the window takes", func() bool {
		i := ca.Info()
		return i.Unsent+i.Unacked >= 3<<18
	})
	_ = ca.SetWriteDeadline(time.Unix(1, 0)) // ends the Write, which has the turn
	if err := <-written; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	_ = ca.SetWriteDeadline(time.Time{})
	if err := ca.AwaitDelivery(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v, want the limit", err)
	}
	ended := start(func() error { return ca.AwaitDelivery(time.Hour) })
	_ = cb.SetLinger(0)
	_ = cb.Close()
	if err := <-ended; err != nil {
		t.Errorf("a connection that was reset: %v", err)
	}
	_ = ca.Close()
	if err := ca.AwaitDelivery(time.Hour); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
