package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ErrNoEndpoint is returned by [ClientConfig] while interface.endpoint is empty.
var ErrNoEndpoint = errors.New(
	`interface.endpoint is not set, so clients cannot be told where to connect; ` +
		`set it to the public "host:port" of this gateway`)

// ClientConfig returns the wg-quick configuration for the client of p, a peer of c. It holds the
// client's secrets. If p.PrivateKey is none, the line that needs it is a comment saying so: such a
// text is for people, not for a QR code. The gateway as the resolver is a comment too, unless
// client_dns names it.
func ClientConfig(c *Config, p *Peer) (string, error) {
	if c.Interface.Endpoint == "" {
		return "", ErrNoEndpoint
	}
	addrs := ClientAddresses(c, p)
	if len(addrs) == 0 {
		return "", fmt.Errorf("peer %q: none of its allowed_ips is a single address that "+
			"the client could have in the tunnel", p.Name)
	}
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	fmt.Fprintf(&b, "# vpngw peer %s\n[Interface]\n", p.Name)
	if p.PrivateKey.IsZero() {
		fmt.Fprintf(&b, "# PrivateKey = the client's own, the one of public key %s; not kept here\n",
			p.PublicKey)
	}
	line("PrivateKey", p.PrivateKey.RevealBase64())
	line("Address", join(withIPv6(addrs, p)))
	line("DNS", clientDNS(c, c.Interface.ClientDNS))
	if r := c.ClientResolvers(); len(c.Interface.ClientDNS) == 0 && len(r) > 0 {
		// As a setting it would make wg-quick fail where there is no resolvconf.
		fmt.Fprintf(&b, "# DNS = %s # this gateway; wg-quick needs resolvconf for it\n", clientDNS(c, r))
	}
	line("MTU", fmt.Sprint(c.PeerMTU(p)))
	b.WriteString("\n[Peer]\n")
	line("PublicKey", c.Interface.PrivateKey.Public().String())
	line("PresharedKey", p.PresharedKey.RevealBase64())
	line("AllowedIPs", join(c.Interface.ClientAllowedIPs))
	line("Endpoint", c.Interface.Endpoint)
	if n := c.Interface.ClientPersistentKeepalive; n > 0 {
		line("PersistentKeepalive", fmt.Sprint(n))
	}
	return b.String(), nil
}

// PeerMTU returns the largest IP packet, in bytes, in p's tunnel: mtu of the peer or else of the interface,
// whichever is less.
func (c *Config) PeerMTU(p *Peer) int {
	if p.MTU == 0 {
		return c.Interface.MTU
	}
	return min(p.MTU, c.Interface.MTU)
}

// clientDNS is the value of a line "DNS": resolvers, and with the gateway among them the domain that it
// answers for, as a search domain: many systems look for a single label in no other way.
func clientDNS(c *Config, resolvers []netip.Addr) string {
	value := join(resolvers)
	if slices.Contains(resolvers, c.Interface.Address.Addr()) {
		value += ", " + c.DNS.Domain
	}
	return value
}

// ClientAddresses returns the single addresses among p's allowed_ips, those inside the gateway's
// network if there are any: what else a peer may send from is a network behind it.
func ClientAddresses(c *Config, p *Peer) []netip.Prefix {
	var inside, outside []netip.Prefix
	for _, a := range p.AllowedIPs {
		switch {
		case !a.IsSingleIP():
		case c.Interface.Address.Contains(a.Addr()):
			inside = append(inside, a)
		default:
			outside = append(outside, a)
		}
	}
	if len(inside) > 0 {
		return inside
	}
	return slices.Clip(outside)
}

// withIPv6 adds p's single IPv6 addresses to addrs. The tunnel carries no IPv6, but a client that routes
// it there needs an address from which it hears the refusal.
func withIPv6(addrs []netip.Prefix, p *Peer) []netip.Prefix {
	for _, a := range p.AllowedIPs {
		if a.Addr().Is6() && a.IsSingleIP() && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func join[T fmt.Stringer](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.String()
	}
	return strings.Join(words, ", ")
}
