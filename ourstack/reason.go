package ourstack

import "vpngw/ourstack/wire"

// Reason is how a forward request is refused, or why a forwarded datagram did not arrive: what the
// client sees is what a direct connection would have shown it.
type Reason uint8

// The reasons.
const (
	RejectRefused         Reason = iota // TCP: RST. UDP and echo: as RejectPort
	RejectNetUnreachable                // ICMP 3/0
	RejectHostUnreachable               // ICMP 3/1
	RejectPort                          // ICMP 3/3
	RejectAdmin                         // ICMP 3/13: communication administratively prohibited
	RejectSilent                        // nothing, as from a host that does not answer
)

// code returns the code of the ICMP unreachable message for r; ok is false if there is none.
func (r Reason) code() (code uint8, ok bool) {
	switch r {
	case RejectNetUnreachable:
		return wire.ICMPUnreachableNet, true
	case RejectHostUnreachable:
		return wire.ICMPUnreachableHost, true
	case RejectRefused, RejectPort:
		return wire.ICMPUnreachablePort, true
	case RejectAdmin:
		return wire.ICMPUnreachableAdmin, true
	default:
		return 0, false
	}
}
