package gateway

import (
	"net/netip"
	"syscall"

	"vpngw/adapter"
)

// Types of ICMP errors, and the code of the one that names an MTU (RFC 792, RFC 1191).
const (
	icmpUnreachable   = 3
	icmpTimeExceeded  = 11
	icmpParamProblem  = 12
	icmpCodeFragments = 4
)

// A fault is an ICMP error about a packet of ours. If this host itself found it, From is not valid. It is
// an error that wraps the one which a socket call would have returned.
type fault struct {
	adapter.Fault
	errno syscall.Errno
}

func (f fault) Error() string { return f.errno.Error() }
func (f fault) Unwrap() error { return f.errno }

// known reports whether there is something to tell a client.
func (f fault) known() bool {
	return f.Type == icmpUnreachable || f.Type == icmpTimeExceeded || f.Type == icmpParamProblem
}

// seen is why as a client is to see it: what this host itself says, from whichever of its addresses, comes
// from the gateway. So does what names an address of the tunnel, since nobody out there has one.
func (f *forwarder) seen(why fault) fault {
	network := f.policy.network.Load()
	if f.policy.guard.isOwn(why.From) || network != nil && network.Contains(why.From) {
		why.From, why.TTL = netip.Addr{}, 0
	}
	return why
}
