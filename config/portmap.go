package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Portmap is the table [portmap]: ports of this host that peers ask for, by PCP (RFC 6887) or NAT-PMP
// (RFC 6886), so that anyone outside reaches them there.
type Portmap struct {
	// Enabled turns the answering of requests on.
	Enabled bool `toml:"enabled" reload:"live"`
	// Peers are those who may ask: names of peers, and "group:NAME" for all of a group. Empty: all.
	Peers []string `toml:"peers" reload:"live"`
	// Protocols are those that may be asked for: "tcp", "udp". Never empty.
	Protocols []string `toml:"protocols" reload:"live"`
	// Ports are the outer ports that may be given. Never empty.
	Ports []PortRange `toml:"ports" reload:"live"`
	// MaxLifetime is the longest time for which a port is given at once, 2 min–24 h. RFC 6887 §15.
	MaxLifetime time.Duration `toml:"max_lifetime" range:"2m,24h" reload:"live"`
	// MaxPerPeer bounds the ports that one peer holds, TCP and UDP counted apart, 1–1,024.
	MaxPerPeer int `toml:"max_per_peer" range:"1,1024" reload:"live"`
	// BindAddress is this host's IPv4 address that the ports are opened at; the zero value means all.
	BindAddress netip.Addr `toml:"bind_address" reload:"live"`
	// ExternalAddress is the IPv4 address that peers are told; the zero value means that of
	// Interface.Endpoint, or else the one this host has on its way outside.
	ExternalAddress netip.Addr `toml:"external_address" reload:"live"`
}

// PortRange is the ports from First to Last, both included, as in a file: "61000-61999" or "61000".
type PortRange struct{ First, Last uint16 }

// Contains reports whether port is in r.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// String returns the range as it stands in a file.
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// MarshalText is String.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// parsePortRange reads an element of portmap.ports.
func parsePortRange(s string) (PortRange, error) {
	low, high, both := strings.Cut(s, "-")
	if !both {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	switch {
	case err != nil || err2 != nil || first == 0:
		return PortRange{}, fmt.Errorf(`%q is not a port or a range of ports, like "61000-61999"`, s)
	case first > last:
		return PortRange{}, &fixedError{
			fmt.Sprintf("%q ends before it begins", s),
			fmt.Sprintf(`write "%d-%d"`, last, first),
		}
	}
	return PortRange{uint16(first), uint16(last)}, nil
}

// parseOptionalAddr reads an address, or "" for none.
func parseOptionalAddr(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	return parseAddr(s)
}

// groupPrefix marks the name of a group among those of peers.
const groupPrefix = "group:"

// Allows reports whether the peer may ask for ports.
func (p *Portmap) Allows(peer *Peer) bool {
	return len(p.Peers) == 0 || slices.ContainsFunc(p.Peers, func(name string) bool {
		group, isGroup := strings.CutPrefix(name, groupPrefix)
		return isGroup && slices.Contains(peer.Groups, group) || name == peer.Name
	})
}
