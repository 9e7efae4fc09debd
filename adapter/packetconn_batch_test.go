package adapter

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// TestBatches: a socket that is served without a goroutine, from the first datagram to the end.
func TestBatches(t *testing.T) {
	udpBubble(t, func(t *testing.T, p *pair, ca, cb *UDPConn) {
		var calls atomic.Int32
		if _, err := ca.Write([]byte("before")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cb.HandleReadable(func() { calls.Add(1) })
		if calls.Load() != 1 {
			t.Errorf("told %d times of what was there", calls.Load())
		}
		batch := []Datagram{{Payload: []byte("one")}, {}, {Payload: []byte("three")}}
		if n := ca.TryWriteBatch(batch); n != 3 {
			t.Errorf("%d written", n)
		}
		synctest.Wait()
		if calls.Load() < 2 {
			t.Error("not told of the batch")
		}
		var got []string
		ds := make([]Datagram, 3)
		for n := 1; n > 0; cb.ReleaseBatch(ds[:n]) {
			var err error
			if n, err = cb.TryReadBatch(ds); err != nil {
				t.Fatal(err)
			}
			for _, d := range ds[:n] {
				got = append(got, string(d.Payload))
				if d.From.String() != ca.LocalAddr().String() || d.To.String() != cb.LocalAddr().String() || d.TTL != 64 {
					t.Errorf("%+v", d)
				}
			}
		}
		if len(got) != 4 || got[0] != "before" || got[1] != "one" || got[2] != "" || got[3] != "three" {
			t.Errorf("%q", got)
		}
		before := calls.Load()
		_ = p.b.Close() // the whole network of it
		if calls.Load() == before {
			t.Error("not told of the end")
		}
		if _, err := cb.TryReadBatch(ds); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
		if n := cb.TryWriteBatch(batch); n != 0 {
			t.Errorf("%d written after the end", n)
		}
	})
}
