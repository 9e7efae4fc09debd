package ourstack

import (
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Input processes a batch of IP packets that arrived at now, each in bufs[i][offset:]. The buffers
// are the caller's again on return. Consecutive segments of one connection are handled under one
// lock, with one notification after the run. Handlers of forward requests and notifications are
// called from it. Concurrent calls are safe; packets of one flow should come in one goroutine, or
// their order is lost.
func (s *Stack) Input(now tcp.Instant, bufs [][]byte, offset int) {
	in := s.beginInput(now)
	for i, b := range bufs {
		in.touch(bufs[i+1:], offset)
		if len(b) < offset {
			in.drop(dropOffset)
			continue
		}
		in.receive(b[offset:])
	}
	in.end()
}

// input is the state of one Input call.
type input struct {
	s        *Stack
	now      tcp.Instant
	loopback bool // the packets come from Output of the same stack
	raised   bool // a TCP request was raised by a packet of this call

	// The connection whose run of segments is being handled; its mutex is locked.
	conn  *Conn
	tuple tcp.Tuple

	// The packet being handled. raw is all of it.
	raw []byte
	ip  wire.IPv4
	seg wire.TCP
	udp wire.UDP
	msg wire.ICMPv4

	relayRun   relayRun
	relayed    [relayRunMax]datagram // of it, the first relayedLen
	relayedLen int
	udpRun     *UDPSocket // that the last datagrams went to, and that is to be told of them

	touched uint8 // keeps touch from being optimised away

	packets, bytes, datagrams uint64 // to be added to the counters at the end
}

// beginInput returns an input; it is reused, because the calls through interfaces would make one on
// the heap each time.
func (s *Stack) beginInput(now tcp.Instant) *input {
	in, ok := s.inputs.Get().(*input)
	if !ok {
		in = &input{}
	}
	in.s, in.now, in.loopback, in.raised, in.relayRun = s, now, false, false, relayRun{}
	return in
}

func (in *input) end() {
	in.endRun()
	in.endRelayRun()
	in.endUDPRun()
	in.s.counters.packetsIn.Add(in.packets)
	in.s.counters.bytesIn.Add(in.bytes)
	if in.datagrams > 0 {
		in.s.counters.udpIn.Add(in.datagrams)
	}
	in.packets, in.bytes, in.datagrams = 0, 0, 0
	in.raw, in.ip.Options, in.ip.Payload, in.seg.Payload, in.udp.Payload, in.msg.Payload = nil, nil, nil, nil, nil, nil
	in.s.inputs.Put(in)
}

// endRun releases the connection of the current run and carries out what its segments caused.
func (in *input) endRun() {
	if c := in.conn; c != nil {
		in.conn = nil
		c.finish()
	}
}

// touch reads of the packet that comes next, so that its headers are in the cache when its turn comes: the
// buffers of a batch are as far apart as a datagram can be long, which no hardware foresees.
func (in *input) touch(next [][]byte, offset int) {
	if len(next) > 0 && len(next[0]) > offset+cacheLine {
		in.touched += next[0][offset] + next[0][offset+cacheLine]
	}
}

// cacheLine is the length of one in bytes; where it is longer, nothing is lost.
const cacheLine = 64

func (in *input) drop(why dropReason) {
	if why != accepted {
		in.s.counters.drops.own[why].Add(1)
	}
}

func (in *input) dropWire(why wire.Error) { in.s.counters.drops.wire[why].Add(1) }

// receive handles one packet: IP of RFC 1122 §3.2.1 and RFC 1812 §5.2.
func (in *input) receive(pkt []byte) {
	in.packets++
	in.bytes += uint64(len(pkt))
	if in.s.cfg.Tracer != nil {
		in.endRun() // no lock is held while the tracer is called
		in.s.cfg.Tracer.Packet(in.now, In, pkt)
	}
	if in.s.closed.Load() {
		in.drop(dropClosed)
		return
	}
	if len(pkt) > 0 && pkt[0]>>4 == 6 {
		in.receiveIPv6(pkt)
		return
	}
	if e := in.ip.Parse(pkt); e != wire.OK {
		in.dropWire(e)
		return
	}
	in.raw = pkt[:in.ip.TotalLen]
	local := in.s.isOwn(in.ip.Dst)
	if why := in.checkHeader(local); why != accepted {
		in.drop(why)
		return
	}
	if !local && in.relays() {
		in.drop(in.relayPacket())
		return
	}
	in.endRelayRun()
	if in.ip.IsFragment() {
		in.endRun()
		in.s.counters.fragmentsIn.Add(1)
		in.reassemble(local)
		return
	}
	in.deliver(local)
}

// checkHeader judges what a well-formed header says: addresses, source route, TTL.
func (in *input) checkHeader(local bool) dropReason {
	ip := &in.ip
	// "A router SHOULD NOT forward ... any packet that has an invalid IP source address" RFC 1812
	// §5.3.7; a SYN from one must be ignored, RFC 9293 §3.9.2.3 MUST-63. Own addresses are ours alone.
	if !in.loopback && (isMartianSource(ip.Src) || in.s.isOwn(ip.Src)) {
		return dropMartianSource
	}
	// "silently discard an incoming SYN segment that is addressed to a broadcast or multicast
	// address" RFC 9293 §3.9.2.3 MUST-57. So with everything else: there is no group here.
	if !isUnicast(ip.Dst) {
		return dropDestination
	}
	if len(ip.Options) > 0 && hasSourceRoute(ip.Options) {
		in.endRun()
		in.s.sendError(in.now, in.raw, wire.ICMPUnreachable, wire.ICMPUnreachableSourceRoute, 0)
		return dropSourceRoute
	}
	// For packets to others we are a hop, the first of a traceroute: "If the TTL is reduced to
	// zero (or less), the packet MUST be discarded, and ... the router MUST send an ICMP Time
	// Exceeded" RFC 1812 §5.3.1. For our own, "A host MUST NOT discard a datagram just because it was
	// received with TTL less than 2" RFC 1122 §3.2.1.7.
	if !local && ip.TTL <= 1 {
		in.endRun()
		in.s.sendError(in.now, in.raw, wire.ICMPTimeExceeded, wire.ICMPTimeExceededTTL, 0)
		return dropTTL
	}
	return accepted
}

// hasSourceRoute looks for a loose or strict source route among IP options; ill-formed options
// end the search and are otherwise ignored (RFC 1122 §3.2.1.8).
func hasSourceRoute(options []byte) bool {
	const endOfList, nop, looseRoute, strictRoute = 0, 1, 131, 137
	for len(options) > 0 {
		switch options[0] {
		case endOfList:
			return false
		case nop:
			options = options[1:]
			continue
		case looseRoute, strictRoute:
			return true
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return false
		}
		options = options[options[1]:]
	}
	return false
}

// deliver hands a whole datagram to its protocol.
func (in *input) deliver(local bool) {
	switch in.ip.Protocol {
	case wire.ProtoTCP:
		in.receiveTCP(local)
	case wire.ProtoUDP:
		in.endRun()
		in.drop(in.receiveUDP(local))
	case wire.ProtoICMP:
		in.endRun()
		in.drop(in.receiveICMP(local))
	default:
		in.endRun()
		// "2 = Protocol Unreachable ... SHOULD be generated" RFC 1122 §3.2.2.1.
		in.s.sendError(in.now, in.raw, wire.ICMPUnreachable, wire.ICMPUnreachableProtocol, 0)
		in.drop(dropProtocol)
	}
}
