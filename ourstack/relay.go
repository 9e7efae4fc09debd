package ourstack

import (
	"encoding/binary"
	"net/netip"

	"vpngw/ourstack/wire"
)

// SetRelay makes the stack a router for the packets for which ok is true: packets from src to dst, an
// address that is not the stack's, go out again as they came, fragments and ICMP errors among them,
// instead of raising forward requests. Out comes what went in, but for the TTL. from and to, addresses
// too, stand for those who have src and dst: all packets between the same two share one queue, bounded in
// bytes, which takes its turn with everything else that is sent to the address "to"; so nobody gets more by
// having many addresses.
//
// f is called from Input, once for each run of packets with the same addresses; it must be quick, must
// not block, and may be called concurrently. nil, as at the start, relays nothing.
func (s *Stack) SetRelay(f func(src, dst netip.Addr) (from, to netip.Addr, ok bool)) {
	if f == nil {
		s.relay.Store(nil)
		return
	}
	s.relay.Store(&f)
}

// relayRun is what f of SetRelay said about the packets of the present run.
type relayRun struct {
	src, dst wire.Addr
	from, to wire.Addr // who share a queue
	relayed  bool
	mtu      int // of the way out
}

// relays reports whether the packet, which is not for the stack, is to be relayed.
func (in *input) relays() bool {
	f := in.s.relay.Load()
	// "A router SHOULD NOT forward ... any packet that has ... a destination address on network 127"
	// RFC 1812 §5.3.7.
	if f == nil || in.ip.Dst.IsLoopback() {
		return false
	}
	if r := &in.relayRun; r.src != in.ip.Src || r.dst != in.ip.Dst {
		in.endRelayRun()
		in.endRun() // no lock is held while f is called
		*r = relayRun{src: in.ip.Src, dst: in.ip.Dst}
		from, to, ok := (*f)(in.ip.Src.Netip(), in.ip.Dst.Netip())
		r.relayed = ok
		if r.from, ok = wire.AddrFrom(from); !ok {
			r.from = r.src
		}
		if r.to, ok = wire.AddrFrom(to); !ok {
			r.to = r.dst
		}
		r.mtu = in.s.mtuTo(in.ip.Dst)
	}
	return in.relayRun.relayed
}

// relayPacket passes the packet on: RFC 1812 §5.2.1.2. Its header has been judged by checkHeader, so
// there is a hop left to take. Options other than source routes pass as they are.
func (in *input) relayPacket() dropReason {
	in.endRun()
	s := in.s
	if in.ip.TotalLen > in.relayRun.mtu {
		if in.ip.DF {
			// "Destination Unreachable message with a code meaning fragmentation needed and DF set"
			// RFC 1812 §5.2.6, with the MTU, RFC 1191 §4.
			s.sendError(in.now, in.raw, wire.ICMPUnreachable, wire.ICMPUnreachableFragNeeded, in.relayRun.mtu)
			return dropRelayTooBig
		}
		return in.relayFragments()
	}
	buf := s.packets.get(len(in.raw))
	if buf == nil {
		return dropRelayQueue
	}
	copy(buf.b, in.raw)
	decrementTTL(buf.b)
	if in.relayedLen == len(in.relayed) {
		in.endRelayRun()
	}
	in.relayed[in.relayedLen] = in.toRelay(buf)
	in.relayedLen++
	return accepted
}

// endRelayRun queues the packets of the present run. All who relay share that queue and its lock, so it
// is taken for a run rather than for each packet.
func (in *input) endRelayRun() {
	n := in.relayedLen
	if n == 0 {
		return
	}
	in.relayedLen = 0
	queued := in.s.relayed.pushAll(in.relayed[:n])
	clear(in.relayed[:n])
	in.s.counters.relayed.Add(uint64(queued))
	for range n - queued {
		in.drop(dropRelayQueue)
	}
}

// decrementTTL takes one from the TTL of a packet and mends its header checksum (RFC 1624).
func decrementTTL(pkt []byte) {
	be := binary.BigEndian
	was := be.Uint16(pkt[8:]) // TTL and protocol
	is := was - 1<<8
	be.PutUint16(pkt[8:], is)
	be.PutUint16(pkt[10:], wire.UpdateChecksum(be.Uint16(pkt[10:]), was, is))
}

// toRelay returns the datagram of a packet of the present run.
func (in *input) toRelay(buf *packetBuf) datagram {
	return datagram{buf: buf, src: in.relayRun.from, dst: in.relayRun.to, whole: true}
}

func (in *input) pushRelayed(buf *packetBuf) dropReason {
	if in.s.relayed.push(in.toRelay(buf)) != nil {
		return dropRelayQueue
	}
	in.s.counters.relayed.Add(1)
	return accepted
}

// relayFragments cuts a packet that is too large for the MTU (RFC 791 §3.2, RFC 1812 §4.2.2.7). The
// pieces of a packet that was a fragment itself are fragments of the same datagram.
func (in *input) relayFragments() dropReason {
	if in.ip.FragOff+len(in.ip.Payload) > wire.IPv4MaxLen {
		return dropFragmentLen // no datagram is as long, and the offset of the last piece might wrap
	}
	in.endRelayRun()
	var options [wire.IPv4MaxHeaderLen - wire.IPv4MinHeaderLen]byte
	copied := copiedOptions(options[:0], in.ip.Options)
	h := in.ip
	h.TTL--
	for rest := in.ip.Payload; len(rest) > 0; {
		room := (in.relayRun.mtu - h.HeaderLen()) &^ 7
		part := rest[:min(len(rest), room)]
		rest = rest[len(part):]
		h.MF = in.ip.MF || len(rest) > 0
		h.TotalLen = h.HeaderLen() + len(part)
		buf := in.s.packets.get(h.TotalLen)
		if buf == nil {
			return dropRelayQueue
		}
		copy(buf.b[h.Put(buf.b):], part)
		if why := in.pushRelayed(buf); why != accepted {
			return why
		}
		in.s.counters.fragmentsOut.Add(1)
		h.FragOff += len(part)
		h.Options = copied
	}
	return accepted
}

// copiedOptions appends to b those of the options that every fragment has: "The copied flag indicates
// that this option is copied into all fragments on fragmentation" RFC 791 §3.1. Ill-formed ones end
// the list.
func copiedOptions(b, options []byte) []byte {
	const endOfList, nop, copiedFlag = 0, 1, 0x80
	for len(options) > 0 && options[0] != endOfList {
		n := 1
		if options[0] != nop {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				break
			}
			n = int(options[1])
		}
		if options[0]&copiedFlag != 0 {
			b = append(b, options[:n]...)
		}
		options = options[n:]
	}
	return b
}
