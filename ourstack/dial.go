package ourstack

import (
	"net/netip"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Dial opens a connection actively (RFC 9293 §3.10.1): the SYN is ready for Output on return.
// EventConnected tells that it is established, EventClosed that it failed, with the reason in Err. The
// address of local may be zero, then the stack chooses (MUST-43, MUST-44), and so may its port
// (RFC 6056). Errors: ErrUnreachable, ErrAddrNotAvailable, ErrAddrInUse, ErrLimit, ErrClosed.
func (s *Stack) Dial(now tcp.Instant, local, remote netip.AddrPort) (*Conn, error) {
	to, err := remoteEndpoint(remote)
	if err != nil {
		return nil, err
	}
	from, err := s.localEndpoint(local)
	if err != nil {
		return nil, err
	}
	if from.Addr.IsUnspecified() {
		a, ok := s.sourceFor(to.Addr)
		if !ok {
			return nil, ErrAddrNotAvailable
		}
		from.Addr = a
	}
	return s.openActive(now, from, to)
}

// DialAs is Dial from any unicast address and port, own or not: a connection that came from there and
// is carried on to a host behind the stack, which sees where it really comes from.
func (s *Stack) DialAs(now tcp.Instant, local, remote netip.AddrPort) (*Conn, error) {
	to, err := remoteEndpoint(remote)
	if err != nil {
		return nil, err
	}
	from, ok := endpoint(local)
	if !ok || !isUnicast(from.Addr) || from.Port == 0 {
		return nil, ErrAddrNotAvailable
	}
	return s.openActive(now, from, to)
}

func (s *Stack) openActive(now tcp.Instant, from, to tcp.Endpoint) (*Conn, error) {
	c, err := s.register(now, from, to)
	if err != nil {
		return nil, err
	}
	s.counters.activeOpens.Add(1)
	c.tcb.OpenActive(now)
	c.finish()
	return c, nil
}

// register makes a connection and enters it in the table, with a port if from has none. Its mutex
// is locked.
func (s *Stack) register(now tcp.Instant, from, to tcp.Endpoint) (*Conn, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	r := s.acquireRemote(to.Addr)
	if !reserve(&s.connCount, s.limits.Conns, &r.conns, s.limits.ConnsPerRemote) {
		r.release()
		return nil, ErrLimit
	}
	c, err := s.registerPort(now, r, from, to)
	if err != nil {
		unreserve(&s.connCount, &r.conns)
		r.release()
		return nil, err
	}
	return s.unlessClosed(c)
}

// unlessClosed returns c, which was just entered in the tables with its mutex locked; if the stack
// was closed meanwhile, and Close may not have seen c, it forgets it.
func (s *Stack) unlessClosed(c *Conn) (*Conn, error) {
	if !s.closed.Load() {
		return c, nil
	}
	c.detached = true
	c.mu.Unlock()
	s.forget(c)
	return nil, ErrClosed
}

func (s *Stack) registerPort(now tcp.Instant, r *remote, from, to tcp.Endpoint) (*Conn, error) {
	enter := func(port uint16) *Conn {
		t := tcp.Tuple{Local: tcp.Endpoint{Addr: from.Addr, Port: port}, Remote: to}
		if t.Local == t.Remote || s.table.taken(t) {
			return nil // a connection of an endpoint with itself would be a simultaneous open
		}
		c := s.newConn(r, t, nil, s.iss(now, t))
		if !s.table.addConn(c, nil) {
			return nil
		}
		return c
	}
	if from.Port != 0 {
		if c := enter(from.Port); c != nil {
			return c, nil
		}
		return nil, ErrAddrInUse
	}
	var c *Conn
	s.ports.choose(from, to, func(port uint16) bool {
		if !s.table.portListened(from.Addr, port) {
			c = enter(port)
		}
		return c != nil
	})
	if c == nil {
		return nil, ErrAddrNotAvailable
	}
	return c, nil
}

// iss returns the initial sequence number for a connection that begins now (RFC 6528).
func (s *Stack) iss(now tcp.Instant, t tcp.Tuple) seqnum.Value { return tcp.ISS(&s.issSecret, t, now) }

// tsOffset returns the offset of the timestamp clock (RFC 7323 §7.1). It is the same for all
// connections between two addresses, so that timestamps keep growing from one connection to the
// next, which RFC 6191 relies on.
func (s *Stack) tsOffset(t tcp.Tuple) uint32 {
	local, remote := tcp.Endpoint{Addr: t.Local.Addr}, tcp.Endpoint{Addr: t.Remote.Addr}
	return uint32(s.tsKey.hash(endpointWord(local), endpointWord(remote)))
}

// isSYN reports a SYN that may open a connection.
func isSYN(seg *wire.TCP) bool {
	return seg.Flags&(wire.FlagSYN|wire.FlagACK|wire.FlagRST|wire.FlagFIN) == wire.FlagSYN
}
