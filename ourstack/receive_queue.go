package ourstack

import (
	"sync"

	"vpngw/ourstack/tcp"
)

// receiveQueue holds datagrams, and errors about datagrams, that wait to be read, oldest first,
// bounded in bytes. The lock of its owner guards it.
type receiveQueue struct {
	items []received
	small []received // the room that it keeps, while items is larger
	head  int        // index of the first in items
	used  int        // bytes, with overhead
	limit int
}

// received is a datagram or an error.
type received struct {
	buf      *packetBuf // nil with err, and for an empty datagram
	from, to tcp.Endpoint
	seq      uint16 // of an echo reply
	ttl, tos uint8  // of the packet of a UDP datagram
	df       bool
	err      error
}

// receivedKept is the room, in datagrams, that an empty queue keeps. What a batch of packets needs more,
// a receivedRun, is shared by all queues.
const receivedKept = 4

type receivedRun [160]received

var receivedRuns = sync.Pool{New: func() any { return new(receivedRun) }}

func (r *received) cost() int {
	if r.buf == nil {
		return datagramOverhead
	}
	return r.buf.cost()
}

func (q *receiveQueue) empty() bool { return q.head == len(q.items) }

// push appends r; false if there is no room. A datagram larger than the whole queue is taken when
// the queue is empty.
func (q *receiveQueue) push(r received) bool {
	if !q.empty() && q.used+r.cost() > q.limit {
		return false
	}
	if q.head > 16 && q.head >= len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.used += r.cost()
	if len(q.items) == cap(q.items) && len(q.items) >= receivedKept && len(q.items) < len(receivedRun{}) {
		run := receivedRuns.Get().(*receivedRun)
		small := q.items
		q.items = append(run[:0], small...)
		clear(small)
		q.small = small[:0]
	}
	q.items = append(q.items, r)
	return true
}

// pop removes the oldest; ok is false if there is none.
func (q *receiveQueue) pop() (r received, ok bool) {
	if q.empty() {
		return r, false
	}
	r = q.items[q.head]
	q.items[q.head] = received{}
	q.head++
	q.used -= r.cost()
	if q.empty() {
		q.head = 0
		q.items = q.items[:0]
		if cap(q.items) > receivedKept { // an idle socket holds little
			if cap(q.items) == len(receivedRun{}) {
				receivedRuns.Put((*receivedRun)(q.items[:len(receivedRun{})]))
			}
			q.items, q.small = q.small, nil
		}
	}
	return r, true
}

// clear discards everything and gives the buffers back.
func (q *receiveQueue) clear(pool *packetPool) {
	for r, ok := q.pop(); ok; r, ok = q.pop() {
		if r.buf != nil {
			pool.put(r.buf)
		}
	}
	q.items, q.small = nil, nil
}
