package adapter

import (
	"context"
	"net"
	"sync"

	"vpngw/ourstack"
)

// Reason says why a forward request is turned down, and so what the client sees.
type Reason = ourstack.Reason

// Reasons. For TCP, RejectRefused is a RST; for UDP and echo requests it is what
// RejectPort is. The ICMP errors quote the client's packet.
const (
	RejectRefused         = ourstack.RejectRefused         // "connection refused"
	RejectNetUnreachable  = ourstack.RejectNetUnreachable  // ICMP 3/0, "network is unreachable"
	RejectHostUnreachable = ourstack.RejectHostUnreachable // ICMP 3/1, "no route to host"
	RejectPort            = ourstack.RejectPort            // ICMP 3/3, "connection refused"
	RejectAdmin           = ourstack.RejectAdmin           // ICMP 3/13, forbidden by policy
	RejectSilent          = ourstack.RejectSilent          // nothing: the client waits, as for a dead host
)

// Fault is an ICMP error from the network behind, to be passed on to a client; see there.
type Fault = ourstack.Fault

// HandleTCP makes f answer connection attempts to addresses that are not local: it
// is called once for each, in a goroutine of its own, and until it (or somebody it
// passes the request to) calls Accept or Reject the client gets no answer at all.
// Retransmitted SYNs belong to the request that is there already. Without a
// handler, and after HandleTCP(nil), they are refused. The number of requests that
// wait is bounded by Limits.ForwardRequests.
func (n *Net) HandleTCP(f func(*TCPRequest)) {
	if f == nil {
		n.stack.SetForwardTCP(nil)
		return
	}
	n.stack.SetForwardTCP(func(r *ourstack.TCPRequest) { go f(&TCPRequest{net: n, req: r}) })
}

// HandleTCPAtOnce is HandleTCP for an f that does not block, and goes on in a goroutine of its own if it has
// to wait. The first request of each batch of packets is handled before the packets behind it, without the
// two wake-ups that another goroutine takes.
func (n *Net) HandleTCPAtOnce(f func(*TCPRequest)) {
	if f == nil {
		n.stack.SetForwardTCP(nil)
		return
	}
	n.stack.SetForwardTCP(func(r *ourstack.TCPRequest) {
		req := &TCPRequest{net: n, req: r}
		if r.First() {
			f(req)
		} else {
			go f(req)
		}
	})
}

// TCPRequest is a client's wish for a connection to an address that is not local.
// It is safe for concurrent use; the first of Accept and Reject counts.
type TCPRequest struct {
	net *Net
	req *ourstack.TCPRequest
	requestContext
}

// LocalAddr is the destination that the client wants, a *net.TCPAddr: it becomes the
// local address of the connection.
func (r *TCPRequest) LocalAddr() net.Addr { return tcpAddr(r.req.Local()) }

// RemoteAddr is the client's address, a *net.TCPAddr.
func (r *TCPRequest) RemoteAddr() net.Addr { return tcpAddr(r.req.Remote()) }

// TTL is the time to live of the client's SYN as it arrived. Who dials sends his own with one less.
func (r *TCPRequest) TTL() int { return r.req.TTL() }

// Context ends when the client gives up (it resets the attempt, or its SYNs stop),
// when the request is rejected, and when the Net is closed. It is meant for the dial
// that decides about the request, and does not end because of Accept.
func (r *TCPRequest) Context() context.Context { return r.context(r.req.SetCancel) }

// Accept answers the client's SYN and returns the connection at once: the handshake
// completes in the background, and data may be written meanwhile. It fails when
// the client has given up (ECONNABORTED), when the request was answered before, or
// when the Net is closed.
func (r *TCPRequest) Accept() (*TCPConn, error) {
	sc, err := create(r.net, r.req.Accept)
	if err != nil {
		return nil, opError("accept", "tcp", r.RemoteAddr(), r.LocalAddr(), err)
	}
	return newTCPConn(r.net, sc), nil
}

// Reject turns the request down.
func (r *TCPRequest) Reject(reason Reason) {
	r.req.Reject(r.net.now(), reason)
	r.end()
}

// Fail turns the request down with an ICMP error from the network behind, which quotes the SYN.
func (r *TCPRequest) Fail(f Fault) {
	r.req.Fail(r.net.now(), f)
	r.end()
}

// requestContext is the context of a request, made when somebody asks for it.
type requestContext struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
	ended  bool
}

// context returns the context. onCancel registers a function for the client's giving up.
func (c *requestContext) context(onCancel func(func())) context.Context {
	c.mu.Lock()
	if c.ctx != nil {
		defer c.mu.Unlock()
		return c.ctx
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.ctx, c.cancel = ctx, cancel
	if c.ended {
		cancel()
	}
	c.mu.Unlock()
	onCancel(cancel) // not under the lock: it may call cancel at once
	return ctx
}

// end ends the context, also one that is asked for later.
func (c *requestContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.cancel != nil {
		c.cancel()
	}
}
