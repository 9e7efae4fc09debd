package gateway

import "net/netip"

// A pingSocket is an unprivileged ICMP socket. The system gives it an identifier of its own and
// delivers only the answers to what it has sent.
type pingSocket interface {
	// send sends an echo request that lives for ttl hops.
	send(dst netip.Addr, seq uint16, ttl int, payload []byte) error
	// receive blocks until close and calls reply for each echo reply (payload is valid during the
	// call) and failed for each request that could not be delivered. While it waits it holds no
	// buffer.
	receive(reply func(src netip.Addr, seq uint16, payload []byte), failed func(dst netip.Addr, seq uint16, told answer))
	close()
}
