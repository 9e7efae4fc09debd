package gateway

import (
	"net/netip"
	"sync"
	"testing"

	"vpngw/config"
)

func TestLookupTakesTheLongestPrefix(t *testing.T) {
	var open sync.WaitGroup
	table := newPeerTable([]config.Peer{
		{Name: "all", PublicKey: config.PublicKey{1}, AllowedIPs: prefixes("0.0.0.0/0")},
		{Name: "net", PublicKey: config.PublicKey{2}, AllowedIPs: prefixes("10.8.0.77/24", "fd00::/64")},
		{Name: "one", PublicKey: config.PublicKey{3}, AllowedIPs: prefixes("10.8.0.2/32", "172.16.0.0/12")},
	}, nil, &open)
	for addr, want := range map[string]string{
		"10.8.0.2": "one", "10.8.0.3": "net", "172.31.255.255": "one", "172.32.0.0": "all", "fd00::5": "net",
	} {
		if p, _ := table.lookup(netip.MustParseAddr(addr)); p == nil || p.name() != want {
			t.Errorf("%s: not %s", addr, want)
		}
	}
	if p, _ := table.lookup(netip.MustParseAddr("2001:db8::1")); p != nil {
		t.Errorf("an address of nobody belongs to %s", p.name())
	}
	if p, n := newPeerTable(nil, nil, &open).lookup(netip.MustParseAddr("10.8.0.2")); p != nil || n != 0 {
		t.Error("an empty table knows a peer")
	}
}

func TestNewTableKeepsThePeersThatStay(t *testing.T) {
	var open sync.WaitGroup
	a := config.Peer{Name: "a", PublicKey: config.PublicKey{1}}
	b := config.Peer{Name: "b", PublicKey: config.PublicKey{2}}
	first := newPeerTable([]config.Peer{a, b}, nil, &open)
	a.Name = "renamed"
	second := newPeerTable([]config.Peer{a, {Name: "c", PublicKey: config.PublicKey{3}}}, first, &open)
	if second.byKey[a.PublicKey] != first.byKey[a.PublicKey] {
		t.Error("a peer that stays lost its state")
	}
	if second.byKey[a.PublicKey].name() != "a" {
		t.Error("a table changes nothing of a peer before the reload has succeeded")
	}
	if second.byKey[b.PublicKey] != nil {
		t.Error("a removed peer is still there")
	}
}
