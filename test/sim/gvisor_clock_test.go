package sim

import (
	"container/heap"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"

	"vpngw/ourstack/tcp"
)

// gvisorClock is the virtual clock for gVisor's netstack. Unlike its own fake clock it tells when the
// next timer is due.
type gvisorClock struct {
	mu     sync.Mutex
	now    tcp.Instant
	read   tcp.Instant // what was returned last: no two readings are the same, as on a real machine
	timers gvisorTimers
}

// reading returns the time. mu is held.
func (c *gvisorClock) reading() tcp.Instant {
	c.read = max(c.now, c.read+gvisorTick)
	return c.read
}

// gvisorTick is the time between two readings of the clock at one virtual instant: segments of a burst
// leave one after the other, which its loss detection relies on.
const gvisorTick = 100

func (c *gvisorClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(1e9, int64(c.reading()))
}

func (c *gvisorClock) NowMonotonic() tcpip.MonotonicTime {
	c.mu.Lock()
	defer c.mu.Unlock()
	var zero tcpip.MonotonicTime
	return zero.Add(time.Duration(c.reading()))
}

func (c *gvisorClock) AfterFunc(d time.Duration, f func()) tcpip.Timer {
	t := &gvisorTimer{clock: c, f: f, index: -1}
	t.Reset(d)
	return t
}

// advance lets time pass to now and calls what is due.
func (c *gvisorClock) advance(now tcp.Instant) {
	c.mu.Lock()
	c.now = max(c.now, now)
	for len(c.timers) > 0 && c.timers[0].at <= c.now {
		t := heap.Pop(&c.timers).(*gvisorTimer)
		c.mu.Unlock()
		t.f()
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// next is when the first timer is due.
func (c *gvisorClock) next() (tcp.Instant, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return 0, false
	}
	return c.timers[0].at, true
}

type gvisorTimer struct {
	clock *gvisorClock
	at    tcp.Instant
	index int // in the heap; -1 when it is not there
	f     func()
}

func (t *gvisorTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.timers, t.index)
	return true
}

func (t *gvisorTimer) Reset(d time.Duration) {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	if t.index >= 0 {
		heap.Remove(&t.clock.timers, t.index)
	}
	t.at = t.clock.now.Add(tcp.Duration(max(d, 0)))
	heap.Push(&t.clock.timers, t)
}

// gvisorTimers is a heap by time.
type gvisorTimers []*gvisorTimer

func (h gvisorTimers) Len() int           { return len(h) }
func (h gvisorTimers) Less(i, j int) bool { return h[i].at < h[j].at }
func (h gvisorTimers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *gvisorTimers) Push(x any) {
	t := x.(*gvisorTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *gvisorTimers) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
