package ourstack

import (
	"sync"
	"sync/atomic"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// udpTable finds the socket of a UDP datagram.
//
// To an own address: the socket bound to exactly that endpoint, or to the port on any
// address; a connected socket takes only what comes from its peer (RFC 1122 §4.1.3.5). To another
// address: the forwarded flow of the client's endpoint, whatever the destination (RFC 4787 §4.1,
// endpoint-independent mapping).
type udpTable struct {
	count atomic.Int64 // sockets of all kinds

	mu    sync.RWMutex
	bound map[tcp.Endpoint]*UDPSocket // by local endpoint; mu guards it

	flows [conversationShards]udpShard
}

// udpShard holds a part of the forwarded flows.
type udpShard struct {
	mu sync.RWMutex
	m  map[tcp.Endpoint]*UDPSocket // by the client's endpoint
	_  [64]byte                    // as in shard
}

func (t *udpTable) init() {
	t.bound = map[tcp.Endpoint]*UDPSocket{}
	for i := range t.flows {
		t.flows[i].m = map[tcp.Endpoint]*UDPSocket{}
	}
}

func (t *udpTable) shard(client tcp.Endpoint) *udpShard {
	return &t.flows[endpointWord(client)*0x9E3779B97F4A7C15>>32%conversationShards]
}

// local returns the socket for a datagram to an own address, or nil.
func (t *udpTable) local(to, from tcp.Endpoint) *UDPSocket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if u := t.bound[to]; u != nil && u.takes(from) {
		return u
	}
	if u := t.bound[tcp.Endpoint{Port: to.Port}]; u != nil && u.takes(from) {
		return u
	}
	return nil
}

// flow returns the forwarded flow of a client, or nil.
func (t *udpTable) flow(client tcp.Endpoint) *UDPSocket {
	sh := t.shard(client)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.m[client]
}

// add enters u; false if its place is taken.
func (t *udpTable) add(u *UDPSocket) bool {
	mu, m, k := t.place(u)
	mu.Lock()
	defer mu.Unlock()
	if m[k] != nil {
		return false
	}
	m[k] = u
	return true
}

func (t *udpTable) remove(u *UDPSocket) {
	mu, m, k := t.place(u)
	mu.Lock()
	defer mu.Unlock()
	if m[k] == u {
		delete(m, k)
	}
}

// place returns where u is entered.
func (t *udpTable) place(u *UDPSocket) (*sync.RWMutex, map[tcp.Endpoint]*UDPSocket, tcp.Endpoint) {
	if u.forwarded {
		sh := t.shard(u.peer)
		return &sh.mu, sh.m, u.peer
	}
	return &t.mu, t.bound, u.local
}

// all returns every socket.
func (t *udpTable) all() []*UDPSocket {
	var all []*UDPSocket
	t.mu.RLock()
	for _, u := range t.bound {
		all = append(all, u)
	}
	t.mu.RUnlock()
	for i := range t.flows {
		sh := &t.flows[i]
		sh.mu.RLock()
		for _, u := range sh.m {
			all = append(all, u)
		}
		sh.mu.RUnlock()
	}
	sortByTuple(all, func(u *UDPSocket) tcp.Tuple { return tcp.Tuple{Local: u.local, Remote: u.peer} })
	return all
}

// receiveUDP handles a UDP datagram (RFC 768, RFC 1122 §4.1.3).
func (in *input) receiveUDP(local bool) dropReason {
	if e := in.udp.Parse(in.ip.Payload); e != wire.OK {
		in.dropWire(e)
		return accepted
	}
	if !wire.UDPChecksumOK(in.ip.Src, in.ip.Dst, in.ip.Payload) {
		in.dropWire(wire.BadChecksum)
		return accepted
	}
	to := tcp.Endpoint{Addr: in.ip.Dst, Port: in.udp.DstPort}
	from := tcp.Endpoint{Addr: in.ip.Src, Port: in.udp.SrcPort}
	if local {
		if u := in.s.udp.local(to, from); u != nil {
			return u.deliver(in, from, to)
		}
		return in.portUnreachable()
	}
	if u := in.s.udp.flow(from); u != nil {
		return u.deliver(in, from, to)
	}
	if handler := in.s.forwardUDP.Load(); handler != nil && to.Port != 0 {
		return in.raiseUDPRequest(from, to, *handler)
	}
	return in.portUnreachable()
}

// portUnreachable: "If a datagram arrives addressed to a UDP port for which there is no pending
// LISTEN call, UDP SHOULD send an ICMP Port Unreachable message." RFC 1122 §4.1.3.1
func (in *input) portUnreachable() dropReason {
	in.s.reject(in.now, in.raw, in.ip.Dst, RejectPort)
	return dropNoSocket
}

// errorForUDP passes an ICMP error about a datagram of ours to its socket: "UDP MUST pass to the
// application layer all ICMP error messages that it receives" RFC 1122 §4.1.3.3. As everywhere, only
// sockets with one peer are told: for a server, a client that went away is not an error.
func (in *input) errorForUDP(about *wire.IPv4) dropReason {
	var quoted wire.UDP
	if quoted.ParseQuoted(about.Payload) != wire.OK {
		return dropICMPQuote
	}
	ours := tcp.Endpoint{Addr: about.Src, Port: quoted.SrcPort}
	theirs := tcp.Endpoint{Addr: about.Dst, Port: quoted.DstPort}
	var u *UDPSocket
	if in.s.isOwn(about.Src) {
		u = in.s.udp.local(ours, theirs)
	} else {
		u = in.s.udp.flow(theirs)
	}
	if u == nil || u.peer != theirs {
		return dropICMPNoFlow
	}
	u.deliverError(theirs, ours, icmpError(&in.msg))
	in.s.counters.icmpErrorsDelivered.Add(1)
	return accepted
}
