package config

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
)

// recordTextMax is the longest text of a TXT record in bytes: what fits an answer over UDP beside
// the rest, and more than DKIM's longest keys.
const recordTextMax = 1024

// reservedDomains have a meaning of their own (RFC 6761, RFC 6762, RFC 7686): nobody's own domain.
var reservedDomains = []string{"localhost", "invalid", "onion", "local", "arpa"}

func (ck *checker) dnsTable() {
	d, src := &ck.cfg.DNS, ck.tables["dns"]
	if !src.bad["domain"] {
		if message, fix := domain(d.Domain); message != "" {
			ck.add(src.problem("domain", message, fix))
		} else if r := within(d.Domain, reservedDomains...); r != "" {
			ck.add(src.problem("domain", fmt.Sprintf("%q is reserved for something else", r),
				`the default is "vpn.internal"; a domain that you own is good too`))
		}
	}
	for i, name := range d.RebindAllowed {
		if message, fix := domain(name); message != "" && !src.bad["rebind_allowed"] {
			ck.add(src.problem(src.element("rebind_allowed", i), message, fix))
		}
	}
	ck.upstreams(src, d.Upstreams)
	ck.dnsRecords()
	ck.dnsRoutes()
}

// domain says why s is not a domain as we write them, or "".
func domain(s string) (message, fix string) {
	switch {
	case s == "":
		return "is empty", ""
	case strings.Trim(s, ".") != s:
		return fmt.Sprintf("%q has a dot at an end", s), fmt.Sprintf("write %q", strings.Trim(s, "."))
	case !isHostName(s):
		return fmt.Sprintf("%q is not a domain name", s), ""
	case strings.ToLower(s) != s:
		return fmt.Sprintf("%q is not in lower case", s), fmt.Sprintf("write %q", strings.ToLower(s))
	}
	return "", ""
}

// within returns the first of the domains that name is or is below, or "".
func within(name string, domains ...string) string {
	for _, d := range domains {
		if name == d || strings.HasSuffix(name, "."+d) {
			return d
		}
	}
	return ""
}

// upstreams checks a list of resolvers.
func (ck *checker) upstreams(src *source, list []Resolver) {
	if src.bad["upstreams"] {
		return
	}
	if len(list) == 0 {
		ck.add(src.problem("upstreams", "there is none", `["system"] are the resolvers of this host`))
	}
	for i, r := range list {
		name := src.element("upstreams", i)
		switch {
		case r.Kind != ResolverSystem && r.Addr.Addr() == ck.cfg.Interface.Address.Addr():
			ck.add(src.problem(name, fmt.Sprintf("%s is this gateway", r.Addr.Addr()), `for the resolvers of this host write "system"`))
		case r.Kind != ResolverSystem && (r.Addr.Addr().IsUnspecified() || r.Addr.Addr().IsMulticast()):
			ck.add(src.problem(name, fmt.Sprintf("%s is not an address that a host can have", r.Addr.Addr()), ""))
		case slices.Contains(list[:i], r):
			ck.add(src.problem(name, fmt.Sprintf("%q is listed twice", r), "remove one"))
		}
	}
}

// nested returns the sources of the tables [[dns.key]]; made up if the Config is from no file.
func (ck *checker) nested(key string, n int) []*source {
	if found := ck.tables["dns"].nested[key]; len(found) == n {
		return found
	}
	made := make([]*source, n)
	for i := range made {
		path := indexPath("dns."+key, i)
		made[i] = newSource(nil, path, path)
	}
	return made
}

func (ck *checker) dnsRecords() {
	d := &ck.cfg.DNS
	sources := ck.nested("record", len(d.Records))
	peers := map[string]string{} // by their full names: with thousands of both, no loop in a loop
	if len(d.Records) > 0 {
		for i := range ck.cfg.Peers {
			if name := ck.cfg.Peers[i].Name; name != "" {
				peers[d.FullName(name)] = name
			}
		}
	}
	earlier := make(map[string][]int, len(d.Records)) // indices by the full name
	for i, r := range d.Records {
		src := sources[i]
		ck.taggedFields(src, reflect.ValueOf(r))
		full := d.FullName(r.Name)
		if message, fix := domain(r.Name); message != "" && !src.bad["name"] {
			ck.add(src.problem("name", message, fix))
		}
		if !src.bad["value"] && !src.bad["type"] {
			if message, fix := recordValue(r); message != "" {
				ck.add(src.problem("value", message, fix))
			}
		}
		for _, j := range earlier[full] {
			other := d.Records[j]
			if other.Type == r.Type && (r.Type == "CNAME" || other.Value == r.Value) {
				ck.add(src.problem("name", fmt.Sprintf("%s has that record already, #%d", full, j+1), "remove one"))
				break
			}
			if other.Type == "CNAME" || r.Type == "CNAME" { // RFC 1034 §3.6.2
				ck.add(src.problem("type", fmt.Sprintf("%s has another record, #%d, and a CNAME stands alone", full, j+1), ""))
				break
			}
		}
		earlier[full] = append(earlier[full], i)
		if peer, taken := peers[full]; taken {
			ck.add(src.problem("name", fmt.Sprintf("%s is the peer %q", full, peer), "choose another"))
		}
	}
}

// recordValue says why the value of r does not fit its type, or "".
func recordValue(r DNSRecord) (message, fix string) {
	a, err := netip.ParseAddr(r.Value)
	switch r.Type {
	case "A":
		if err != nil || !a.Is4() {
			return fmt.Sprintf("%q is not an IPv4 address", r.Value), otherType(r.Value, "A")
		}
	case "AAAA":
		if err != nil || !a.Is6() || a.Zone() != "" {
			return fmt.Sprintf("%q is not an IPv6 address", r.Value), otherType(r.Value, "AAAA")
		}
	case "CNAME":
		if message, fix = domain(r.Value); message != "" {
			return message, fix
		}
	case "TXT":
		if len(r.Value) > recordTextMax {
			return fmt.Sprintf("the text has %d bytes, and at most %d are possible", len(r.Value), recordTextMax), ""
		}
	}
	return "", ""
}

// otherType suggests the type that a value would fit.
func otherType(value, not string) string {
	a, err := netip.ParseAddr(value)
	for name, fits := range map[string]bool{
		"A":     err == nil && a.Is4(),
		"AAAA":  err == nil && a.Is6(),
		"CNAME": err != nil && isHostName(value),
	} {
		if fits && name != not {
			return fmt.Sprintf("write type = %q", name)
		}
	}
	return ""
}

func (ck *checker) dnsRoutes() {
	d := &ck.cfg.DNS
	sources := ck.nested("route", len(d.Routes))
	for i, r := range d.Routes {
		src := sources[i]
		message, fix := domain(r.Suffix)
		switch {
		case src.bad["suffix"]:
		case message != "":
			ck.add(src.problem("suffix", message, fix))
		case within(r.Suffix, d.Domain) != "":
			ck.add(src.problem("suffix", fmt.Sprintf("%s is in dns.domain, and answered here", r.Suffix), ""))
		case slices.ContainsFunc(d.Routes[:i], func(o DNSRoute) bool { return o.Suffix == r.Suffix }):
			ck.add(src.problem("suffix", fmt.Sprintf("%s has a route already", r.Suffix), "list all its upstreams in one"))
		}
		ck.upstreams(src, r.Upstreams)
	}
}
