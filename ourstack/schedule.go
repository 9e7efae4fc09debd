package ourstack

import (
	"sync"
	"sync/atomic"
)

// scheduler decides who sends next: deficit round robin first over remote addresses, then over
// the flows of one. It holds flows, not packets.
//
//	owners ──► inbox ──► groups ──► group (remote address) ──► small: flows expected to send pure ACKs
//	                        │                             └──► bulk:  all others
//	                        └──► group …
//
// A flow that becomes ready is pushed; Output takes one with next, lets it emit, and gives it back
// with done. A flow is in the inbox or on a list or in service or idle; which of them is known to its
// owner, who pushes only an idle flow (see Conn.queued).
//
// Owners take no lock that all have in common: what they have to say goes into the inbox
// (schedule_inbox.go), and whoever needs the lists, which is Output and drop, takes all out of it
// first. So the lists are, whenever somebody looks, as if the owners had changed them.
type scheduler struct {
	inbox inbox

	controls  atomic.Int32 // packets in control
	controlMu sync.Mutex
	control   controlQueue // controlMu guards it

	mu sync.Mutex
	// mu guards the fields below.
	groups     *group // ring, from the group whose turn it is; nil when empty
	flows      int    // on lists
	controlRun int    // control packets since the last flow was served
}

// group is the turn of one remote address. It stands on the ring while a flow of it is ready or in
// service. scheduler.mu guards it, but for what mu does.
type group struct {
	next, prev *group // ring; nil when not on it
	small      flowList
	bulk       flowList
	deficit    int  // bytes it may still send in this turn
	granted    bool // its quantum for this turn was added
	smallRun   int  // small flows served since the last bulk flow
	inService  int  // flows that Output has taken and not yet given back
	loopback   bool // immutable: the address is an own one

	// Bulk flows send no new text while too much of what was sent stands in queues on the way: see
	// schedule_hold.go.
	full atomic.Bool // standing has reached standingLimit, and has not fallen clearly below it since
	mu   sync.Mutex
	// mu guards the fields below, and who writes full. held changes under scheduler.mu as well, and so
	// may be read under either.
	standing  int      // bytes, of all its flows
	delayed   int      // flows of which some stand
	held      flowList // flows that wait until it is not full; they are not ready
	relieving bool     // relief is on its way to the inbox or in it
	relief    flow     // in the inbox: let go the flows that are held
}

// flow is one source of packets: a connection, or the datagrams of a socket to one address. scheduler.mu
// guards it; but errand and below are its owner's while it is not in the inbox, and standing always.
type flow struct {
	source  source
	group   *group
	next    *flow
	prev    *flow
	list    *flowList // the list it stands on
	deficit int32     // bytes it may still send in its turn
	small   bool      // it sent only small packets last time
	errand  errand    // why it is in the inbox
	below   *flow     // in the inbox

	standing int // bytes that stand in queues on the way, see [tcp.Conn.Standing] and account
}

// source produces packets.
type source interface {
	// emit writes packets to out until about budget bytes are written, out is full or nothing is
	// left, and then calls scheduler.done exactly once, under the lock of the source.
	emit(out *batch, budget int)
}

// flowList is a doubly linked list.
type flowList struct{ head, tail *flow }

func (l *flowList) pushBack(f *flow) {
	f.list, f.prev, f.next = l, l.tail, nil
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
}

func (l *flowList) pushFront(f *flow) {
	f.list, f.prev, f.next = l, nil, l.head
	if l.head == nil {
		l.tail = f
	} else {
		l.head.prev = f
	}
	l.head = f
}

func (l *flowList) remove(f *flow) {
	if f.prev == nil {
		l.head = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		l.tail = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.list, f.prev, f.next = nil, nil, nil
}

// link puts f on a list of its group, and the group on the ring if it is not there.
func (s *scheduler) link(f *flow, front bool) {
	g := f.group
	l := &g.bulk
	if f.small {
		l = &g.small
	}
	if front {
		l.pushFront(f)
	} else {
		l.pushBack(f)
	}
	s.flows++
	if g.next != nil {
		return
	}
	if s.groups == nil {
		g.next, g.prev = g, g
		s.groups = g
		return
	}
	first := s.groups
	g.next, g.prev = first, first.prev
	g.prev.next, first.prev = g, g
}

// unlink takes f off its list.
func (s *scheduler) unlink(f *flow) {
	f.list.remove(f)
	s.flows--
}

// retire takes g off the ring if none of its flows is ready or in service.
func (s *scheduler) retire(g *group) {
	if g.inService > 0 || g.small.head != nil || g.bulk.head != nil {
		return
	}
	if g.next == g {
		s.groups = nil
	} else {
		g.prev.next, g.next.prev = g.next, g.prev
		if s.groups == g {
			s.groups = g.next
		}
	}
	// A group that has nothing more to send keeps no credit, only its debt.
	g.next, g.prev, g.granted, g.smallRun, g.deficit = nil, nil, false, 0, min(g.deficit, 0)
}

// drop takes a flow off its list for good, if it stands on one. Its owner sends nothing to the inbox
// any more, so that what was there of it is gone as well. It reports whether Wake must be called.
func (s *scheduler) drop(f *flow) (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect()
	switch {
	case f.list == nil:
	case f.list == &f.group.held:
		f.group.letGo(f)
	default:
		s.unlink(f)
		s.retire(f.group)
	}
	wake = s.account(f, 0)
	s.collect()
	return wake
}

// next takes the flow whose turn it is, with the bytes it may send, or nil if none is ready. If
// then nothing is ready at all and last is set, because Output is about to return 0, the scheduler
// becomes idle; if it does not, something has come just now. hold says that the flow must not send new text.
func (s *scheduler) next(last bool) (f *flow, budget int, hold, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect()
	if s.flows == 0 {
		return nil, 0, false, last && s.fallIdle()
	}
	s.controlRun = 0
	for {
		g := s.groups
		if g.small.head == nil && g.bulk.head == nil {
			s.groups = g.next // its flows are all in service, in concurrent calls
			continue
		}
		if !g.granted {
			g.deficit += groupQuantum
			g.granted = true
		}
		if g.deficit > 0 {
			break
		}
		g.granted = false
		s.groups = g.next // its turn is over
	}
	g := s.groups
	f, quantum := g.choose()
	s.unlink(f)
	g.inService++
	if f.deficit <= 0 {
		f.deficit += quantum
	}
	return f, min(max(int(f.deficit), 1), g.deficit), g.full.Load() && !f.small, false
}

// choose returns the flow of g to serve and its quantum.
func (g *group) choose() (*flow, int32) {
	if g.small.head != nil && (g.smallRun < smallRunMax || g.bulk.head == nil) {
		g.smallRun++
		return g.small.head, smallQuantum
	}
	g.smallRun = 0
	return g.bulk.head, flowQuantum
}

// service is what a flow did in its turn.
type service struct {
	used     int  // bytes sent
	largest  int  // length of the largest packet
	more     bool // it is still ready, or held
	held     bool // it has only new text left, which it must not send now
	standing int  // see flow
}

// done ends the service of f. If there is more it stays scheduled, at the front if its turn is not
// over. The owner holds its lock and takes note of more: a flow without is idle.
func (s *scheduler) done(f *flow, sv service) (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wake = s.account(f, sv.standing)
	s.collect()
	g := f.group
	g.inService--
	g.deficit -= sv.used
	f.deficit -= int32(sv.used)
	if sv.used > 0 && !sv.held {
		f.small = sv.largest <= smallPacket
	}
	switch {
	case sv.held && g.hold(f):
		s.retire(g)
		return wake
	case !sv.more:
		s.retire(g)
		return wake
	}
	s.link(f, f.deficit > 0)
	return s.inbox.endIdle() || wake
}
