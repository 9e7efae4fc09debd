package ourstack

import (
	"net/netip"
	"sync"

	"vpngw/ourstack/tcp"
)

// Listener accepts connections to an own address: LISTEN of RFC 9293 §3.10.7.2.
//
//	SYN ──► SYN queue (SYN-RECEIVED) ── ACK ──► accept queue ──► Accept
//	  └───► full: SYN cookie ─────────── ACK ──────┘
//
// A connection in the SYN queue has its place in the accept queue: a handshake that was answered
// with state never fails for want of room. When the accept queue itself is full, SYNs and the ACKs
// of cookies are dropped in silence, and the client's retransmission tries again.
type Listener struct {
	stack   *Stack
	local   tcp.Endpoint
	backlog int

	mu sync.Mutex
	// mu guards the fields below.
	half       connList
	accepted   []*Conn // established, oldest first
	notify     func()
	closed     bool
	lastCookie tcp.Instant // when a cookie was last sent; 0 if never
}

// Listen makes a listener on an own address and port; the zero address means every own address.
// Port 0 chooses one. backlog bounds the connections that wait for Accept, 1–4096; values beyond are
// clamped. Errors: ErrAddrNotAvailable, ErrAddrInUse, ErrClosed.
func (s *Stack) Listen(local netip.AddrPort, backlog int) (*Listener, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	e, err := s.localEndpoint(local)
	if err != nil {
		return nil, err
	}
	l := &Listener{stack: s, local: e, backlog: min(max(backlog, 1), maxBacklog)}
	l.half.init()
	if err := s.addListener(l); err != nil {
		return nil, err
	}
	if s.closed.Load() { // and Close may not have seen it
		s.table.removeListener(l)
		return nil, ErrClosed
	}
	return l, nil
}

// addListener enters l in the table, with a free port if it has none.
func (s *Stack) addListener(l *Listener) error {
	if l.local.Port != 0 {
		if !s.table.addListener(l) {
			return ErrAddrInUse
		}
		return nil
	}
	port := s.ports.choose(l.local, tcp.Endpoint{}, func(port uint16) bool {
		l.local.Port = port
		return !s.table.portListened(l.local.Addr, port) && s.table.addListener(l)
	})
	if port == 0 {
		return ErrAddrNotAvailable
	}
	return nil
}

// Addr returns the local endpoint; its address is 0.0.0.0 if it listens on every own address.
func (l *Listener) Addr() netip.AddrPort { return addrPort(l.local) }

// Accept returns the next established connection: ErrWouldBlock if there is none, ErrClosed after
// Close. It does not block.
func (l *Listener) Accept() (*Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	if len(l.accepted) == 0 {
		return nil, ErrWouldBlock
	}
	c := l.accepted[0]
	l.accepted[0] = nil
	l.accepted = l.accepted[1:]
	if len(l.accepted) == 0 {
		l.accepted = nil
	}
	return c, nil
}

// SetNotify says what to call when Accept has something new; nil for nothing. If it has something
// already, notify is called at once. It is called without locks held and must not block.
func (l *Listener) SetNotify(notify func()) {
	l.mu.Lock()
	l.notify = notify
	ready := len(l.accepted) > 0
	l.mu.Unlock()
	if notify != nil && ready {
		notify()
	}
}

// Close stops listening and aborts the connections that nobody has accepted.
func (l *Listener) Close(now tcp.Instant) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	orphans := l.accepted
	l.accepted = nil
	for c := l.half.oldest(); c != nil; c = l.half.oldest() {
		l.half.remove(&c.halfLink)
		orphans = append(orphans, c)
	}
	notify := l.notify
	l.mu.Unlock()
	l.stack.table.removeListener(l)
	for _, c := range orphans {
		c.Abort(now)
	}
	if notify != nil {
		notify()
	}
}

// synAction is what a listener does with a SYN.
type synAction uint8

const (
	synDrop    synAction = iota // the accept queue is full or the listener closed
	synAdmit                    // a place in the SYN queue
	synCookies                  // no place: answer with a cookie
)

// admit decides what to do with a SYN.
func (l *Listener) admit(now tcp.Instant) synAction {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed || len(l.accepted) >= l.backlog:
		return synDrop
	case l.half.n < l.stack.limits.SynQueue:
		return synAdmit
	default:
		l.lastCookie = now
		return synCookies
	}
}

// enqueue puts c, for which admit gave a place, in the SYN queue; false if the listener was closed.
// Several SYNs at once may exceed the queue by as many; that is bounded by the callers.
func (l *Listener) enqueue(c *Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.half.add(&c.halfLink)
	return true
}

// offer moves an established connection from the SYN queue to the accept queue.
func (l *Listener) offer(c *Conn) {
	l.mu.Lock()
	if !l.half.remove(&c.halfLink) || l.closed {
		l.mu.Unlock()
		return
	}
	l.accepted = append(l.accepted, c)
	notify := l.notify
	l.mu.Unlock()
	if notify != nil {
		notify()
	}
}

// lost is called when c is forgotten, whatever became of it.
func (l *Listener) lost(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.half.remove(&c.halfLink)
}

// expectsCookie reports whether an ACK may carry a cookie: one was sent not long ago. Otherwise
// every stray ACK would be a guess at one. room tells whether the accept queue could take it.
func (l *Listener) expectsCookie(now tcp.Instant) (expected, room bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	expected = !l.closed && l.lastCookie != 0 && now.Sub(l.lastCookie) < 2*cookieLifetime
	return expected, len(l.accepted) < l.backlog
}
