package mmsg

import (
	"fmt"
	"slices"
	"testing"
)

// BenchmarkDatagrams sends a batch over loopback and receives it, with and without segmentation by the
// kernel.
func BenchmarkDatagrams(b *testing.B) {
	for _, n := range []int{1, SendBatch} {
		for _, gso := range []bool{false, true} {
			b.Run(fmt.Sprintf("datagrams=%d/gso=%v", n, gso), func(b *testing.B) {
				from, _ := socket(b)
				to, addr := socket(b)
				r, ds := NewReceiver(), datagrams(addr, slices.Repeat([]int{1200}, n)...)
				got := 0
				count := func(ds []Datagram) { got += len(ds) }
				b.SetBytes(int64(n * 1200))
				b.ReportAllocs()
				for b.Loop() {
					for sent := 0; sent < n; {
						k, _, errno := Send(from, ds[sent:], gso)
						if errno != 0 {
							b.Fatal(errno)
						}
						sent += k
					}
					for got = 0; got < n; {
						if errno := r.Receive(to, count); errno != 0 {
							b.Fatal(errno)
						}
					}
				}
			})
		}
	}
}
