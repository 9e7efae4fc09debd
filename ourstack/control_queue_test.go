package ourstack

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestControlQueueModel compares the ring with a slice of packets over random pushes and pops.
func TestControlQueueModel(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var q controlQueue
		var model [][]byte
		held, refused := 0, 0
		for range 20000 {
			if rng.IntN(100) < 52 {
				pkt := make([]byte, 20+rng.IntN(557))
				for i := range pkt {
					pkt[i] = byte(rng.Uint32())
				}
				if q.push(pkt) {
					model = append(model, pkt)
					held += len(pkt) + controlLenSize
				} else {
					refused++
					if held < controlQueueMax-2*1024 {
						t.Fatalf("seed %d: refused with %d bytes held", seed, held)
					}
				}
				continue
			}
			if q.empty() != (len(model) == 0) {
				t.Fatalf("seed %d: empty %v with %d in the model", seed, q.empty(), len(model))
			}
			if len(model) == 0 {
				continue
			}
			if !bytes.Equal(q.front(), model[0]) {
				t.Fatalf("seed %d: wrong packet", seed)
			}
			held -= len(model[0]) + controlLenSize
			q.pop()
			model = model[1:]
		}
		if len(q.ring) > controlQueueMax {
			t.Fatalf("ring of %d bytes", len(q.ring))
		}
		_ = refused
	}
}

func TestControlQueueRefusesWhenFull(t *testing.T) {
	var q controlQueue
	pkt := make([]byte, 576)
	n := 0
	for q.push(pkt) {
		n++
	}
	if want := controlQueueMax / (576 + controlLenSize); n != want {
		t.Errorf("%d packets fit, want %d", n, want)
	}
	for range n {
		q.front()
		q.pop()
	}
	if !q.empty() || !q.push(pkt) {
		t.Error("does not take a packet after it was drained")
	}
}
