package ourstack

import (
	"net/netip"

	"vpngw/ourstack/tcp"
)

// OpenForwardUDP makes the forwarded socket of a client's endpoint without waiting for a datagram of
// it: others may then send to the client first. It takes the place of the socket that is there, if
// any: what the client sends from now on comes here, while the other one can still send to the client
// until it is closed. Errors: ErrUnreachable, ErrLimit, ErrClosed.
func (s *Stack) OpenForwardUDP(client netip.AddrPort) (*UDPSocket, error) {
	e, err := remoteEndpoint(client)
	if err != nil {
		return nil, err
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	rem := s.acquireRemote(e.Addr)
	if !reserve(&s.udp.count, s.limits.UDPSockets, &rem.udpFlows, s.limits.UDPSocketsPerRemote) {
		rem.release()
		return nil, ErrLimit
	}
	u := s.newUDPSocket(tcp.Endpoint{}, e)
	u.forwarded, u.remote = true, rem
	s.udp.put(u)
	if s.closed.Load() { // and Close may not have seen it
		u.Close()
		return nil, ErrClosed
	}
	return u, nil
}

// put enters u in place of what is there.
func (t *udpTable) put(u *UDPSocket) {
	mu, m, k := t.place(u)
	mu.Lock()
	m[k] = u
	mu.Unlock()
}
