package sim

import "vpngw/ourstack/wire"

// routerAddr is where the messages of the path come from.
var routerAddr = wire.Addr{10, 0, 0, 254}

// fragNeeded is what a router answers to p, too large for a link of mtu bytes (RFC 1191 §4); nil
// where it must not answer.
func fragNeeded(p []byte, mtu int) []byte {
	var about wire.IPv4
	if about.Parse(p) != wire.OK || about.Protocol == wire.ProtoICMP {
		return nil
	}
	msg := wire.ICMPv4{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableFragNeeded, Payload: p[:min(len(p), 48)]}
	msg.SetMTU(mtu)
	b := make([]byte, wire.IPv4MinHeaderLen+wire.ICMPv4HeaderLen+len(msg.Payload))
	ip := wire.IPv4{TotalLen: len(b), TTL: 64, Protocol: wire.ProtoICMP, Src: routerAddr, Dst: about.Src}
	n := ip.Put(b)
	msg.Put(b[n:])
	return b
}
