package ourstack

import (
	"net/netip"
	"sync"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Event is a set of things that happened to a connection or socket.
type Event = tcp.Event

// Notifier is told when something happened to a connection.
type Notifier interface {
	// Notify is called without locks held, from whatever goroutine caused the event, which may be
	// one that is inside a call on the same connection. It must not block. Events are hints:
	// the state may have changed again.
	Notify(Event)
}

// Conn is a TCP connection: a tcp.Conn behind a mutex. All methods are safe for concurrent use and
// none blocks. Those that take now may change what there is to send or when.
//
// A connection lives until both ends are closed or one is aborted; its owner must call Close or
// Abort. After that only the error results remain.
type Conn struct {
	stack  *Stack
	remote *remote
	tuple  tcp.Tuple
	flow   flow  // scheduler.mu guards it
	timer  timer // deadlines.mu guards it

	listener *Listener // where it came from; nil for other connections
	halfLink connLink  // Listener.mu guards it
	waitLink connLink  // timeWait.mu guards it

	mu sync.Mutex
	// mu guards the fields below.
	tcb      *tcp.Conn   // nil while nothing moves: see rest.go
	idle     *tcp.Idle   // what is left of it then
	queued   bool        // flow is on a list of the scheduler or in service
	held     bool        // flow may be on the list of those that must not send new text
	standing int         // what the scheduler knows of tcb.Standing
	armed    tcp.Instant // timer is set for a time not later than this; 0 if it is not
	waiting  bool        // TIME-WAIT was noted
	detached bool        // no longer in the tables: nothing will be sent or received
	notifier Notifier
	missed   Event // events that happened before there was a notifier
}

// aftermath is what remains to be done for a connection once its lock is released.
type aftermath struct {
	conn        *Conn
	notifier    Notifier
	events      Event
	wake        bool
	established bool // offer it to its listener
	timeWait    bool // it entered TIME-WAIT
	released    bool // forget it
}

// newConn makes a connection that is not yet in the tables. Its mutex is locked.
func (s *Stack) newConn(r *remote, t tcp.Tuple, l *Listener, iss seqnum.Value) *Conn {
	c := &Conn{stack: s, remote: r, tuple: t, listener: l}
	c.halfLink.conn, c.waitLink.conn = c, c
	c.flow = flow{source: c, group: &r.group, small: true}
	c.timer.owner = c
	c.mu.Lock()
	c.tcb = s.newTCB()
	c.tcb.Init(&r.cfg, t, iss, s.tsOffset(t))
	return c
}

// finish follows up on calls made on c.tcb under c.mu, and releases it.
func (c *Conn) finish() {
	a := c.aftermath()
	c.mu.Unlock()
	c.stack.carryOut(&a)
}

// aftermath schedules what calls on c.tcb made ready and returns the rest. c.mu is held.
func (c *Conn) aftermath() aftermath {
	a := aftermath{conn: c, events: c.tcb.TakeEvents()}
	if c.detached {
		a.notifier = c.recipient(&a)
		return a
	}
	c.schedule(&a)
	c.rearm(&a)
	c.track(&a)
	a.notifier = c.recipient(&a)
	return a
}

// schedule tells the scheduler what has changed.
func (c *Conn) schedule(a *aftermath) {
	out := &c.stack.out
	if n := c.tcb.Standing(); n != c.standing && (n == 0 || max(n-c.standing, c.standing-n) >= standingStep) {
		c.standing = n
		a.wake = out.account(&c.flow, n)
	}
	switch {
	case !c.tcb.Pending():
	case !c.queued:
		c.queued = true
		a.wake = out.push(&c.flow) || a.wake
	case c.held:
		c.held = false
		a.wake = out.rouse(&c.flow) || a.wake
	}
}

// recipient returns whom to tell of a.events, which are kept if there is nobody yet.
func (c *Conn) recipient(a *aftermath) Notifier {
	if c.notifier == nil {
		c.missed |= a.events
		return nil
	}
	return c.notifier
}

// rearm sets the timer if the deadline moved earlier than what it is set for.
func (c *Conn) rearm(a *aftermath) {
	at := c.tcb.Deadline()
	if at != 0 && (c.armed == 0 || at < c.armed) {
		c.armed = at
		if c.stack.deadlines.set(&c.timer, at) {
			a.wake = true
		}
	}
}

// track notes the milestones of the connection's life.
func (c *Conn) track(a *aftermath) {
	if a.events&tcp.EventConnected != 0 && c.listener != nil {
		a.established = true
	}
	if !c.waiting && c.tcb.State() == tcp.StateTimeWait {
		c.waiting, a.timeWait = true, true
	}
	if a.events&tcp.EventReleased != 0 || c.tcb.Released() {
		c.detached, a.released = true, true
	}
}

// carryOut does what must be done without locks.
func (s *Stack) carryOut(a *aftermath) {
	if a.released {
		s.forget(a.conn)
	}
	if a.established {
		a.conn.listener.offer(a.conn)
	}
	if a.timeWait && !a.released {
		s.timeWait.add(a.conn)
	}
	if a.wake {
		s.wake()
	}
	if a.events != 0 && a.notifier != nil {
		a.notifier.Notify(a.events)
	}
}

// forget removes a detached connection from all tables.
func (s *Stack) forget(c *Conn) {
	s.table.removeConn(c)
	s.deadlines.stop(&c.timer)
	wake := s.out.drop(&c.flow)
	s.timeWait.remove(c)
	if c.listener != nil {
		c.listener.lost(c)
	}
	unreserve(&s.connCount, &c.remote.conns)
	c.remote.release()
	if wake {
		s.wake()
	}
}

// expire implements expirer.
func (c *Conn) expire(now tcp.Instant) {
	c.lock()
	c.armed = 0
	if at := c.tcb.Deadline(); at != 0 && at <= now && !c.detached {
		c.tcb.HandleTimeout(now)
	}
	a := c.aftermath()
	c.rest()
	c.mu.Unlock()
	c.stack.carryOut(&a)
}

// emit implements source: it lets the connection write segments into out.
func (c *Conn) emit(out *batch, budget int) {
	c.lock()
	ip := wire.IPv4{DF: true, TTL: c.tcb.TTL(), Protocol: wire.ProtoTCP, Src: c.tuple.Local.Addr, Dst: c.tuple.Remote.Addr}
	tos := c.tcb.TOS()
	c.tcb.Hold(out.hold)
	used, largest := 0, 0
	for !c.detached && !out.full() && used < budget {
		b := out.room()
		n, ecn := c.tcb.PollSegment(out.now, b[wire.IPv4MinHeaderLen:])
		if n == 0 {
			break
		}
		// RFC 6864 §4.1: the ID of an atomic datagram, which DF makes it, has no
		// meaning and may be any value.
		ip.TOS, ip.TotalLen = tos|ecn, wire.IPv4MinHeaderLen+n
		ip.Put(b)
		out.add(ip.TotalLen)
		used += ip.TotalLen
		largest = max(largest, ip.TotalLen)
	}
	c.held = !c.detached && !c.tcb.Pending() && c.tcb.HeldBack()
	c.queued = !c.detached && c.tcb.Pending() || c.held
	if c.standing = 0; !c.detached {
		c.standing = c.tcb.Standing()
	}
	wake := c.stack.out.done(&c.flow, service{used, largest, c.queued, c.held, c.standing})
	out.after = c.aftermath()
	out.wake = wake
	c.mu.Unlock()
}

// SetNotifier says whom to tell of events; nil for nobody. Events since the connection began that
// nobody was told of are reported before it returns.
func (c *Conn) SetNotifier(n Notifier) {
	c.mu.Lock()
	c.notifier = n
	missed := c.missed
	if n != nil {
		c.missed = 0
	}
	c.mu.Unlock()
	if n != nil && missed != 0 {
		n.Notify(missed)
	}
}

// LocalAddr returns the local end: for a forwarded connection the destination that the client chose.
func (c *Conn) LocalAddr() netip.AddrPort { return addrPort(c.tuple.Local) }

// RemoteAddr returns the other end.
func (c *Conn) RemoteAddr() netip.AddrPort { return addrPort(c.tuple.Remote) }
