package ourstack

import "sync/atomic"

// inbox is how the owners of flows, of which each WireGuard peer may have one at work, speak to the
// scheduler without waiting for each other or for Output. It is a stack of flows, linked by flow.below;
// collect takes all of it at once and turns it round, so that what was sent first is done first.
//
// A flow is in it once at most, so one link is enough: its owner sends it when it is idle, or once
// after done has said that it is held, and whoever collects it does so before done returns (see rouse).
// That a flow which was collected and sent again may be at the head when another sender's
// compare-and-swap succeeds does no harm: it is then the head, and nothing else is concluded from it.
//
// idle says that Output has returned 0 and waits for Wake. Whoever sends looks at it after the flow
// is in; fallIdle looks for flows after it has set it. Go's atomic operations have one order
// that all agree on, so of the two at least one sees the other: no flow stays unnoticed. And whoever ends
// idle does it by a compare-and-swap, so one alone calls Wake, once for each time that Output
// went idle. Wake may come when another call of Output has served the flow already; it finds nothing then.
type inbox struct {
	_    [cacheLine]byte // what is written for each flow is apart from what is read for each
	head atomic.Pointer[flow]
	_    [cacheLine]byte
	idle atomic.Bool
	_    [cacheLine]byte
}

// errand is what a flow in the inbox wants.
type errand uint8

const (
	errandReady   errand = iota // it was idle and is ready
	errandRouse                 // it may be held, and has something else than new text
	errandRelieve               // it is group.relief: the group is no longer full
)

// send puts f in the inbox. It reports whether Wake must be called.
func (b *inbox) send(f *flow, what errand) (wake bool) {
	f.errand = what
	for {
		f.below = b.head.Load()
		if b.head.CompareAndSwap(f.below, f) {
			return b.endIdle()
		}
	}
}

// endIdle reports whether Wake must be called now that there is something for Output. It mostly only
// reads, so that those who send share the cache line of idle.
func (b *inbox) endIdle() (wake bool) { return b.idle.Load() && b.idle.CompareAndSwap(true, false) }

// take empties the inbox and returns its flows, linked by below, in the order in which they were sent.
func (b *inbox) take() *flow {
	var first *flow
	for f := b.head.Swap(nil); f != nil; {
		below := f.below
		f.below, first = first, f
		f = below
	}
	return first
}

// push makes an idle flow ready. It reports whether Wake must be called. As with rouse and account, the
// owner of the flow holds its lock.
func (s *scheduler) push(f *flow) (wake bool) { return s.inbox.send(f, errandReady) }

// rouse makes a flow ready that may be held, because it has something else than new text. The owner calls
// it at most once after done has kept the flow as held.
//
// The flow may have been let go meanwhile, and even be in service. It is still out of the inbox before
// its owner can send it again: that needs another done, for which the owner's lock is held, so that it
// comes after rouse and collects.
func (s *scheduler) rouse(f *flow) (wake bool) { return s.inbox.send(f, errandRouse) }

// collect does what was sent to the inbox. If that is nothing it only reads, so that the cache line stays
// with those who send. s.mu is held.
func (s *scheduler) collect() {
	if s.inbox.head.Load() != nil {
		s.deliver()
	}
}

// deliver does what was sent to the inbox: ready flows go to their lists. s.mu is held.
func (s *scheduler) deliver() {
	for f := s.inbox.take(); f != nil; {
		rest := f.below
		f.below = nil // before what follows: f may then be sent again
		switch f.errand {
		case errandReady:
			f.deficit = 0
			s.link(f, false)
		case errandRouse:
			if f.list != nil && f.list == &f.group.held {
				f.group.letGo(f)
				s.link(f, false)
			}
		case errandRelieve:
			s.relieve(f.group)
		}
		f = rest
	}
}

// fallIdle notes that Output waits for Wake, unless there is something for it after all. s.mu is held,
// and nothing is on the lists.
func (s *scheduler) fallIdle() (idle bool) {
	s.inbox.idle.Store(true)
	if s.inbox.head.Load() == nil && s.controls.Load() == 0 {
		return true
	}
	return !s.inbox.idle.CompareAndSwap(true, false) // who has ended it before us calls Wake
}
