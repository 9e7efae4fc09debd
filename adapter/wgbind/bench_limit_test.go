package wgbind

import (
	"fmt"
	"math"
	"testing"

	"golang.zx2c4.com/wireguard/conn"
)

// BenchmarkLimit takes batches through both sides of the bound inside a device, out and in.
func BenchmarkLimit(b *testing.B) {
	for _, n := range []int{1, 128} {
		b.Run(fmt.Sprint("packets=", n), func(b *testing.B) {
			step := throughLimit(b, n)
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

// TestLimitDoesNotAllocate, whether a batch stays inside or not.
func TestLimitDoesNotAllocate(t *testing.T) {
	step := throughLimit(t, batchSize)
	step()
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
		t.Errorf("%.1f allocations per batch", allocs)
	}
}

// throughLimit has a device take n packets, each into a buffer of its own as wireguard-go's do, and pass
// them on.
func throughLimit(t testing.TB, n int) (step func()) {
	e := &endless{}
	bind, d := Limit(e, e, math.MaxInt64)
	fns, _, err := bind.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	var batches [2][][]byte
	for i := range batches {
		for range n {
			batches[i] = append(batches[i], make([]byte, 1500))
		}
	}
	sizes, eps, turn := make([]int, n), make([]conn.Endpoint, n), 0
	return func() {
		bufs := batches[turn%2] // not those of last time: the device kept them
		turn++
		_, errRead := d.Read(bufs, sizes, 0)
		errSend := bind.Send(bufs, nil)
		_, errReceive := fns[0](bufs, sizes, eps)
		_, errWrite := d.Write(bufs, 0)
		for _, err := range []error{errRead, errSend, errReceive, errWrite} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
