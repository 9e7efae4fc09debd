package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// parseInterfaceAddress reads interface.address: an address with the length of its network.
func parseInterfaceAddress(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err == nil {
		return p, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
		return netip.Prefix{}, &fixedError{
			fmt.Sprintf("%q lacks the length of the network", s),
			fmt.Sprintf(`write "%s/24"`, s),
		}
	}
	return netip.Prefix{}, fmt.Errorf(`%q is not an address with a network's length, like "10.8.0.1/24"`, s)
}

// parseAllowedIP reads an entry of allowed_ips: a network, or an address for itself alone.
func parseAllowedIP(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf(`%q is not a network like "10.8.0.2/32"`, s)
	}
	if p != p.Masked() {
		return netip.Prefix{}, &fixedError{
			fmt.Sprintf("%q is an address within a network", s),
			fmt.Sprintf(`write "%s/%d" for the address or "%s" for the network`,
				p.Addr(), p.Addr().BitLen(), p.Masked()),
		}
	}
	return p, nil
}

// parseAddr reads an address without a zone.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	}
	return a.Unmap(), nil
}
