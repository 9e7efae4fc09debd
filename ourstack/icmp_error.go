package ourstack

import (
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// sendError answers the packet pkt with an ICMP error, from the address it was for if that is an own
// one and otherwise from the first own address. pkt may be cut short behind its transport header.
// rest is the low half of the second word: the next-hop MTU of code 4. The rules of RFC 1812
// §4.3.2.7 and the rate limit may suppress it.
func (s *Stack) sendError(now tcp.Instant, pkt []byte, typ, code uint8, rest int) {
	src, ok := s.primary()
	if ok {
		s.sendErrorFrom(now, src, pkt, typ, code, rest)
	}
}

// sendErrorFrom is sendError with the address from which it comes if pkt was not for an own one: that
// of the router that a traceroute is to see.
func (s *Stack) sendErrorFrom(now tcp.Instant, src wire.Addr, pkt []byte, typ, code uint8, rest int) {
	msg := wire.ICMPv4{Type: typ, Code: code}
	msg.SetMTU(rest)
	s.sendICMPError(now, &s.icmpLimit, src, s.ttl(), pkt, &msg)
}

// sendICMPError sends msg, to which it adds the quotation of pkt, within a limit.
func (s *Stack) sendICMPError(now tcp.Instant, limit *limiter, src wire.Addr, ttl uint8, pkt []byte, msg *wire.ICMPv4) {
	var about wire.IPv4
	if about.ParseQuoted(pkt) != wire.OK || !mayCauseError(&about) {
		return
	}
	if !limit.allow(now, about.Src) {
		s.counters.icmpErrorsLimited.Add(1)
		return
	}
	if s.isOwn(about.Dst) {
		src = about.Dst
	}
	var b [icmpQuoteMax]byte
	// "the ICMP datagram SHOULD contain as much of the original datagram as possible without the
	// length of the ICMP datagram exceeding 576 bytes" RFC 1812 §4.3.2.3.
	room := min(icmpQuoteMax, s.mtuTo(about.Src)) - wire.IPv4MinHeaderLen - wire.ICMPv4HeaderLen
	msg.Payload = pkt[:min(len(pkt), about.TotalLen, room)]
	ip := wire.IPv4{
		TotalLen: wire.IPv4MinHeaderLen + wire.ICMPv4HeaderLen + len(msg.Payload),
		TTL:      ttl, Protocol: wire.ProtoICMP, Src: src, Dst: about.Src,
		// "the IP Precedence field ... SHOULD be set to 6 (INTERNETWORK CONTROL)" RFC 1812 §4.3.2.5;
		// the other TOS bits are those of the packet (RFC 1812 §4.3.2.4), without ECN (RFC 3168 §5).
		TOS: 6<<5 | about.TOS&0x1C,
		DF:  true, // it fits every link of the tunnel, and needs no ID (RFC 6864 §4.1)
	}
	n := ip.Put(b[:])
	msg.Put(b[n:])
	s.counters.icmpErrorsSent.Add(1)
	s.sendControl(b[:ip.TotalLen])
}

// reject answers pkt, a packet to another host, as reason says. A closed port is the destination's own
// word, anything else that of the gateway on the way.
func (s *Stack) reject(now tcp.Instant, pkt []byte, dst wire.Addr, reason Reason) {
	code, ok := reason.code()
	switch {
	case !ok:
	case code == wire.ICMPUnreachablePort:
		s.sendErrorFrom(now, dst, pkt, wire.ICMPUnreachable, code, 0)
	default:
		s.sendError(now, pkt, wire.ICMPUnreachable, code, 0)
	}
}

// mayCauseError applies the rules of RFC 1812 §4.3.2.7 (RFC 1122 §3.2.2), which "take precedence over
// any requirement elsewhere": "An ICMP error message MUST NOT be sent as the result of receiving"
// what is listed here. Packets with an invalid header do not get this far.
func mayCauseError(ip *wire.IPv4) bool {
	switch {
	case isMartianSource(ip.Src): // "a network prefix of zero or is an invalid source address"
		return false
	case !isUnicast(ip.Dst): // "destined to an IP broadcast or IP multicast address"
		return false
	case ip.FragOff != 0: // "Any fragment of a datagram other then the first fragment"
		return false
	case ip.Protocol != wire.ProtoICMP:
		return true
	}
	// "An ICMP error message". Unknown types may be errors; only queries are known not to be.
	var msg wire.ICMPv4
	if msg.ParseQuoted(ip.Payload) != wire.OK {
		return false
	}
	switch msg.Type {
	case wire.ICMPEcho, wire.ICMPEchoReply, wire.ICMPTimestamp, wire.ICMPTimestampReply:
		return true
	}
	return false
}
