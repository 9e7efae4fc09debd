package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// NextAddress returns the lowest address in the gateway's network that a new peer can have: not
// the network's own, not its broadcast address, not the gateway's, and in no peer's allowed_ips.
// An allowed_ips entry that covers the whole network reserves nothing.
func NextAddress(c *Config) (netip.Addr, error) {
	network := c.Interface.Address.Masked()
	first, last, ok := hostRange(network)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%s has no address for a peer; "+
			"give interface.address a shorter prefix", network)
	}
	type span struct{ first, last uint32 }
	gateway := addrValue(c.Interface.Address.Addr())
	used := []span{{gateway, gateway}}
	for i := range c.Peers {
		for _, a := range c.Peers[i].AllowedIPs {
			if a.Addr().Is4() && a.Bits() > network.Bits() && network.Contains(a.Addr()) {
				v := addrValue(a.Masked().Addr())
				used = append(used, span{v, v | hostMask(a.Bits())})
			}
		}
	}
	slices.SortFunc(used, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	next := uint64(first) // one more than any address fits
	for _, s := range used {
		if uint64(s.first) > next {
			break
		}
		next = max(next, uint64(s.last)+1)
	}
	if next > uint64(last) {
		return netip.Addr{}, fmt.Errorf("no address is left in %s; "+
			"remove peers or give interface.address a shorter prefix", network)
	}
	return addrFrom(uint32(next)), nil
}

// hostRange returns the first and last address of network that a host can have. RFC 3021: both
// addresses of a /31 are hosts. A /32 has none beside the gateway itself.
func hostRange(network netip.Prefix) (first, last uint32, ok bool) {
	if !network.Addr().Is4() || network.Bits() == 32 {
		return 0, 0, false
	}
	first = addrValue(network.Addr())
	last = first | hostMask(network.Bits())
	if network.Bits() < 31 {
		first, last = first+1, last-1
	}
	return first, last, true
}

// hostMask has a one for every bit that a prefix of that length leaves to hosts.
func hostMask(prefixBits int) uint32 { return uint32(uint64(1)<<(32-prefixBits) - 1) }

// addrValue returns an IPv4 address as a number.
func addrValue(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func addrFrom(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}
