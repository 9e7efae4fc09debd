package ourstack

import (
	"net/netip"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Fault is an ICMP error that came back, from the network behind the gateway, for what a client had
// sent. Passed on to the client it quotes the client's own packet, as a router on a direct way
// would have had it.
type Fault struct {
	Type, Code uint8      // destination unreachable, time exceeded or parameter problem; others are not passed on
	From       netip.Addr // the router or host that sent it; the zero Addr: the gateway itself
	TTL        uint8      // that the message is sent with; 0: the stack's
	MTU        int        // of the next hop, in bytes, with code "fragmentation needed"; 0: not told
	Pointer    uint8      // of a parameter problem: the octet of the packet that it was found at
}

// relayFault answers pkt, a client's packet to another host, with f.
func (s *Stack) relayFault(now tcp.Instant, pkt []byte, f Fault) {
	var about wire.IPv4
	if about.ParseQuoted(pkt) != wire.OK {
		return
	}
	msg := wire.ICMPv4{Type: f.Type, Code: f.Code}
	switch {
	case f.Type == wire.ICMPTimeExceeded:
	case f.Type == wire.ICMPParamProblem:
		// What left the gateway has the client's header but for addresses and options, none of which are
		// passed on: where they would be, the pointer means nothing to the client.
		if int(f.Pointer) >= wire.IPv4MinHeaderLen && len(about.Options) > 0 {
			return
		}
		msg.SetPointer(f.Pointer)
	case f.Type != wire.ICMPUnreachable:
		return
	case f.Code == wire.ICMPUnreachableFragNeeded:
		if !about.DF {
			return // RFC 1191 §4: it is for packets with DF; without it a router cuts them
		}
		mtu := f.MTU
		if mtu == 0 {
			mtu = nextHopMTU(&msg, about.TotalLen)
		}
		msg.SetMTU(min(max(mtu, minPathMTU), wire.IPv4MaxLen))
	}
	src, ok := wire.AddrFrom(f.From)
	if !ok || isMartianSource(src) {
		if src, ok = s.primary(); !ok {
			return
		}
	}
	ttl := f.TTL
	if ttl == 0 {
		ttl = s.ttl()
	}
	s.sendICMPError(now, &s.faultLimit, src, ttl, pkt, &msg)
}

// Fail answers the client with an ICMP error from the network. It does nothing if the request was
// answered or canceled.
func (r *TCPRequest) Fail(now tcp.Instant, f Fault) {
	if !r.answer(false) {
		return
	}
	r.stack.table.removeRequest(r)
	r.forget()
	r.stack.relayFault(now, r.quote, f)
}

// Fail tells the client of a forwarded flow what became of its last datagram to a destination: an ICMP
// error from the network that quotes it. It does nothing if there was none, or for other sockets.
func (u *UDPSocket) Fail(now tcp.Instant, to netip.AddrPort, f Fault) {
	if last, ok := u.lastTo(to); ok {
		u.stack.relayFault(now, last.pkt[:last.n], f)
	}
}
