package config

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// claiming returns a configuration with a gateway address and one peer for each list of networks.
func claiming(gateway string, peers ...string) *Config {
	c := Default()
	c.Interface.Address = netip.MustParsePrefix(gateway)
	for _, list := range peers {
		var p Peer
		for s := range strings.FieldsSeq(list) {
			p.AllowedIPs = append(p.AllowedIPs, netip.MustParsePrefix(s))
		}
		c.Peers = append(c.Peers, p)
	}
	return c
}

func TestNextAddress(t *testing.T) {
	for _, v := range []struct {
		name string
		cfg  *Config
		want string // "" means none is left
	}{
		{"first", claiming("10.8.0.1/24"), "10.8.0.2"},
		{"gateway in the middle", claiming("10.8.0.9/24"), "10.8.0.1"},
		{"after the last", claiming("10.8.0.1/24", "10.8.0.2/32", "10.8.0.3/32"), "10.8.0.4"},
		{"a gap", claiming("10.8.0.1/24", "10.8.0.2/32", "10.8.0.4/32"), "10.8.0.3"},
		{"any order", claiming("10.8.0.1/24", "10.8.0.3/32", "10.8.0.2/32"), "10.8.0.4"},
		{"two of one peer", claiming("10.8.0.1/24", "10.8.0.2/32 10.8.0.3/32"), "10.8.0.4"},
		{"a part of the network", claiming("10.8.0.1/24", "10.8.0.0/28"), "10.8.0.16"},
		{"parts within parts", claiming("10.8.0.1/24", "10.8.0.0/28 10.8.0.4/30", "10.8.0.16/32"), "10.8.0.17"},
		{"the whole network reserves nothing", claiming("10.8.0.1/24", "10.8.0.0/24", "0.0.0.0/0"), "10.8.0.2"},
		{"networks elsewhere", claiming("10.8.0.1/24", "192.168.0.0/16 fd00::2/128"), "10.8.0.2"},
		{"last one", claiming("10.8.0.1/30"), "10.8.0.2"},
		{"full", claiming("10.8.0.1/30", "10.8.0.2/32"), ""},
		{"full by halves", claiming("10.8.0.1/24", "10.8.0.0/25", "10.8.0.128/25"), ""},
		{"point to point", claiming("10.8.0.0/31"), "10.8.0.1"},
		{"point to point, other end", claiming("10.8.0.1/31"), "10.8.0.0"},
		{"no network", claiming("10.8.0.1/32"), ""},
		{"top of the address space", claiming("255.255.255.253/30", "255.255.255.254/32"), ""},
		{"everything", claiming("10.8.0.1/0", "0.0.0.0/1", "128.0.0.0/1"), ""},
		{"IPv6", claiming("fd00::1/64"), ""},
	} {
		t.Run(v.name, func(t *testing.T) {
			got, err := NextAddress(v.cfg)
			if v.want == "" {
				if err == nil {
					t.Errorf("%s, want none", got)
				}
				return
			}
			if err != nil || got != netip.MustParseAddr(v.want) {
				t.Errorf("%s, %v, want %s", got, err, v.want)
			}
		})
	}
}

// TestNextAddressAgainstASearch compares with trying one address after the other.
func TestNextAddressAgainstASearch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		bits := 24 + r.IntN(8)
		network := netip.PrefixFrom(addrFrom(10<<24|8<<16|r.Uint32N(256)), bits)
		c := claiming(network.String())
		for range r.IntN(12) {
			a := addrFrom(10<<24 | 8<<16 | r.Uint32N(256))
			c.Peers = append(c.Peers,
				Peer{AllowedIPs: []netip.Prefix{netip.PrefixFrom(a, bits+r.IntN(33-bits)).Masked()}})
		}
		want := searchAddress(c)
		got, err := NextAddress(c)
		if got != want || (err == nil) != want.IsValid() {
			t.Fatalf("%v with %v: %v, %v, want %v", network, c.Peers, got, err, want)
		}
	}
}

func searchAddress(c *Config) netip.Addr {
	network := c.Interface.Address.Masked()
	first := addrValue(network.Addr())
	count := uint32(1) << (32 - network.Bits())
candidates:
	for i := range count {
		a := addrFrom(first + i)
		if a == c.Interface.Address.Addr() || network.Bits() < 31 && (i == 0 || i == count-1) {
			continue
		}
		for _, p := range c.Peers {
			for _, used := range p.AllowedIPs {
				if used.Bits() > network.Bits() && used.Contains(a) {
					continue candidates
				}
			}
		}
		return a
	}
	return netip.Addr{}
}
