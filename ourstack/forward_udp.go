package ourstack

import (
	"net/netip"
	"sync/atomic"

	"vpngw/ourstack/tcp"
)

// UDPRequest is the first datagram of a client's socket (source address and port) to an address that
// is not the stack's. Until it is answered, it and those that follow wait in the queue of
// the socket. A request that nobody answers within half a minute is dropped.
type UDPRequest struct {
	socket   *UDPSocket
	to       tcp.Endpoint
	answered atomic.Bool
	timer    timer // deadlines.mu guards it
}

// SetForwardUDP says who handles UDP clients that send to addresses which are not the stack's own;
// nil: they get a port unreachable. handler is called without locks held, from Input, and must
// not block.
func (s *Stack) SetForwardUDP(handler func(*UDPRequest)) {
	if handler == nil || s.closed.Load() {
		s.forwardUDP.Store(nil)
		return
	}
	s.forwardUDP.Store(&handler)
}

// raiseUDPRequest makes a flow of the datagram in hand and passes it to the handler.
func (in *input) raiseUDPRequest(client, to tcp.Endpoint, handler func(*UDPRequest)) dropReason {
	s := in.s
	rem := s.acquireRemote(client.Addr)
	if !reserve(&s.udp.count, s.limits.UDPSockets, &rem.udpFlows, s.limits.UDPSocketsPerRemote) {
		rem.release()
		return dropUDPLimit
	}
	u := s.newUDPSocket(tcp.Endpoint{}, client)
	u.forwarded, u.remote = true, rem
	if !s.udp.add(u) {
		unreserve(&s.udp.count, &rem.udpFlows)
		rem.release()
		return dropUDPLimit // another goroutine made it just now
	}
	if why := u.deliver(in, client, to); why != accepted {
		u.Close()
		return why
	}
	if s.closed.Load() { // and Close may not have seen it
		u.Close()
		return dropClosed
	}
	r := &UDPRequest{socket: u, to: to}
	r.timer.owner = r
	if s.deadlines.set(&r.timer, in.now.Add(udpRequestTimeout)) {
		s.wake()
	}
	s.counters.requestsRaised.Add(1)
	handler(r)
	return accepted
}

// Local returns the destination of the first datagram.
func (r *UDPRequest) Local() netip.AddrPort { return addrPort(r.to) }

// Remote returns the client.
func (r *UDPRequest) Remote() netip.AddrPort { return addrPort(r.socket.peer) }

// Accept returns the socket, with the datagrams received so far in its queue. The caller must
// close it when it is idle. ErrCanceled if the request was answered before or dropped.
func (r *UDPRequest) Accept(tcp.Instant) (*UDPSocket, error) {
	if r.answered.Swap(true) {
		return nil, ErrCanceled
	}
	r.socket.stack.deadlines.stop(&r.timer)
	return r.socket, nil
}

// Reject discards the datagrams; the client is told about the first as reason says. The next one
// raises a new request.
func (r *UDPRequest) Reject(now tcp.Instant, reason Reason) {
	if r.answered.Swap(true) {
		return
	}
	r.socket.stack.deadlines.stop(&r.timer)
	r.socket.Unreachable(now, addrPort(r.to), reason)
	r.socket.Close()
}

// expire implements expirer: nobody answered.
func (r *UDPRequest) expire(tcp.Instant) {
	if r.answered.Swap(true) {
		return
	}
	r.socket.stack.counters.requestsCanceled.Add(1)
	r.socket.Close()
}
