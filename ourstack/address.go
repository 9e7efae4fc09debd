package ourstack

import (
	"net/netip"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// isUnicast reports whether a may be the address of a host somewhere: not 0/8, multicast, reserved
// or broadcast. Loopback passes: a forwarded destination may be this host (the gateway's policy
// decides); as a source it is a martian.
func isUnicast(a wire.Addr) bool {
	return !a.IsZeroNet() && !a.IsMulticast() && !a.IsClassE()
}

// isMartianSource reports sources that no packet may have: "A router SHOULD NOT forward any packet
// that has an invalid IP source address or a source address on network 0 [or] ... on network 127"
// RFC 1812 §5.3.7; multicast and broadcast §5.3.7, RFC 1122 §3.2.1.3; class E is reserved.
func isMartianSource(a wire.Addr) bool { return !isUnicast(a) || a.IsLoopback() }

// isOwn reports whether a is one of the stack's addresses.
func (s *Stack) isOwn(a wire.Addr) bool {
	for _, o := range s.own {
		if o == a {
			return true
		}
	}
	return false
}

// primary is the address from which the stack speaks when nothing else decides; ok is false when
// it has none.
func (s *Stack) primary() (a wire.Addr, ok bool) {
	if len(s.own) == 0 {
		return a, false
	}
	return s.own[0], true
}

// sourceFor chooses the local address of an active open or a datagram towards dst (RFC 9293
// §3.9.1.1, MUST-44): the same address when that is an own one, otherwise the first.
func (s *Stack) sourceFor(dst wire.Addr) (wire.Addr, bool) {
	if s.isOwn(dst) {
		return dst, true
	}
	return s.primary()
}

// addrPort converts e for the users of the package.
func addrPort(e tcp.Endpoint) netip.AddrPort { return netip.AddrPortFrom(e.Addr.Netip(), e.Port) }

// endpoint converts ap. The zero Addr and 0.0.0.0 become the zero address. ok is false for IPv6.
func endpoint(ap netip.AddrPort) (e tcp.Endpoint, ok bool) {
	if !ap.Addr().IsValid() {
		return tcp.Endpoint{Port: ap.Port()}, true
	}
	a, ok := wire.AddrFrom(ap.Addr())
	return tcp.Endpoint{Addr: a, Port: ap.Port()}, ok
}

// localEndpoint converts a local address that a user asked for: the zero address means any.
func (s *Stack) localEndpoint(ap netip.AddrPort) (tcp.Endpoint, error) {
	e, ok := endpoint(ap)
	if !ok || !e.Addr.IsUnspecified() && !s.isOwn(e.Addr) {
		return e, ErrAddrNotAvailable
	}
	return e, nil
}

// remoteEndpoint converts an address to connect or send to.
func remoteEndpoint(ap netip.AddrPort) (tcp.Endpoint, error) {
	e, ok := endpoint(ap)
	if !ok || !isUnicast(e.Addr) || e.Port == 0 {
		return e, ErrUnreachable
	}
	return e, nil
}
