package ourstack

import (
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// receiveICMP handles an ICMP message (RFC 792, RFC 1122 §3.2.2).
func (in *input) receiveICMP(local bool) dropReason {
	if e := in.msg.Parse(in.ip.Payload); e != wire.OK {
		in.dropWire(e)
		return accepted
	}
	switch in.msg.Type {
	case wire.ICMPEcho:
		if local {
			return in.answerEcho()
		}
		return in.forwardEcho()
	case wire.ICMPEchoReply:
		if local {
			return in.receiveEchoReply()
		}
	case wire.ICMPUnreachable, wire.ICMPTimeExceeded, wire.ICMPParamProblem:
		// Errors about packets that we sent under another's address come to that address.
		return in.receiveError()
	}
	// "If an ICMP message of unknown type is received, it MUST be silently discarded." RFC 1122
	// §3.2.2. So are Source Quench (RFC 6633, RFC 9293 §3.9.2.2 MUST-55) and Redirect: there is
	// one way out of a tunnel. Timestamp and address mask are optional or obsolete.
	return dropICMPType
}

// answerEcho is the echo server that every host has (RFC 1122 §3.2.2.6): "The IP source address in an
// ICMP Echo Reply MUST be the same as the specific-destination address"; "Data received ... MUST be
// entirely included in the resulting Echo Reply".
func (in *input) answerEcho() dropReason {
	reply := in.msg
	reply.Type, reply.Code = wire.ICMPEchoReply, 0
	if !in.s.sendICMP(&in.s.echoes, datagram{src: in.ip.Dst, dst: in.ip.Src, tos: in.ip.TOS}, &reply) {
		return dropEchoQueue
	}
	in.s.counters.echoReplies.Add(1)
	return accepted
}

// sendICMP queues an ICMP message on q. d says where it goes; its TOS may have ECN bits, which are not
// for ICMP.
func (s *Stack) sendICMP(q *sendQueue, d datagram, msg *wire.ICMPv4) bool {
	if d.buf = s.packets.get(wire.ICMPv4HeaderLen + len(msg.Payload)); d.buf == nil {
		return false
	}
	msg.Put(d.buf.b)
	d.tos &^= wire.ECNMask
	d.protocol = wire.ProtoICMP
	return q.push(d) == nil
}

// receiveError matches an ICMP error to what it is about: the packet it quotes is one of ours, so
// its source is our side.
func (in *input) receiveError() dropReason {
	var about wire.IPv4
	if about.ParseQuoted(in.msg.Payload) != wire.OK || about.FragOff != 0 {
		return dropICMPQuote
	}
	switch about.Protocol {
	case wire.ProtoTCP:
		return in.errorForTCP(&about)
	case wire.ProtoUDP:
		return in.errorForUDP(&about)
	case wire.ProtoICMP:
		return in.errorForPing(&about)
	}
	return dropICMPNoFlow
}

// errorForTCP passes the error to the connection: "TCP MUST act on an ICMP error message passed up
// from the IP layer, directing it to the connection that created the error" RFC 9293 §3.9.2.2,
// MUST-54. The connection checks whether to believe it (RFC 5927).
func (in *input) errorForTCP(about *wire.IPv4) dropReason {
	var seg wire.TCP
	if seg.ParseQuoted(about.Payload) != wire.OK {
		return dropICMPQuote
	}
	c := in.s.table.conn(tcp.Tuple{
		Local:  tcp.Endpoint{Addr: about.Src, Port: seg.SrcPort},
		Remote: tcp.Endpoint{Addr: about.Dst, Port: seg.DstPort},
	})
	if c == nil {
		return dropICMPNoFlow
	}
	e := tcp.ICMPError{Type: in.msg.Type, Code: in.msg.Code, Seq: seg.Seq}
	if isFragNeeded(&in.msg) {
		e.MTU = nextHopMTU(&in.msg, about.TotalLen)
	}
	c.lock()
	why := c.tcb.HandleICMP(in.now, e)
	c.finish()
	if why != tcp.DropNone {
		in.s.counters.drops.tcp[why].Add(1)
		return accepted
	}
	in.s.counters.icmpErrorsDelivered.Add(1)
	return accepted
}

func isFragNeeded(msg *wire.ICMPv4) bool {
	return msg.Type == wire.ICMPUnreachable && msg.Code == wire.ICMPUnreachableFragNeeded
}

// mtuPlateaus are the values of RFC 1191 §7, table 7-1, from large to small.
var mtuPlateaus = [...]int{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68}

// nextHopMTU returns the path MTU that a "fragmentation needed" message means. A router older than
// RFC 1191 gives none; then it is the next plateau below the size of the packet that did not fit
// (RFC 1191 §5).
func nextHopMTU(msg *wire.ICMPv4, totalLen int) int {
	if mtu := msg.MTU(); mtu != 0 {
		return mtu
	}
	for _, p := range mtuPlateaus {
		if p < totalLen {
			return p
		}
	}
	return mtuPlateaus[len(mtuPlateaus)-1]
}

// icmpError returns the error that a UDP or ping socket reports for an ICMP error message.
func icmpError(msg *wire.ICMPv4) error {
	if msg.Type == wire.ICMPParamProblem {
		return tcp.ErrProtocolUnreachable
	}
	if msg.Type == wire.ICMPTimeExceeded {
		return tcp.ErrHostUnreachable
	}
	switch msg.Code {
	case wire.ICMPUnreachablePort:
		return tcp.ErrRefused
	case wire.ICMPUnreachableProtocol:
		return tcp.ErrProtocolUnreachable
	case wire.ICMPUnreachableFragNeeded:
		return ErrMessageTooLong
	case wire.ICMPUnreachableNet, wire.ICMPUnreachableNetUnknown, wire.ICMPUnreachableNetTOS:
		return tcp.ErrNetUnreachable
	case wire.ICMPUnreachableNetProhibited, wire.ICMPUnreachableHostProhibited, wire.ICMPUnreachableAdmin:
		return tcp.ErrProhibited
	default:
		return tcp.ErrHostUnreachable
	}
}
