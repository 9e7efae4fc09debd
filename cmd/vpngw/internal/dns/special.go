package dns

import (
	"net/netip"

	miekg "github.com/miekg/dns"
)

// nowhere are the domains that no server has: asking one for them tells it what is not its business,
// and gets no other answer.
//
// DEVIATION from RFC 6761 §6.2 and RFC 6762 §22.1: "test" and "local" are asked upstream. Private
// resolvers do have them, Kubernetes' as cluster.local.
var nowhere = []string{
	"invalid.",                 // RFC 6761 §6.4
	"onion.",                   // RFC 7686 §2
	"alt.",                     // RFC 9476 §2
	"127.in-addr.arpa.",        // RFC 6303 §4.2
	"0.in-addr.arpa.",          // RFC 6303 §4.2
	"254.169.in-addr.arpa.",    // RFC 6303 §4.2
	"use-application-dns.net.", // asks browsers not to go elsewhere, past the names that are known here
}

// special answers for names that mean something else than a host of the DNS (RFC 6761); nil for
// others.
func special(k question) *answer {
	if miekg.IsSubDomain("localhost.", k.name) {
		return localhost(k)
	}
	switch k.name {
	case "1.0.0.127.in-addr.arpa.":
		a := &answer{}
		if k.qtype == miekg.TypePTR || k.qtype == miekg.TypeANY {
			a.answer = []miekg.RR{&miekg.PTR{Hdr: header(k.name, miekg.TypePTR), Ptr: "localhost."}}
		} else {
			a.ns = []miekg.RR{soa("127.in-addr.arpa.")}
		}
		return a
	}
	if miekg.IsSubDomain("resolver.arpa.", k.name) { // RFC 9462 §6.4: locally served, and there is none
		return &answer{ns: []miekg.RR{soa("resolver.arpa.")}}
	}
	for _, zone := range nowhere {
		if miekg.IsSubDomain(zone, k.name) {
			a := &answer{ns: []miekg.RR{soa(zone)}}
			if k.name != zone || !miekg.IsSubDomain("arpa.", zone) { // those of RFC 6303 exist
				a.rcode = miekg.RcodeNameError
			}
			return a
		}
	}
	return nil
}

// localhost is the client itself: RFC 6761 §6.3.
func localhost(k question) *answer {
	a := &answer{}
	if k.qtype == miekg.TypeA || k.qtype == miekg.TypeANY {
		a.answer = append(a.answer, &miekg.A{Hdr: header(k.name, miekg.TypeA), A: netip.AddrFrom4([4]byte{127, 0, 0, 1}).AsSlice()})
	}
	if k.qtype == miekg.TypeAAAA || k.qtype == miekg.TypeANY {
		a.answer = append(a.answer, &miekg.AAAA{Hdr: header(k.name, miekg.TypeAAAA), AAAA: netip.IPv6Loopback().AsSlice()})
	}
	if len(a.answer) == 0 {
		a.ns = []miekg.RR{soa("localhost.")}
	}
	return a
}
