package ourstack

import (
	"sync"

	"vpngw/ourstack/tcp"
)

// timer is a deadline of something in the stack: a row of the heap below.
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

// deadlines is a binary heap of timers. Owners correct it lazily: a deadline that moves later is
// left alone and put right when it expires, so that acknowledgments, which push the retransmission
// timer ahead of them, cost nothing here.
type deadlines struct {
	mu   sync.Mutex
	heap []*timer
}

// set arms t for at, or moves it. It reports whether the earliest of all deadlines moved earlier, so
// that Wake must be called.
func (d *deadlines) set(t *timer, at tcp.Instant) (wake bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wake = len(d.heap) == 0 || at < d.heap[0].at
	t.at = at
	if t.index == 0 {
		d.heap = append(d.heap, t)
		t.index = len(d.heap)
	}
	d.fix(t.index - 1)
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
		due[n] = d.heap[0]
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
	last := len(d.heap) - 1
	d.swap(i, last)
	d.heap[last].index = 0
	d.heap[last] = nil
	d.heap = d.heap[:last]
	if i < last {
		d.fix(i)
	}
}

func (d *deadlines) swap(i, j int) {
	h := d.heap
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

// fix restores the order of the heap around i.
func (d *deadlines) fix(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if d.heap[parent].at <= d.heap[i].at {
			break
		}
		d.swap(i, parent)
		i = parent
	}
	for {
		child := 2*i + 1
		if child+1 < len(d.heap) && d.heap[child+1].at < d.heap[child].at {
			child++
		}
		if child >= len(d.heap) || d.heap[i].at <= d.heap[child].at {
			return
		}
		d.swap(i, child)
		i = child
	}
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
