package adapter

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"testing"
	"testing/synctest"
)

// lossy returns a filter that drops one packet in n, reproducibly.
func lossy(seed int64, n int) func([]byte) bool {
	r := rand.New(rand.NewSource(seed))
	return func([]byte) bool { return r.Intn(n) != 0 }
}

func TestBulkOverLossyWire(t *testing.T) {
	for seed := range int64(5) {
		synctest.Test(t, func(t *testing.T) {
			p := newPairFiltered(t, Options{}, Options{}, lossy(seed, 30), lossy(seed+100, 30))
			ca, cb := p.connect(t)
			data := noise(2 << 20)
			var done []<-chan error
			for _, c := range []*TCPConn{ca, cb} {
				done = append(done, start(func() error {
					_, err := c.Write(data)
					return errors.Join(err, c.CloseWrite())
				}), start(func() error {
					got, err := io.ReadAll(c)
					if err == nil && !bytes.Equal(got, data) {
						err = errors.New("data differs")
					}
					return err
				}))
			}
			for _, d := range done {
				if err := <-d; err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
			}
		})
	}
}

// TestShortBurstsOverLossyWire: a wake-up or a timer that gets lost at a round-trip time of nothing
// stops the connection for ever (gVisor #6113).
func TestShortBurstsOverLossyWire(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPairFiltered(t, Options{}, Options{}, lossy(1, 50), lossy(2, 50))
		ca, cb := p.connect(t)
		echo := start(func() error {
			_, err := io.Copy(cb, struct{ io.Reader }{cb})
			return errors.Join(err, cb.Close())
		})
		r := rand.New(rand.NewSource(3))
		buf := make([]byte, 20_000)
		for range rounds {
			burst := buf[:1+r.Intn(len(buf))]
			if _, err := ca.Write(burst); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(ca, burst); err != nil {
				t.Fatal(err)
			}
		}
		if ca.Info().Counters.Retransmits == 0 {
			t.Error("nothing was lost")
		}
		if err := errors.Join(ca.CloseWrite(), <-echo, ca.Close()); err != nil {
			t.Fatal(err)
		}
	})
}
