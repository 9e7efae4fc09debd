package gateway

import (
	"net/netip"

	"vpngw/cmd/vpngw/internal/mmsg"
)

// An upstreamUDP is the OS socket of one UDP mapping: unconnected, on a port of its own, so that
// every destination sees the same address and port of ours (endpoint-independent mapping, RFC 4787
// §4.1 REQ-1). Safe for concurrent use, but for send.
type upstreamUDP interface {
	// receive says who is told of what arrives, from now on until close. Calls of h for what arrives do
	// not overlap.
	receive(h upstreamHandler)
	// send sends datagrams in their order and returns how many of them it is done with, setting Err in
	// those that could not be sent. It returns fewer than all while the system's buffer is full, and
	// calls writable when it is not any more. One call at a time.
	send(ds []udpDatagram) int
	// waits reports whether send waits instead.
	waits() bool
	// port is the port that destinations see.
	port() uint16
	close()
}

// An upstreamHandler is told what happens to an upstreamUDP. It must not block.
type upstreamHandler interface {
	// fromUpstream is given datagrams that arrived, in their order; they are valid during the call.
	fromUpstream(ds []udpDatagram)
	// failedUpstream is told of a datagram of ours that could not be delivered.
	failedUpstream(dst netip.AddrPort, why fault)
	// writable is called when send may go on.
	writable()
}

// A udpDatagram crosses an upstreamUDP. Systems other than Linux do not heed its TTL, DF and TOS.
type udpDatagram = mmsg.Datagram
