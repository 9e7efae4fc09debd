//go:build !race

// The race detector makes sync.Pool drop what it is given, so allocations mean nothing under it.

package adapter

import (
	"io"
	"testing"
)

// TestEstablishedPathDoesNotAllocate: from Write through two devices to Read, and back, all goroutines
// counted.
func TestEstablishedPathDoesNotAllocate(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	echoed := make(chan error, 1)
	go func() {
		_, err := io.CopyBuffer(struct{ io.Writer }{cb}, struct{ io.Reader }{cb}, make([]byte, 64<<10))
		echoed <- err
	}()
	out, back := make([]byte, 100_000), make([]byte, 100_000)
	step := func() {
		for _, n := range []int{1, 1000, len(out)} {
			if _, err := ca.Write(out[:n]); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(ca, back[:n]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 100 {
		step() // windows and rings find their sizes
	}
	// The collector, which a round of all tests keeps busy, may take a pooled buffer.
	if n := testing.AllocsPerRun(200, step); n >= 1 {
		t.Errorf("%.1f allocations for a round trip of 101 kB", n)
	}
	if err := ca.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-echoed; err != nil {
		t.Fatal(err)
	}
}
