package ourstack

import (
	"encoding/binary"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// receiveIPv6 refuses an IPv6 packet: the stack speaks IPv4 only. A host that tries IPv6 first is told
// so at once, and falls back without waiting (RFC 8305 §5).
func (in *input) receiveIPv6(pkt []byte) {
	in.endRun()
	var ip wire.IPv6
	if e := ip.Parse(pkt); e != wire.OK {
		in.dropWire(e)
		return
	}
	if mayCauseErrorIPv6(&ip) {
		in.s.refuseIPv6(in.now, &ip, pkt[:ip.TotalLen])
	}
	in.drop(dropIPv6)
}

// refuseIPv6 answers pkt with "communication with destination administratively prohibited" (RFC 4443
// §3.1), unless the rate limit suppresses it.
func (s *Stack) refuseIPv6(now tcp.Instant, about *wire.IPv6, pkt []byte) {
	if !s.ipv6Limit.allowKey(now, binary.BigEndian.Uint64(about.Src[:8]), binary.BigEndian.Uint64(about.Src[8:])) {
		s.counters.icmpErrorsLimited.Add(1)
		return
	}
	var b [wire.IPv6MinMTU]byte
	// "As much of invoking packet as possible without the ICMPv6 packet exceeding the minimum IPv6
	// MTU" RFC 4443 §3.1.
	room := min(len(b), s.cfg.MTU) - wire.IPv6HeaderLen - wire.ICMPv6HeaderLen
	quote := pkt[:min(len(pkt), room)]
	msg := wire.ICMPv6{Type: wire.ICMPv6Unreachable, Code: wire.ICMPv6UnreachableAdmin, Payload: quote}
	ip := wire.IPv6{
		TotalLen: wire.IPv6HeaderLen + wire.ICMPv6HeaderLen + len(quote),
		HopLimit: s.ttl(), Protocol: wire.ProtoICMPv6,
		// DEVIATION RFC 4443 §2.2: the source is to be an address of this node. It has none for IPv6;
		// the destination's own is one that the client's WireGuard lets through.
		Src: about.Dst, Dst: about.Src,
	}
	n := ip.Put(b[:])
	msg.Put(&ip.Src, &ip.Dst, b[n:])
	s.counters.icmpErrorsSent.Add(1)
	s.counters.ipv6Refused.Add(1)
	s.sendControl(b[:ip.TotalLen])
}

// mayCauseErrorIPv6 applies RFC 4443 §2.4 (e): "An ICMPv6 error message MUST NOT be originated as a
// result of receiving" what is listed here.
func mayCauseErrorIPv6(ip *wire.IPv6) bool {
	switch {
	case ip.Dst.IsMulticast(): // (e.3); neighbour and router discovery are among it
		return false
	case ip.Src.IsUnspecified(), ip.Src.IsMulticast(), ip.Src.IsLoopback(): // (e.6) not a single node
		return false
	case ip.Dst.IsUnspecified(), ip.Dst.IsLoopback(): // it would be our source
		return false
	case ip.FragOff != 0: // it may belong to an error; the first fragment is answered
		return false
	case ip.Protocol != wire.ProtoICMPv6:
		return true
	}
	var msg wire.ICMPv6
	if msg.ParseQuoted(ip.Payload) != wire.OK {
		return false
	}
	return !msg.IsError() && msg.Type != wire.ICMPv6Redirect // (e.1), (e.2)
}
