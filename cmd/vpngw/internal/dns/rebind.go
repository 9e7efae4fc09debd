package dns

import (
	"net"
	"net/netip"
	"slices"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// A rebind keeps addresses of this side out of the answers of upstreams. A page of a stranger whose
// name turns into the address of a host in here would let that stranger's scripts talk to it, with
// the browser of whoever looks at the page ("DNS rebinding").
type rebind struct {
	level   string // of config.DNS.RebindProtection
	network netip.Prefix
	allowed []string // domains that may have any address
}

func newRebind(cfg *config.Config) rebind {
	r := rebind{level: cfg.DNS.RebindProtection, network: cfg.Interface.Address.Masked()}
	for _, domain := range cfg.DNS.RebindAllowed {
		r.allowed = append(r.allowed, fqdn(domain))
	}
	return r
}

// sharedSpace are the addresses behind a provider's NAT (RFC 6598 §7), thisHost those that "may only
// be used as a source" (RFC 1122 §3.2.1.3) and that systems take for themselves.
var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
	thisHost    = netip.MustParsePrefix("0.0.0.0/8")
)

// forbids says whether an upstream must not name a.
func (r *rebind) forbids(a netip.Addr) bool {
	a = a.Unmap()
	switch {
	case r.level == config.RebindOff:
		return false
	case r.network.Contains(a), a.IsLinkLocalUnicast(): // on every link another host, in no case the one that is meant
		return true
	case r.level == config.RebindTunnel:
		return false
	}
	return a.IsPrivate() || a.IsLoopback() || a.IsUnspecified() || sharedSpace.Contains(a) || thisHost.Contains(a)
}

func (r *rebind) forbidsIP(ip net.IP) bool {
	a, ok := netip.AddrFromSlice(ip)
	return ok && r.forbids(a)
}

// allows says whether upstreams may answer any address for a name.
func (r *rebind) allows(name string) bool {
	return r.level == config.RebindOff ||
		slices.ContainsFunc(r.allowed, func(domain string) bool { return miekg.IsSubDomain(domain, name) })
}

// filter removes the addresses from an upstream's answer for name that it must not name. What is
// then left of it says "no such record" for a minute.
func (r *rebind) filter(a *answer, name string) {
	owner := name
	forbids := func(ip net.IP) bool { return r.forbidsIP(ip) }
	a.answer = slices.DeleteFunc(a.answer, func(rr miekg.RR) bool {
		bad := false
		switch rr := rr.(type) {
		case *miekg.CNAME:
			owner = rr.Target
		case *miekg.A:
			bad = r.forbidsIP(rr.A)
		case *miekg.AAAA:
			bad = r.forbidsIP(rr.AAAA)
		case *miekg.HTTPS:
			a.blocked = withoutHints(&rr.SVCB, forbids) || a.blocked
		case *miekg.SVCB:
			a.blocked = withoutHints(rr, forbids) || a.blocked
		}
		a.blocked = a.blocked || bad
		return bad
	})
	if a.blocked && !slices.ContainsFunc(a.answer, isAddress) && !slices.ContainsFunc(a.ns, isSOA) {
		a.ns = append(a.ns, soa(owner))
	}
}

func isAddress(rr miekg.RR) bool {
	switch rr.(type) {
	case *miekg.A, *miekg.AAAA, *miekg.HTTPS, *miekg.SVCB:
		return true
	}
	return false
}

// withoutHints removes the parameters ipv4hint and ipv6hint (RFC 9460 §7.3) that have a forbidden
// address: clients can ask for the others.
func withoutHints(rr *miekg.SVCB, forbids func(net.IP) bool) bool {
	n := len(rr.Value)
	rr.Value = slices.DeleteFunc(rr.Value, func(kv miekg.SVCBKeyValue) bool {
		switch hint := kv.(type) {
		case *miekg.SVCBIPv4Hint:
			return slices.ContainsFunc(hint.Hint, forbids)
		case *miekg.SVCBIPv6Hint:
			return slices.ContainsFunc(hint.Hint, forbids)
		}
		return false
	})
	return len(rr.Value) < n
}
