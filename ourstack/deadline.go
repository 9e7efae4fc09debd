package ourstack

import (
	"sync"

	"vpngw/ourstack/tcp"
)

// timer is a deadline of something in the stack: of a row of the heap below.
type timer struct {
	at    tcp.Instant
	index int // in the heap plus one; 0 when it is not there
	owner expirer
}

// expirer is what a timer belongs to.
type expirer interface {
	// expire is called without locks, at or after the time set; the timer is no longer in the
	// heap. It may be called although the deadline has moved meanwhile.
	expire(now tcp.Instant)
}

// deadlines is a heap of timers. Owners correct it lazily: a deadline that moves later is
// left alone and put right when it expires, so that acknowledgments, which push the retransmission
// timer ahead of them, cost nothing here.
//
// With many connections what counts is how much memory is looked at that was not for a while: each row has
// four children, side by side, with their times in them, so that none of their timers is read.
type deadlines struct {
	mu   sync.Mutex
	heap []deadline
}

// deadline is a row of the heap: an armed timer and its time.
type deadline struct {
	at    tcp.Instant
	timer *timer
}

// heapChildren is how many children a row has: a cache line's worth.
const heapChildren = 4

// set arms t for at, or moves it. It reports whether the earliest of all deadlines moved earlier, so
// that Wake must be called.
func (d *deadlines) set(t *timer, at tcp.Instant) (wake bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wake = len(d.heap) == 0 || at < d.heap[0].at
	t.at = at
	if t.index == 0 {
		d.heap = append(d.heap, deadline{})
		t.index = len(d.heap)
	}
	d.put(deadline{at, t}, t.index-1)
	return wake
}

// stop removes t if it is armed.
func (d *deadlines) stop(t *timer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.index != 0 {
		d.remove(t.index - 1)
	}
}

// popDue removes up to len(due) timers whose time has come and returns how many.
func (d *deadlines) popDue(now tcp.Instant, due []*timer) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(due) && len(d.heap) > 0 && d.heap[0].at <= now {
		due[n] = d.heap[0].timer
		d.remove(0)
		n++
	}
	return n
}

// first returns the earliest deadline, and how many there are.
func (d *deadlines) first() (at tcp.Instant, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.heap) == 0 {
		return 0, 0
	}
	return d.heap[0].at, len(d.heap)
}

func (d *deadlines) remove(i int) {
	d.heap[i].timer.index = 0
	last := len(d.heap) - 1
	moved := d.heap[last]
	d.heap[last] = deadline{}
	d.heap = d.heap[:last]
	if i < last {
		d.put(moved, i)
	}
}

// put puts a row at i, which is free, or where the order of the heap around i wants it.
func (d *deadlines) put(row deadline, i int) {
	h := d.heap
	for i > 0 {
		parent := (i - 1) / heapChildren
		if h[parent].at <= row.at {
			break
		}
		h[i] = h[parent]
		h[i].timer.index = i + 1
		i = parent
	}
	for {
		first := i*heapChildren + 1
		if first >= len(h) {
			break
		}
		least := first
		for child := first + 1; child < min(first+heapChildren, len(h)); child++ {
			if h[child].at < h[least].at {
				least = child
			}
		}
		if row.at <= h[least].at {
			break
		}
		h[i] = h[least]
		h[i].timer.index = i + 1
		i = least
	}
	h[i] = row
	row.timer.index = i + 1
}

// NextDeadline returns when Advance must be called next; ok is false if there is nothing to wait
// for. The time may be too early, never too late. When it moves earlier, Wake is called.
func (s *Stack) NextDeadline() (at tcp.Instant, ok bool) {
	at, n := s.deadlines.first()
	return at, n > 0
}

// Advance carries out what is due at now: retransmissions, expiries. Calling it early or late is
// harmless. It does not block; notifications may be called from it.
func (s *Stack) Advance(now tcp.Instant) {
	var due [64]*timer
	_, n := s.deadlines.first()
	// Each timer fires once per call: what is armed anew for a time already past waits for the
	// next one.
	for n > 0 {
		got := s.deadlines.popDue(now, due[:min(n, len(due))])
		for _, t := range due[:got] {
			t.owner.expire(now)
		}
		if got < len(due) {
			return
		}
		n -= got
	}
}
