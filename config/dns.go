package config

import "net/netip"

// DNS is the table [dns]: the resolver at the gateway's address in the tunnel, UDP and TCP port 53.
type DNS struct {
	// Enabled turns the resolver on. Clients are then offered it; see [Config.ClientResolvers].
	Enabled bool `toml:"enabled" reload:"live"`
	// Upstreams are asked in their order what nobody here knows; never empty.
	Upstreams []Resolver `toml:"upstreams" reload:"live"`
	// Domain is the domain of the peers' names, "vpn.internal": a host name without a final dot.
	// Nothing in it is ever asked upstream.
	Domain string `toml:"domain" reload:"live"`
	// FilterAAAA answers that no name has an IPv6 address: the tunnel carries IPv4 alone.
	FilterAAAA bool `toml:"filter_aaaa" reload:"live"`
	// RebindProtection is which addresses upstreams may not name: [RebindOff], [RebindTunnel] or
	// [RebindPrivate]. Those of Routes may name any.
	RebindProtection string `toml:"rebind_protection" oneof:"off,tunnel,private" reload:"live"`
	// RebindAllowed are domains without a final dot whose names, and those below them, may have any
	// address all the same.
	RebindAllowed []string `toml:"rebind_allowed" reload:"live"`
	// CacheSize is the number of answers kept, 0–1,000,000; 0 keeps none.
	CacheSize int `toml:"cache_size" range:"0,1000000" reload:"live"`
	// LogQueries logs each query with its peer, at level info.
	LogQueries bool `toml:"log_queries" reload:"live"`
	// Records are the [[dns.record]] tables: names that are answered here.
	Records []DNSRecord `toml:"record" reload:"live"`
	// Routes are the [[dns.route]] tables: domains that have upstreams of their own.
	Routes []DNSRoute `toml:"route" reload:"live"`
}

// The words for [DNS.RebindProtection].
const (
	RebindOff     = "off"     // upstreams may name any address
	RebindTunnel  = "tunnel"  // none of the tunnel's network, no link-local one
	RebindPrivate = "private" // nor a private one, nor loopback
)

// DNSRecord is one table [[dns.record]].
type DNSRecord struct {
	// Name is a full name without a final dot, or a single label, which is one in dns.domain (see
	// [DNS.FullName]).
	Name string `toml:"name"`
	// Type is "A", "AAAA", "CNAME" or "TXT"; "A" unless set.
	Type string `toml:"type" oneof:"A,AAAA,CNAME,TXT"`
	// Value is an IPv4 address, an IPv6 address, a name like Name, or text, by the type.
	Value string `toml:"value"`
}

// DNSRoute is one table [[dns.route]]. The longest suffix that matches a name decides.
type DNSRoute struct {
	// Suffix is a domain without a final dot, "corp.example": it and all below it are meant.
	Suffix string `toml:"suffix"`
	// Upstreams are asked in their order; never empty.
	Upstreams []Resolver `toml:"upstreams"`
}

// FullName returns the full name, without a final dot, that a name of a record stands for.
func (d *DNS) FullName(name string) string {
	if CheckName(name) == nil {
		return name + "." + d.Domain
	}
	return name
}

// ClientResolvers returns the resolvers that clients are offered: client_dns if that is
// set; else the gateway itself, if it answers and clients route its address into the tunnel; else
// none.
func (c *Config) ClientResolvers() []netip.Addr {
	if len(c.Interface.ClientDNS) > 0 {
		return c.Interface.ClientDNS
	}
	gateway := c.Interface.Address.Addr()
	if c.DNS.Enabled {
		for _, p := range c.Interface.ClientAllowedIPs {
			if p.Contains(gateway) {
				return []netip.Addr{gateway}
			}
		}
	}
	return nil
}
