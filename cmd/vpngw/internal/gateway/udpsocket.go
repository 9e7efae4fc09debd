package gateway

import (
	"net/netip"
	"sync"
)

// An upstreamUDP is the OS socket of one UDP mapping: unconnected, on a port of its own, so that
// every destination sees the same address and port of ours (endpoint-independent mapping, RFC 4787
// §4.1 REQ-1).
type upstreamUDP interface {
	// send sends one datagram. It may block while the system's buffer is full.
	send(p []byte, dst netip.AddrPort) error
	// receive blocks until close and calls datagram for each datagram that arrives (p is valid
	// during the call) and failed for each one of ours that could not be delivered. While it waits
	// it holds no buffer. It returns nil after close.
	receive(datagram func(p []byte, src netip.AddrPort), failed func(dst netip.AddrPort, told answer)) error
	close()
}

// datagramBuffers holds buffers of the largest size. They are taken when a datagram is there and
// returned at once, so there are as many as there are datagrams in hand, not as many as there are
// mappings.
var datagramBuffers = sync.Pool{New: func() any { return new([udpDatagramMax]byte) }}

// icmpAnswer is what the client is told about an ICMP destination unreachable message (RFC 792, RFC
// 1812 §5.2.7.1) that came back for its datagram. answerNothing: it is not for the client.
func icmpAnswer(icmpType, code uint8) answer {
	const destinationUnreachable = 3
	if icmpType != destinationUnreachable {
		return answerNothing
	}
	switch code {
	case 0, 6, 11: // network unreachable, unknown, unreachable for this type of service
		return answerNoNet
	case 3:
		return answerNoPort
	case 4: // fragmentation needed: the system fragments the next one
		return answerNothing
	case 9, 10, 13:
		return answerProhibited
	default: // host unreachable, unknown, protocol unreachable, source route failed, …
		return answerNoHost
	}
}
