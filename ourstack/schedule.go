package ourstack

import "sync"

// scheduler decides who sends next: deficit round robin first over remote addresses, then over
// the flows of one. It holds flows, not packets.
//
//	groups ──► group (remote address) ──► small: flows expected to send pure ACKs
//	      │                          └──► bulk:  all others
//	      └──► group …
//
// A flow that becomes ready is pushed; Output takes one with next, lets it emit, and gives it back
// with done. A flow is on a list or in service or idle; which of them is known to its owner, who
// pushes only an idle flow (see Conn.queued).
type scheduler struct {
	mu     sync.Mutex
	groups *group // ring, from the group whose turn it is; nil when empty
	flows  int    // on lists

	control    controlQueue
	controlRun int // control packets since the last flow was served

	// idle is set in the same critical section in which Output finds nothing, and cleared by the
	// push that calls Wake: so no flow can become ready unnoticed in between.
	idle bool
}

// group is the turn of one remote address. It stands on the ring while a flow of it is ready or in
// service. scheduler.mu guards it.
type group struct {
	next, prev *group // ring; nil when not on it
	small      flowList
	bulk       flowList
	deficit    int  // bytes it may still send in this turn
	granted    bool // its quantum for this turn was added
	smallRun   int  // small flows served since the last bulk flow
	inService  int  // flows that Output has taken and not yet given back
	loopback   bool // immutable: the address is an own one

	// Bulk flows send no new text while too much of what was sent stands in queues on the way.
	standing int      // bytes, of all its flows
	delayed  int      // flows of which some stand
	full     bool     // standing has reached standingLimit, and has not fallen clearly below it since
	held     flowList // flows that wait for that; they are not ready
}

// flow is one source of packets: a connection, or the datagrams of a socket to one address.
type flow struct {
	source  source
	group   *group
	next    *flow
	prev    *flow
	list    *flowList // the list it stands on
	deficit int       // bytes it may still send in its turn
	small   bool      // it sent only small packets last time

	standing int // bytes that stand in queues on the way, see [tcp.Conn.Standing]
}

// source produces packets.
type source interface {
	// emit writes packets to out until about budget bytes are written, out is full or nothing is
	// left, and then calls scheduler.done exactly once, all under the lock of the source.
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

// push puts an idle flow on its list. It reports whether Wake must be called.
func (s *scheduler) push(f *flow) (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.deficit = 0
	s.link(f, false)
	wake, s.idle = s.idle, false
	return wake
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

// drop takes a flow off its list for good, if it stands on one. It reports whether Wake must be called.
func (s *scheduler) drop(f *flow) (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case f.list == nil:
	case f.list == &f.group.held:
		f.list.remove(f)
	default:
		s.unlink(f)
		s.retire(f.group)
	}
	return s.setStanding(f, 0)
}

// next takes the flow whose turn it is, with the bytes it may send, or nil if none is ready. If
// then nothing is ready at all and last is set, because Output is about to return 0, the scheduler
// becomes idle. hold says that the flow must not send new text.
func (s *scheduler) next(last bool) (f *flow, budget int, hold, idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flows == 0 {
		s.idle = last && s.control.empty()
		return nil, 0, false, s.idle
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
	return f, min(max(f.deficit, 1), g.deficit), g.full && !f.small, false
}

// choose returns the flow of g to serve and its quantum.
func (g *group) choose() (*flow, int) {
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
	g := f.group
	g.inService--
	g.deficit -= sv.used
	f.deficit -= sv.used
	wake = s.setStanding(f, sv.standing)
	if sv.used > 0 && !sv.held {
		f.small = sv.largest <= smallPacket
	}
	switch {
	case sv.held && g.full:
		g.held.pushBack(f)
		s.retire(g)
		return wake
	case !sv.more:
		s.retire(g)
		return wake
	}
	s.link(f, f.deficit > 0)
	wake, s.idle = wake || s.idle, false
	return wake
}

// rouse makes a flow ready that may be held, because it has something else than new text.
func (s *scheduler) rouse(f *flow) (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.list == nil || f.list != &f.group.held {
		return false
	}
	f.list.remove(f)
	s.link(f, false)
	wake, s.idle = s.idle, false
	return wake
}

// account notes how many bytes of f stand in queues.
func (s *scheduler) account(f *flow, standing int) (wake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setStanding(f, standing)
}

// setStanding is account under the lock. When the queues of a group have become shorter, the flows
// that were held are ready.
func (s *scheduler) setStanding(f *flow, standing int) (wake bool) {
	g := f.group
	if (standing > 0) != (f.standing > 0) {
		if standing > 0 {
			g.delayed++
		} else {
			g.delayed--
		}
	}
	g.standing += standing - f.standing
	f.standing = standing
	limit := g.standingLimit()
	if g.standing >= limit {
		g.full = true
		return false
	}
	if !g.full || g.standing > limit-limit/8 {
		return false
	}
	g.full = false
	for h := g.held.head; h != nil; h = g.held.head {
		g.held.remove(h)
		s.link(h, false)
		wake = true
	}
	if !wake {
		return false
	}
	wake, s.idle = s.idle, false
	return wake
}

// standingLimit is how many bytes of g may stand in queues.
func (g *group) standingLimit() int {
	return min(standingMin+g.delayed*standingPerFlow, standingMax)
}
