package adapter

import (
	"net"
	"net/netip"
	"sync/atomic"

	"vpngw/ourstack"
)

// echoHandlersMax is how many echo requests are with the handler at a time; more are dropped, as on
// a busy network. TCP and UDP requests are bounded by the stack's limits.
const echoHandlersMax = 256

// HandleUDP makes f answer UDP clients that send to addresses which are not local: it is called
// once for each client socket (source address and port, whatever the destination: RFC 4787), in a
// goroutine of its own. The client's datagrams wait until Accept or Reject is called, but for half a
// minute at most. Without a handler, and after HandleUDP(nil), clients get ICMP port unreachable.
func (n *Net) HandleUDP(f func(*UDPRequest)) {
	if f == nil {
		n.stack.SetForwardUDP(nil)
		return
	}
	n.stack.SetForwardUDP(func(r *ourstack.UDPRequest) { go f(&UDPRequest{net: n, req: r}) })
}

// UDPRequest is the first datagram of a client socket to an address that is not local. It is safe
// for concurrent use; the first of Accept and Reject counts.
type UDPRequest struct {
	net *Net
	req *ourstack.UDPRequest
}

// LocalAddr is the destination of the datagram, a *net.UDPAddr.
func (r *UDPRequest) LocalAddr() net.Addr { return udpAddr(r.req.Local()) }

// RemoteAddr is the client's address, a *net.UDPAddr.
func (r *UDPRequest) RemoteAddr() net.Addr { return udpAddr(r.req.Remote()) }

// Accept returns a UDPConn for all that the client socket sends, to whatever destination; see there
// for what its addresses are. The datagrams so far are the first that it reads. It lives until Close:
// when nothing was exchanged for some time, the caller should close it, and the client's next
// datagram makes a new request. It fails if the request was answered before or dropped.
func (r *UDPRequest) Accept() (*UDPConn, error) {
	s, err := create(r.net, r.req.Accept)
	if err != nil {
		return nil, opError("accept", "udp", r.RemoteAddr(), r.LocalAddr(), err)
	}
	return newUDPConn(r.net, s, r.req.Local()), nil
}

// Reject drops the client's datagrams and tells it so as reason says. Its next datagram makes a new
// request.
func (r *UDPRequest) Reject(reason Reason) { r.req.Reject(r.net.now(), reason) }

// HandleICMP makes f answer echo requests to addresses that are not local, each in a goroutine of its
// own. Echo requests to local addresses are answered by the stack itself. Without a handler, and
// after HandleICMP(nil), requests to others are dropped.
func (n *Net) HandleICMP(f func(*ICMPRequest)) {
	if f == nil {
		n.stack.SetForwardICMP(nil)
		return
	}
	var busy atomic.Int32
	n.stack.SetForwardICMP(func(r *ourstack.ICMPRequest) {
		if busy.Add(1) > echoHandlersMax {
			busy.Add(-1)
			return
		}
		go func() {
			defer busy.Add(-1)
			f(&ICMPRequest{net: n, req: r})
		}()
	})
}

// ICMPRequest is an echo request to an address that is not local. One of Reply, Reject and
// TimeExceeded may be called, later than the handler returns and from any goroutine; a request
// that is never answered is simply forgotten.
type ICMPRequest struct {
	net *Net
	req *ourstack.ICMPRequest
}

// LocalAddr is the address that the client pings, a *net.IPAddr.
func (r *ICMPRequest) LocalAddr() net.Addr { return ipAddr(r.req.Local()) }

// RemoteAddr is the client's address, a *net.IPAddr.
func (r *ICMPRequest) RemoteAddr() net.Addr { return ipAddr(r.req.Remote()) }

// ID returns the identifier, which stands for a process of the client.
func (r *ICMPRequest) ID() uint16 { return r.req.ID }

// Seq returns the sequence number.
func (r *ICMPRequest) Seq() uint16 { return r.req.Seq }

// TTL returns the time to live as it arrived. Who relays the request sends it on with one less.
func (r *ICMPRequest) TTL() int { return int(r.req.TTL) }

// TOS returns the type-of-service byte.
func (r *ICMPRequest) TOS() int { return int(r.req.TOS) }

// Payload returns the data of the request, which must not be changed.
func (r *ICMPRequest) Payload() []byte { return r.req.Payload }

// Reply sends an echo reply with payload, which is copied, as if from the pinged address. An
// error says that it was not sent.
func (r *ICMPRequest) Reply(payload []byte) error {
	return opError("write", "ping", r.LocalAddr(), r.RemoteAddr(), r.req.Reply(r.net.now(), payload))
}

// Reject tells the client as reason says that the address cannot be reached.
func (r *ICMPRequest) Reject(reason Reason) { r.req.Reject(r.net.now(), reason) }

// Fail passes on an ICMP error from the network behind, which quotes the request.
func (r *ICMPRequest) Fail(f Fault) { r.req.Fail(r.net.now(), f) }

// TimeExceeded tells the client that the request's time to live ended at the router hop, which a
// traceroute then shows.
func (r *ICMPRequest) TimeExceeded(hop netip.Addr) { r.req.TimeExceeded(r.net.now(), hop.Unmap()) }

func ipAddr(a netip.Addr) net.Addr { return &net.IPAddr{IP: a.AsSlice()} }
