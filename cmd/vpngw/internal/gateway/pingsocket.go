package gateway

import "net/netip"

// A pingMessage is an echo request on its way to a host behind the gateway.
type pingMessage struct {
	dst          netip.Addr
	seq          uint16
	ttl          int // 1 to 255
	tos          int
	dontFragment bool
	payload      []byte // at most 65,507 bytes
}

// A pingSocket is an unprivileged ICMP socket. The system gives it an identifier of its own and
// delivers only the answers to what it has sent.
type pingSocket interface {
	// send sends an echo request. It does not block. EMSGSIZE says that this host will report the
	// request as failed.
	send(pingMessage) error
	// receive blocks until close and calls reply for each echo reply (payload is valid during the
	// call; ttl is how many hops it had left when it arrived, 0 if that is not known) and failed for each
	// request that could not be delivered. If it was too large even for this host, seq is -1, and it is
	// one of those to dst that are larger than the MTU. While it waits it holds no buffer.
	receive(
		reply func(src netip.Addr, seq uint16, ttl int, payload []byte),
		failed func(dst netip.Addr, seq int, why fault),
	)
	close()
}
