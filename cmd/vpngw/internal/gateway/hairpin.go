package gateway

import (
	"net/netip"
	"sync"
)

// ownEndpoint is the guard's rule for the address that clients connect to; ruleHairpin lets one client
// reach another's port of this host.
const (
	ownEndpoint = "the gateway's endpoint"
	ruleHairpin = "hairpin"
)

// An externality says whether ports of an address are ports of this host.
type externality uint8

const (
	notExternal externality = iota
	ofHost                  // it is this host's
	beforeHost              // of a NAT before it, which passes on the ports that clients ask for
)

// external says what addr is, about which d was decided.
func (f *forwarder) external(d decision, addr netip.Addr) externality {
	switch {
	case d.verdict == verdictProhibited && (d.rule == ownAddress || d.rule == ownEndpoint):
		return ofHost
	case d.verdict == verdictAllow:
		if a := f.portmapAddress.Load(); a != nil && *a == addr {
			return beforeHost
		}
	}
	return notExternal
}

// mayHairpin reports whether a client of from may reach a port of a client of to: between two peers, that
// is traffic from peer to peer.
func (f *forwarder) mayHairpin(from, to *peer) bool {
	return from == to || f.policy.peerToPeer.Load()
}

// A portTable finds whose a port of this host is. The zero value is empty.
type portTable[T comparable] struct {
	mu sync.RWMutex
	m  map[uint16]T
}

func (t *portTable[T]) add(port uint16, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[uint16]T{}
	}
	t.m[port] = owner
}

func (t *portTable[T]) remove(port uint16, owner T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m[port] == owner {
		delete(t.m, port)
	}
}

// find returns the zero value if the port is nobody's.
func (t *portTable[T]) find(port uint16) T {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[port]
}

// search returns a port whose owner matches, 0 if there is none.
func (t *portTable[T]) search(match func(T) bool) uint16 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for port, owner := range t.m {
		if match(owner) {
			return port
		}
	}
	return 0
}
