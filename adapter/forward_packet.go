package adapter

import (
	"net"

	"vpngw/ourstack"
)

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
