package gateway

import (
	"net/netip"
	"sync/atomic"
)

// A proto is what a client wants to talk.
type proto uint8

const (
	protoTCP proto = iota
	protoUDP
	protoICMP
)

func (p proto) String() string { return [...]string{"tcp", "udp", "icmp"}[p] }

// A verdict is what happens to a client's request.
type verdict uint8

const (
	verdictAllow      verdict = iota
	verdictProhibited         // ICMP 3/13, communication administratively prohibited (RFC 1812 §5.2.7.1)
	verdictNoHost             // ICMP 3/1, host unreachable
)

// A decision is a verdict and the rule that gave it, for logs and explanations.
type decision struct {
	verdict verdict
	rule    string
}

// policy decides what peers may reach. Safe for concurrent use; it is asked for every TCP request,
// and for every destination of a UDP mapping or ping flow.
type policy struct {
	guard   guard
	forward atomic.Bool                  // forward.enabled
	network atomic.Pointer[netip.Prefix] // the tunnel's network
	peers   *atomic.Pointer[peerTable]

	peerToPeer atomic.Bool // forward.peer_to_peer
}

// relays reports whether the stack is to pass on, packet by packet, what src sends to dst: both belong
// to peers. It is asked for every run of packets, before decide. Back to the peer that sends goes only
// what is for another address of its own: from a network behind it, packets for a host that is not
// there would circle until their TTL ends. from and to stand for the two peers, whatever their addresses.
func (c *policy) relays(src, dst netip.Addr) (from, to netip.Addr, ok bool) {
	if !c.peerToPeer.Load() || !c.forward.Load() {
		return src, dst, false
	}
	peers := c.peers.Load()
	// A route of length 0 names the Internet, not a network behind a peer.
	receiver, bits := peers.lookup(dst)
	if receiver == nil || bits == 0 {
		return src, dst, false
	}
	sender, _ := peers.lookup(src)
	ok = sender != nil && (sender != receiver || bits == dst.BitLen() && src != dst)
	return peers.sign(sender, src), peers.sign(receiver, dst), ok
}

// decide says what happens to traffic of p to dst; the port is the ICMP identifier, or 0, where the
// protocol has none. The order is: forwarding at all, the tunnel's own addresses, then the guard.
func (c *policy) decide(_ *peer, _ proto, dst netip.AddrPort) decision {
	addr := dst.Addr()
	if !c.forward.Load() {
		return decision{verdictProhibited, "forwarding is off"}
	}
	// What relays lets through does not come here.
	if p, bits := c.peers.Load().lookup(addr); p != nil && bits > 0 {
		if !c.peerToPeer.Load() {
			return decision{verdictProhibited, "peer to peer is off"}
		}
		return decision{verdictNoHost, "network of another peer"}
	}
	if network := c.network.Load(); network != nil && network.Contains(addr) {
		return decision{verdictNoHost, "tunnel network"}
	}
	if rule := c.guard.denies(addr); rule != "" {
		return decision{verdictProhibited, rule}
	}
	return decision{verdictAllow, "default"}
}

// answer is what a client gets by the verdict.
func (v verdict) answer() answer {
	if v == verdictNoHost {
		return answerNoHost
	}
	return answerProhibited
}
