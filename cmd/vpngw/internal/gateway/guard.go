package gateway

import (
	"net"
	"net/netip"
	"sync/atomic"
)

// guardedPrefixes are never reached through the gateway: they mean this host, its link, or no host
// at all.
var guardedPrefixes = []struct {
	prefix netip.Prefix
	rule   string
}{
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},      // RFC 1122 §3.2.1.3; Linux connects 0.0.0.0 to itself
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},   // RFC 3927; 169.254.169.254 is most clouds' metadata
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},       // RFC 1122 §3.2.1.3
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},        // RFC 1112 §4, and the limited broadcast address
	{netip.MustParsePrefix("100.100.100.200/32"), "metadata"}, // Alibaba Cloud: credentials of the host's role
	{netip.MustParsePrefix("168.63.129.16/32"), "metadata"},   // Azure's host agent: certificates, extensions' secrets
	{netip.MustParsePrefix("192.0.0.192/32"), "metadata"},     // Oracle Cloud, older images
}

// A guard says which destinations are this host's own affair. Safe for concurrent use.
type guard struct {
	interfaces func() ([]net.Addr, error)
	own        atomic.Pointer[map[netip.Addr]string] // this host's addresses and broadcast addresses → rule
	extra      atomic.Pointer[netip.Addr]            // the address clients are told to connect to
}

// denies returns the rule by which dst is guarded, "" if it is not.
func (g *guard) denies(dst netip.Addr) string {
	for i := range guardedPrefixes {
		if guardedPrefixes[i].prefix.Contains(dst) {
			return guardedPrefixes[i].rule
		}
	}
	if own := g.own.Load(); own != nil {
		if rule := (*own)[dst]; rule != "" {
			return rule
		}
	}
	if extra := g.extra.Load(); extra != nil && *extra == dst {
		return "the gateway's endpoint"
	}
	return ""
}

// isOwn reports whether addr is this host's.
func (g *guard) isOwn(addr netip.Addr) bool {
	own := g.own.Load()
	return addr.IsLoopback() || own != nil && (*own)[addr] == ownAddress
}

// ownAddress is the rule for the addresses of this host.
const ownAddress = "this host"

// setEndpoint guards the address of interface.endpoint if it is written as an address: behind
// one-to-one NAT it is this host as much as the addresses of its interfaces. A name is not looked
// up.
func (g *guard) setEndpoint(endpoint string) {
	var extra *netip.Addr
	if host, _, err := net.SplitHostPort(endpoint); err == nil {
		if addr, err := netip.ParseAddr(host); err == nil {
			addr = addr.Unmap()
			extra = &addr
		}
	}
	g.extra.Store(extra) // once: a reload must not open it for a moment
}

// refresh looks at this host's addresses. They change while it runs: DHCP, container networks, a
// new interface.
func (g *guard) refresh() error {
	addrs, err := g.interfaces()
	if err != nil {
		return err
	}
	g.setOwn(addrs)
	return nil
}

func (g *guard) setOwn(addrs []net.Addr) {
	own := make(map[netip.Addr]string, 2*len(addrs))
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(n.IP)
		if !ok || !addr.Unmap().Is4() {
			continue
		}
		addr = addr.Unmap()
		ones, _ := n.Mask.Size()
		if ones < 31 { // RFC 3021: point-to-point links have no broadcast address
			own[broadcast(netip.PrefixFrom(addr, ones))] = "broadcast"
		}
		own[addr] = ownAddress
	}
	g.own.Store(&own)
}

// broadcast is the directed broadcast address of an IPv4 network (RFC 1122 §3.2.1.3 (d)). Go's UDP
// sockets may send there, so that a datagram would reach every host of the link, this one among
// them.
func broadcast(network netip.Prefix) netip.Addr {
	b := network.Masked().Addr().As4()
	for i := network.Bits(); i < 32; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom4(b)
}
