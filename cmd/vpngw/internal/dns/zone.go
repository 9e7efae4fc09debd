package dns

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// gatewayLabel names the gateway in its domain, unless a peer or a record has that name.
const gatewayLabel = "gateway"

// zones are the names that are known here: the whole of the own domain and of the tunnel's reverse
// names, and single records elsewhere. They do not change.
type zones struct {
	domain  string // with its final dot
	network netip.Prefix
	names   map[string][]miekg.RR
	short   map[string][]miekg.RR // by their first label alone: "laptop."
	inner   map[string]bool       // names without records that have some below them
}

func newZones(cfg *config.Config) *zones {
	z := &zones{
		domain:  fqdn(cfg.DNS.Domain),
		network: cfg.Interface.Address.Masked(),
		names:   map[string][]miekg.RR{}, short: map[string][]miekg.RR{}, inner: map[string]bool{},
	}
	for i := range cfg.Peers {
		p := &cfg.Peers[i]
		for _, a := range addresses(cfg, p) {
			z.host(p.Name, a)
		}
	}
	for _, r := range cfg.DNS.Records {
		z.record(fqdn(cfg.DNS.FullName(r.Name)), r)
	}
	gateway := cfg.Interface.Address.Addr()
	name := fqdn(cfg.DNS.FullName(gatewayLabel))
	if len(z.names[name]) == 0 {
		z.host(gatewayLabel, gateway)
	} else {
		name = z.domain
	}
	if len(z.names[z.domain]) == 0 {
		z.add(&miekg.A{Hdr: header(z.domain, miekg.TypeA), A: gateway.AsSlice()})
	}
	z.add(soa(z.domain))
	z.add(&miekg.NS{Hdr: header(z.domain, miekg.TypeNS), Ns: name})
	return z
}

// host adds a host of the own domain: its name, in full and alone, and its address's.
func (z *zones) host(label string, a netip.Addr) {
	full := label + "." + z.domain
	for _, name := range []string{full, label + "."} {
		var rr miekg.RR = &miekg.A{Hdr: header(name, miekg.TypeA), A: a.AsSlice()}
		if a.Is6() {
			rr = &miekg.AAAA{Hdr: header(name, miekg.TypeAAAA), AAAA: a.AsSlice()}
		}
		if name == full {
			z.add(rr)
		} else {
			z.short[name] = append(z.short[name], rr)
		}
	}
	z.reverse(a, full)
}

// reverse adds the name of an address, unless it has one.
func (z *zones) reverse(a netip.Addr, target string) {
	name, err := miekg.ReverseAddr(a.String())
	if err == nil && len(z.names[name]) == 0 {
		z.add(&miekg.PTR{Hdr: header(name, miekg.TypePTR), Ptr: target})
	}
}

// record adds a [[dns.record]].
func (z *zones) record(name string, r config.DNSRecord) {
	a, _ := netip.ParseAddr(r.Value)
	switch r.Type {
	case "A":
		z.add(&miekg.A{Hdr: header(name, miekg.TypeA), A: a.AsSlice()})
	case "AAAA":
		z.add(&miekg.AAAA{Hdr: header(name, miekg.TypeAAAA), AAAA: a.AsSlice()})
	case "CNAME":
		z.add(&miekg.CNAME{Hdr: header(name, miekg.TypeCNAME), Target: fqdn(r.Value)})
	case "TXT":
		z.add(&miekg.TXT{Hdr: header(name, miekg.TypeTXT), Txt: txtStrings(r.Value)})
	}
	if z.network.Contains(a) {
		z.reverse(a, name)
	}
}

// txtStrings cuts a text into strings of at most 255 bytes (RFC 1035 §3.3.14), in the escaped form
// that the library wants.
func txtStrings(s string) []string {
	const stringMax = 255
	var parts []string
	for len(s) > stringMax {
		parts, s = append(parts, escape(s[:stringMax])), s[stringMax:]
	}
	return append(parts, escape(s))
}

func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
}

func (z *zones) add(rr miekg.RR) {
	name := rr.Header().Name
	z.names[name] = append(z.names[name], rr)
	for {
		i, end := miekg.NextLabel(name, 0)
		if end {
			return
		}
		name = name[i:]
		z.inner[name] = true
	}
}

// lookup answers from what is known here; nil if the name is somebody else's. next is the name that
// a CNAME leads to.
func (z *zones) lookup(k question) (a *answer, next string) {
	if records := z.names[k.name]; len(records) > 0 {
		return z.match(k, records)
	}
	if records := z.short[k.name]; len(records) > 0 && ofHost(k.qtype) {
		a, _ = z.match(k, records)
		return a, ""
	}
	if miekg.IsSubDomain(z.domain, k.name) {
		return z.none(k.name, z.domain), ""
	}
	if zone := z.reverseZone(k.name); zone != "" {
		return z.none(k.name, zone), ""
	}
	return nil, ""
}

// ofHost says whether a type is asked for to reach a host. For a peer's label alone all of these are
// answered here, so that none says "no such name"; others ("NS", "DS") may be about a top-level domain.
func ofHost(qtype uint16) bool {
	switch qtype {
	case miekg.TypeA, miekg.TypeAAAA, miekg.TypeHTTPS, miekg.TypeSVCB, miekg.TypeCNAME:
		return true
	}
	return false
}

// match picks the records of one name.
func (z *zones) match(k question, records []miekg.RR) (a *answer, next string) {
	a = &answer{authoritative: true}
	for _, rr := range records {
		switch t := rr.Header().Rrtype; {
		case t == k.qtype, k.qtype == miekg.TypeANY:
			a.answer = append(a.answer, miekg.Copy(rr))
		case t == miekg.TypeCNAME:
			a.answer = append(a.answer, miekg.Copy(rr))
			next = rr.(*miekg.CNAME).Target
		}
	}
	if len(a.answer) == 0 {
		a.ns = []miekg.RR{soa(z.apex(k.name))}
	}
	return a, next
}

// none is the answer for a name of a zone of ours that has no records.
func (z *zones) none(name, zone string) *answer {
	a := &answer{authoritative: true, ns: []miekg.RR{soa(zone)}}
	if !z.inner[name] && name != zone { // RFC 8020 §2: what has something below it exists
		a.rcode = miekg.RcodeNameError
	}
	return a
}

// apex is the zone that a name known here is in: a record outside of ours is a zone of its own.
func (z *zones) apex(name string) string {
	if miekg.IsSubDomain(z.domain, name) {
		return z.domain
	}
	if zone := z.reverseZone(name); zone != "" {
		return zone
	}
	return name
}

// ours says whether nobody but us knows a name.
func (z *zones) ours(name string) bool {
	return len(z.names[name]) > 0 || miekg.IsSubDomain(z.domain, name) || z.reverseZone(name) != ""
}

// cut removes from an upstream's answer what it says of our names, and returns the one that it leads to.
func (z *zones) cut(a *answer) (next string) {
	a.answer = slices.DeleteFunc(a.answer, func(rr miekg.RR) bool {
		if z.ours(strings.ToLower(rr.Header().Name)) {
			return true
		}
		if alias, ok := rr.(*miekg.CNAME); ok && z.ours(strings.ToLower(alias.Target)) {
			next = strings.ToLower(alias.Target)
		}
		return false
	})
	if next != "" {
		a.rcode, a.ns = miekg.RcodeSuccess, nil // they were about next
	}
	return next
}

// reverseZone returns the zone below in-addr.arpa that name is in, if all of that is the tunnel's
// network; else "".
func (z *zones) reverseZone(name string) string {
	const root = "in-addr.arpa."
	if !miekg.IsSubDomain(root, name) {
		return ""
	}
	labels := miekg.SplitDomainName(strings.TrimSuffix(name, root))
	octets := (z.network.Bits() + 7) / 8
	if octets == 0 || len(labels) < octets {
		return ""
	}
	var addr [4]byte
	labels = labels[len(labels)-octets:]
	for i, label := range labels {
		n, err := strconv.ParseUint(label, 10, 8)
		if err != nil {
			return ""
		}
		addr[octets-1-i] = byte(n)
	}
	if !z.network.Contains(netip.AddrFrom4(addr)) {
		return ""
	}
	return strings.Join(labels, ".") + "." + root
}

func header(name string, rrtype uint16) miekg.RR_Header {
	return miekg.RR_Header{Name: name, Rrtype: rrtype, Class: miekg.ClassINET, Ttl: localTTL}
}

// soa is the record that says for how long "there is none" may be believed (RFC 2308 §3), of a zone
// that is made up here.
func soa(zone string) miekg.RR {
	return &miekg.SOA{
		Hdr: header(zone, miekg.TypeSOA), Ns: "localhost.", Mbox: "nobody.invalid.",
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: localTTL,
	}
}
