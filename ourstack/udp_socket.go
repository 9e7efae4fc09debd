package ourstack

import (
	"net/netip"
	"sync"

	"vpngw/ourstack/tcp"
)

// UDPSocket is a UDP socket. There are three kinds:
//
//   - bound (ListenUDP): receives from everybody, sends to everybody;
//   - connected (DialUDP): receives from and sends to one peer, and is told of ICMP errors;
//   - forwarded (UDPRequest.Accept): talks to one client on behalf of any destination: what it
//     receives has the destination as its local address, what it sends the address it
//     is given as the source.
//
// All methods are safe for concurrent use and none blocks.
type UDPSocket struct {
	stack     *Stack
	local     tcp.Endpoint // Addr is zero for any own address; all zero if forwarded
	peer      tcp.Endpoint // zero if bound
	forwarded bool
	remote    *remote // of a forwarded flow, which it counts for
	out       sendQueue

	mu sync.Mutex
	// mu guards the fields below.
	in      receiveQueue
	quotes  []quote // of a forwarded flow
	notify  func(Event)
	closed  bool
	lastIn  tcp.Instant
	lastOut tcp.Instant
}

// quote is the start of the last packet of a client to one destination.
type quote struct {
	to  tcp.Endpoint
	at  tcp.Instant
	n   uint8
	pkt [quoteMax]byte
}

// ListenUDP makes a bound socket. The zero address means every own address, port 0 a free one.
// Errors: ErrAddrNotAvailable, ErrAddrInUse, ErrLimit, ErrClosed.
func (s *Stack) ListenUDP(local netip.AddrPort) (*UDPSocket, error) {
	e, err := s.localEndpoint(local)
	if err != nil {
		return nil, err
	}
	return s.openUDP(e, tcp.Endpoint{})
}

// DialUDP makes a connected socket. The address and port of local may be zero. Errors as for
// ListenUDP, and ErrUnreachable.
func (s *Stack) DialUDP(local, remote netip.AddrPort) (*UDPSocket, error) {
	peer, err := remoteEndpoint(remote)
	if err != nil {
		return nil, err
	}
	e, err := s.localEndpoint(local)
	if err != nil {
		return nil, err
	}
	if e.Addr.IsUnspecified() {
		a, ok := s.sourceFor(peer.Addr)
		if !ok {
			return nil, ErrAddrNotAvailable
		}
		e.Addr = a
	}
	return s.openUDP(e, peer)
}

func (s *Stack) openUDP(local, peer tcp.Endpoint) (*UDPSocket, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if s.udp.count.Add(1) > int64(s.limits.UDPSockets) {
		s.udp.count.Add(-1)
		return nil, ErrLimit
	}
	u := s.newUDPSocket(local, peer)
	if err := s.addUDP(u); err != nil {
		s.udp.count.Add(-1)
		return nil, err
	}
	if s.closed.Load() { // and Close may not have seen it
		u.Close()
		return nil, ErrClosed
	}
	return u, nil
}

// addUDP enters u in the table, with a free port if it has none.
func (s *Stack) addUDP(u *UDPSocket) error {
	if u.local.Port != 0 {
		if !s.udp.add(u) {
			return ErrAddrInUse
		}
		return nil
	}
	port := s.ports.choose(u.local, u.peer, func(port uint16) bool {
		u.local.Port = port
		return s.udp.add(u)
	})
	if port == 0 {
		return ErrAddrNotAvailable
	}
	return nil
}

func (s *Stack) newUDPSocket(local, peer tcp.Endpoint) *UDPSocket {
	u := &UDPSocket{stack: s, local: local, peer: peer}
	u.in.limit = s.limits.UDPReceiveQueue
	u.out.init(s, s.limits.UDPSendQueue, u.hasRoom)
	if peer == (tcp.Endpoint{}) {
		u.out.keep = udpFlowsKept
	}
	return u
}

// takes reports whether the socket receives from an endpoint.
func (u *UDPSocket) takes(from tcp.Endpoint) bool { return u.peer == tcp.Endpoint{} || u.peer == from }

// deliver queues the datagram in hand.
func (u *UDPSocket) deliver(in *input, from, to tcp.Endpoint) dropReason {
	r := received{from: from, to: to, ttl: in.ip.TTL, tos: in.ip.TOS, df: in.ip.DF}
	if n := len(in.udp.Payload); n > 0 {
		if r.buf = u.stack.packets.get(n); r.buf == nil {
			return dropUDPMemory
		}
		copy(r.buf.b, in.udp.Payload)
	}
	u.mu.Lock()
	u.lastIn = in.now
	if u.forwarded {
		u.remember(in.now, to, in.raw)
	}
	queued := !u.closed && u.in.push(r)
	full := u.in.used > u.in.limit/2
	u.mu.Unlock()
	if !queued {
		if r.buf != nil {
			u.stack.packets.put(r.buf)
		}
		return dropUDPQueue
	}
	in.datagrams++
	if in.udpRun != u {
		in.endUDPRun()
		in.udpRun = u
	}
	if full {
		in.endUDPRun()
	}
	return accepted
}

// endUDPRun tells the socket of the last datagrams of them. One call for a run of datagrams, rather
// than one for each, lets their reader take them together.
func (in *input) endUDPRun() {
	u := in.udpRun
	if u == nil {
		return
	}
	in.udpRun = nil
	u.mu.Lock()
	notify := u.notify
	u.mu.Unlock()
	if notify != nil {
		notify(tcp.EventReadable)
	}
}

// remember keeps the start of the client's last packet to a destination. u.mu is held.
func (u *UDPSocket) remember(now tcp.Instant, to tcp.Endpoint, pkt []byte) {
	q := u.quoteOf(to)
	if q == nil {
		if len(u.quotes) < maxQuotes {
			u.quotes = append(u.quotes, quote{})
			q = &u.quotes[len(u.quotes)-1]
		} else {
			q = &u.quotes[0]
			for i := range u.quotes {
				if u.quotes[i].at < q.at {
					q = &u.quotes[i]
				}
			}
		}
		q.to = to
	}
	q.at = now
	q.n = uint8(copy(q.pkt[:], pkt))
}

// quoteOf returns what remember kept, or nil. u.mu is held.
func (u *UDPSocket) quoteOf(to tcp.Endpoint) *quote {
	for i := range u.quotes {
		if u.quotes[i].to == to {
			return &u.quotes[i]
		}
	}
	return nil
}

// deliverError queues an error about a datagram that was sent from ours to the peer.
func (u *UDPSocket) deliverError(peer, ours tcp.Endpoint, err error) {
	u.mu.Lock()
	queued := !u.closed && u.in.push(received{from: peer, to: ours, err: err})
	notify := u.notify
	u.mu.Unlock()
	if queued && notify != nil {
		notify(tcp.EventReadable)
	}
}

// ReadFrom moves the oldest datagram to p and returns its length, or as much as p holds; the rest is
// lost. from is its source, to its destination: for a forwarded flow the one that the client chose.
// Errors: ErrWouldBlock, ErrClosed, or that of an ICMP error about a datagram which was sent from
// "to" to "from": tcp.ErrRefused for a closed port, tcp.ErrHostUnreachable and so on.
func (u *UDPSocket) ReadFrom(p []byte) (n int, from, to netip.AddrPort, err error) {
	u.mu.Lock()
	r, ok := u.in.pop()
	closed := u.closed
	u.mu.Unlock()
	switch {
	case closed:
		return 0, from, to, ErrClosed
	case !ok:
		return 0, from, to, ErrWouldBlock
	}
	if r.buf != nil {
		n = copy(p, r.buf.b)
		u.stack.packets.put(r.buf)
	}
	return n, addrPort(r.from), addrPort(r.to), r.err
}

// WriteTo queues a datagram of at most 65507 bytes, which is fragmented if it exceeds the MTU. p is
// copied. to is where it goes, zero for the peer of a connected or forwarded socket. from is its
// source: zero for the socket's own address; a forwarded flow must give it and may give any
// address, others one of the stack's. Errors: ErrWouldBlock when the queue of the socket is full
// (EventWritable tells when it is not), ErrMessageTooLong, ErrUnreachable, ErrAddrNotAvailable,
// ErrLimit when the memory of all sockets is used up, ErrClosed.
func (u *UDPSocket) WriteTo(now tcp.Instant, p []byte, from, to netip.AddrPort) error {
	d, err := u.compose(p, from, to)
	if err != nil {
		return err
	}
	if err := u.out.push(d); err != nil {
		return err
	}
	u.wrote(now, 1)
	return nil
}

// destination checks where WriteTo may send to.
func (u *UDPSocket) destination(to netip.AddrPort) (tcp.Endpoint, error) {
	if u.peer == (tcp.Endpoint{}) {
		return remoteEndpoint(to)
	}
	if to.IsValid() {
		if e, ok := endpoint(to); !ok || e != u.peer {
			return e, ErrUnreachable
		}
	}
	return u.peer, nil
}

// source checks where WriteTo may send from: "it MUST be possible for an application to specify the
// source address" RFC 1122 §4.1.3.5.
func (u *UDPSocket) source(from netip.AddrPort, dst tcp.Endpoint) (tcp.Endpoint, error) {
	e, ok := endpoint(from)
	if !ok {
		return e, ErrAddrNotAvailable
	}
	if u.forwarded {
		if !isUnicast(e.Addr) || e.Port == 0 {
			return e, ErrAddrNotAvailable
		}
		return e, nil
	}
	if e.Port == 0 {
		e.Port = u.local.Port
	}
	if e.Addr.IsUnspecified() {
		e.Addr = u.local.Addr
	}
	if e.Addr.IsUnspecified() {
		if e.Addr, ok = u.stack.sourceFor(dst.Addr); !ok {
			return e, ErrAddrNotAvailable
		}
	}
	wildcard := u.local.Addr.IsUnspecified()
	if e.Port != u.local.Port || !wildcard && e.Addr != u.local.Addr || !u.stack.isOwn(e.Addr) {
		return e, ErrAddrNotAvailable
	}
	return e, nil
}

// hasRoom is called when the send queue has room again.
func (u *UDPSocket) hasRoom() {
	u.mu.Lock()
	notify := u.notify
	u.mu.Unlock()
	if notify != nil {
		notify(tcp.EventWritable)
	}
}

// SetNotify says whom to tell of EventReadable and EventWritable; nil for nobody. If there is
// something to read already, notify is called before it returns. It is called without locks held and
// must not block.
func (u *UDPSocket) SetNotify(notify func(Event)) {
	u.mu.Lock()
	u.notify = notify
	readable := !u.in.empty()
	u.mu.Unlock()
	if notify != nil && readable {
		notify(tcp.EventReadable)
	}
}

// Unreachable tells the client of a forwarded flow that its last datagram to a destination did not
// arrive: an ICMP error that quotes it. It does nothing if there was none, or for other sockets.
func (u *UDPSocket) Unreachable(now tcp.Instant, to netip.AddrPort, reason Reason) {
	if last, ok := u.lastTo(to); ok {
		u.stack.reject(now, last.pkt[:last.n], last.to.Addr, reason)
	}
}

// lastTo returns a copy of what remember kept of a destination.
func (u *UDPSocket) lastTo(to netip.AddrPort) (last quote, ok bool) {
	e, ok := endpoint(to)
	if !ok {
		return last, false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	q := u.quoteOf(e)
	if q == nil {
		return last, false
	}
	return *q, true
}

// Close discards what was received and frees the local endpoint. What was written is still sent. Who is
// to be notified is told once more, of everything.
func (u *UDPSocket) Close() {
	u.mu.Lock()
	if u.closed {
		u.mu.Unlock()
		return
	}
	u.closed = true
	u.in.clear(&u.stack.packets)
	u.quotes = nil
	notify := u.notify
	u.notify = nil
	u.mu.Unlock()
	u.stack.udp.remove(u)
	u.out.close()
	u.stack.udp.count.Add(-1)
	if u.remote != nil {
		u.remote.udpFlows.Add(-1)
		u.remote.release()
	}
	if notify != nil {
		notify(tcp.EventReadable | tcp.EventWritable)
	}
}

// LocalAddr returns the bound endpoint; its address is 0.0.0.0 for any, and all of it zero for a
// forwarded flow.
func (u *UDPSocket) LocalAddr() netip.AddrPort { return addrPort(u.local) }

// RemoteAddr returns the peer of a connected socket or the client of a forwarded one; otherwise
// 0.0.0.0:0.
func (u *UDPSocket) RemoteAddr() netip.AddrPort { return addrPort(u.peer) }

// LastActivity returns when a datagram last arrived and was last written; 0 if never. A forwarded
// flow that is idle in both directions may be closed (RFC 4787 §4.3).
func (u *UDPSocket) LastActivity() (in, out tcp.Instant) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lastIn, u.lastOut
}
