package gateway

import (
	"net/netip"
	"slices"
	"sync"

	"vpngw/config"
)

// A peerTable is one state of the set of peers: who they are and which addresses are theirs. It is
// immutable; a reload makes a new one that shares the peers that stay.
type peerTable struct {
	peers   []*peer // in the order of the configuration
	byKey   map[config.PublicKey]*peer
	routes  map[netip.Prefix]*peer
	lengths []int // the prefix lengths in routes, longest first
	signs   map[*peer]netip.Addr
}

// newPeerTable makes the table for the configured peers; those known to old are taken over, with
// their old settings.
func newPeerTable(configured []config.Peer, old *peerTable, open *sync.WaitGroup) *peerTable {
	t := &peerTable{
		byKey:  make(map[config.PublicKey]*peer, len(configured)),
		routes: make(map[netip.Prefix]*peer, len(configured)),
		signs:  make(map[*peer]netip.Addr, len(configured)),
	}
	for i := range configured {
		c := &configured[i]
		var p *peer
		if old != nil {
			p = old.byKey[c.PublicKey]
		}
		if p == nil {
			p = newPeer(c, open)
		}
		t.peers = append(t.peers, p)
		t.byKey[c.PublicKey] = p
		for _, prefix := range c.AllowedIPs {
			t.routes[prefix.Masked()] = p
			if !slices.Contains(t.lengths, prefix.Bits()) {
				t.lengths = append(t.lengths, prefix.Bits())
			}
		}
	}
	slices.SortFunc(t.lengths, func(a, b int) int { return b - a })
	for i, p := range t.peers {
		for _, prefix := range configured[i].AllowedIPs {
			addr := prefix.Masked().Addr()
			if owner, bits := t.lookup(addr); owner == p && addr.Is4() && bits > 0 {
				t.signs[p] = addr
				break
			}
		}
	}
	return t
}

// sign returns an address that is the peer's alone, the same for all of its addresses; or addr, one of them,
// if it has no IPv4 network whose first address is its own.
func (t *peerTable) sign(p *peer, addr netip.Addr) netip.Addr {
	if sign, ok := t.signs[p]; ok {
		return sign
	}
	return addr
}

// lookup returns the peer whose allowed IPs contain addr, by the longest prefix as WireGuard does
// (a packet's source was checked against the same list before the stack saw it), and the length of
// that prefix. nil, 0: nobody's.
func (t *peerTable) lookup(addr netip.Addr) (*peer, int) {
	for _, n := range t.lengths {
		prefix, err := addr.Prefix(n)
		if err != nil {
			continue // longer than an IPv4 address has bits
		}
		if p := t.routes[prefix]; p != nil {
			return p, n
		}
	}
	return nil, 0
}
