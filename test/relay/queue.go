package relay

import (
	"container/heap"
	"sync"
	"time"
)

// queueMax bounds the datagrams in flight a direction: at 1.5 KB each 12 MB, 100 ms at 1 Gbit/s.
const queueMax = 8192

// parcel is a datagram on its way, with what sends it when its time has come.
type parcel struct {
	at   time.Duration
	seq  uint64 // keeps parcels of the same time in order
	data []byte
	send func([]byte)
}

type parcelHeap []parcel

func (h parcelHeap) Len() int { return len(h) }
func (h parcelHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h parcelHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *parcelHeap) Push(x any)   { *h = append(*h, x.(parcel)) }
func (h *parcelHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = parcel{}
	*h = (*h)[:last]
	return p
}

// queue holds parcels until they are due. Safe for concurrent use.
type queue struct {
	wake chan struct{} // holds one token when the first parcel changed

	mu   sync.Mutex // guards the fields below
	heap parcelHeap
	seq  uint64
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put takes the parcel and reports false when the queue is full. The queue owns data from then on.
func (q *queue) put(at time.Duration, data []byte, send func([]byte)) bool {
	q.mu.Lock()
	full := len(q.heap) >= queueMax
	if !full {
		q.seq++
		heap.Push(&q.heap, parcel{at: at, seq: q.seq, data: data, send: send})
	}
	first := !full && q.heap[0].seq == q.seq
	q.mu.Unlock()
	if first {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return !full
}

// due removes and returns the first parcel if its time has come. Otherwise it returns how long that
// will take, or a negative time when nothing waits.
func (q *queue) due(now time.Duration) (p parcel, ok bool, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.heap) == 0:
		return parcel{}, false, -1
	case q.heap[0].at > now:
		return parcel{}, false, q.heap[0].at - now
	}
	return heap.Pop(&q.heap).(parcel), true, 0
}

// run sends parcels as they become due until done is closed.
func (q *queue) run(now func() time.Duration, done <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p, ok, wait := q.due(now())
		if ok {
			p.send(p.data)
			continue
		}
		var tick <-chan time.Time
		if wait >= 0 {
			timer.Reset(wait)
			tick = timer.C
		}
		select {
		case <-done:
			return
		case <-q.wake:
		case <-tick:
		}
	}
}
