package ourstack

import (
	"net/netip"
	"slices"
	"sync"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// PingSocket sends echo requests from an own address and receives the replies: "a host ... SHOULD also
// implement an application-layer interface for sending an Echo Request and receiving an Echo
// Reply" RFC 1122 §3.2.2.6. The stack chooses the identifier and tells replies apart by it. All methods
// are safe for concurrent use and none blocks.
type PingSocket struct {
	stack *Stack
	local wire.Addr // zero for any own address
	id    uint16
	out   sendQueue

	mu sync.Mutex
	// mu guards the fields below.
	in     receiveQueue
	notify func(Event)
	closed bool
}

// pingTable finds ping sockets by identifier.
type pingTable struct {
	mu sync.RWMutex
	m  map[uint16]*PingSocket
}

func (t *pingTable) init() { t.m = map[uint16]*PingSocket{} }

func (t *pingTable) get(id uint16) *PingSocket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[id]
}

// all returns every socket, by identifier.
func (t *pingTable) all() []*PingSocket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var all []*PingSocket
	for _, p := range t.m {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *PingSocket) int { return int(a.id) - int(b.id) })
	return all
}

// ListenPing makes a ping socket on an own address; the zero address means any. Errors:
// ErrAddrNotAvailable, ErrLimit when all 65536 identifiers are taken, ErrClosed.
func (s *Stack) ListenPing(local netip.Addr) (*PingSocket, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	e, err := s.localEndpoint(netip.AddrPortFrom(local, 0))
	if err != nil {
		return nil, err
	}
	p := &PingSocket{stack: s, local: e.Addr}
	p.in.limit = s.limits.UDPReceiveQueue
	p.out.init(s, s.limits.UDPSendQueue, p.hasRoom)

	if !s.pings.add(p, uint16(s.random.next())) {
		return nil, ErrLimit
	}
	if s.closed.Load() { // and Close may not have seen it
		p.Close()
		return nil, ErrClosed
	}
	return p, nil
}

// add enters p under the first free identifier from id on; false if there is none.
func (t *pingTable) add(p *PingSocket, id uint16) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.m) > 0xFFFF {
		return false
	}
	for t.m[id] != nil {
		id++
	}
	p.id = id
	t.m[id] = p
	return true
}

// ID returns the identifier of the requests that the socket sends.
func (p *PingSocket) ID() uint16 { return p.id }

// LocalAddr returns the address the socket is bound to; 0.0.0.0 for any.
func (p *PingSocket) LocalAddr() netip.Addr { return p.local.Netip() }

// WriteTo queues an echo request with the sequence number seq; payload, at most 65507 bytes, is
// copied. Errors as for UDPSocket.WriteTo.
func (p *PingSocket) WriteTo(_ tcp.Instant, seq uint16, payload []byte, to netip.Addr) error {
	if len(payload) > maxUDPPayload {
		return ErrMessageTooLong
	}
	dst, ok := wire.AddrFrom(to)
	if !ok || !isUnicast(dst) {
		return ErrUnreachable
	}
	src := p.local
	if src.IsUnspecified() {
		if src, ok = p.stack.sourceFor(dst); !ok {
			return ErrAddrNotAvailable
		}
	}
	msg := wire.ICMPv4{Type: wire.ICMPEcho, Payload: payload}
	msg.SetEcho(p.id, seq)
	buf := p.stack.packets.get(wire.ICMPv4HeaderLen + len(payload))
	if buf == nil {
		return ErrLimit
	}
	msg.Put(buf.b)
	return p.out.push(datagram{buf: buf, src: src, dst: dst, protocol: wire.ProtoICMP})
}

// ReadFrom moves the payload of the oldest reply to p and returns its length, sequence number and
// source. Errors: ErrWouldBlock, ErrClosed, or that of an ICMP error about a request, whose
// destination is then from.
func (p *PingSocket) ReadFrom(b []byte) (n int, seq uint16, from netip.Addr, err error) {
	p.mu.Lock()
	r, ok := p.in.pop()
	closed := p.closed
	p.mu.Unlock()
	switch {
	case closed:
		return 0, 0, from, ErrClosed
	case !ok:
		return 0, 0, from, ErrWouldBlock
	}
	if r.buf != nil {
		n = copy(b, r.buf.b)
		p.stack.packets.put(r.buf)
	}
	return n, r.seq, r.from.Addr.Netip(), r.err
}

// SetNotify says whom to tell of EventReadable and EventWritable, as UDPSocket.SetNotify does.
func (p *PingSocket) SetNotify(notify func(Event)) {
	p.mu.Lock()
	p.notify = notify
	readable := !p.in.empty()
	p.mu.Unlock()
	if notify != nil && readable {
		notify(tcp.EventReadable)
	}
}

// Close discards what was received and frees the identifier.
func (p *PingSocket) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	p.in.clear(&p.stack.packets)
	p.mu.Unlock()
	p.out.close()
	p.stack.pings.mu.Lock()
	delete(p.stack.pings.m, p.id)
	p.stack.pings.mu.Unlock()
}

// hasRoom is called when the send queue has room again.
func (p *PingSocket) hasRoom() { p.tell(tcp.EventWritable) }

func (p *PingSocket) tell(e Event) {
	p.mu.Lock()
	notify := p.notify
	p.mu.Unlock()
	if notify != nil {
		notify(e)
	}
}

// queue appends r; false if there is no room.
func (p *PingSocket) queue(r received) bool {
	p.mu.Lock()
	queued := !p.closed && p.in.push(r)
	p.mu.Unlock()
	if queued {
		p.tell(tcp.EventReadable)
	}
	return queued
}

// receiveEchoReply passes an echo reply to the socket that asked.
func (in *input) receiveEchoReply() dropReason {
	p := in.s.pings.get(in.msg.ID())
	if p == nil || !p.local.IsUnspecified() && p.local != in.ip.Dst {
		return dropEchoReply
	}
	r := received{from: tcp.Endpoint{Addr: in.ip.Src}, seq: in.msg.Seq()}
	if n := len(in.msg.Payload); n > 0 {
		if r.buf = in.s.packets.get(n); r.buf == nil {
			return dropEchoQueue
		}
		copy(r.buf.b, in.msg.Payload)
	}
	if !p.queue(r) {
		if r.buf != nil {
			in.s.packets.put(r.buf)
		}
		return dropEchoQueue
	}
	return accepted
}

// errorForPing passes an ICMP error about an echo request to the socket that sent it.
func (in *input) errorForPing(about *wire.IPv4) dropReason {
	var quoted wire.ICMPv4
	if quoted.ParseQuoted(about.Payload) != wire.OK || quoted.Type != wire.ICMPEcho {
		return dropICMPQuote
	}
	p := in.s.pings.get(quoted.ID())
	if p == nil || !in.s.isOwn(about.Src) {
		return dropICMPNoFlow
	}
	p.queue(received{from: tcp.Endpoint{Addr: about.Dst}, seq: quoted.Seq(), err: icmpError(&in.msg)})
	in.s.counters.icmpErrorsDelivered.Add(1)
	return accepted
}
