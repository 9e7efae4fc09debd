package dns

import (
	"slices"

	miekg "github.com/miekg/dns"
)

// withoutAddresses makes the answer to "which IPv6 addresses has it?" of that to "which IPv4
// addresses has it?": the same aliases, the same "no such name", and no address.
func withoutAddresses(a *answer, name string) {
	a.filtered = true
	owner := name
	a.answer = slices.DeleteFunc(a.answer, func(rr miekg.RR) bool {
		switch rr := rr.(type) {
		case *miekg.CNAME:
			owner = rr.Target
		case *miekg.RRSIG:
			return rr.TypeCovered == miekg.TypeA
		case *miekg.A:
			return true
		}
		return false
	})
	if a.rcode == miekg.RcodeSuccess && !slices.ContainsFunc(a.ns, isSOA) {
		// Without a SOA record "there is none" is not cached, and clients ask again: RFC 2308 §5.
		a.ns = []miekg.RR{soa(owner)}
	}
}

func isSOA(rr miekg.RR) bool { return rr.Header().Rrtype == miekg.TypeSOA }

// withoutIPv6 leaves IPv6 addresses out of an answer to any other question.
func withoutIPv6(a *answer) {
	a.answer = slices.DeleteFunc(a.answer, func(rr miekg.RR) bool {
		switch rr := rr.(type) {
		case *miekg.AAAA:
			a.filtered = true
			return true
		case *miekg.HTTPS:
			a.filtered = withoutHint(&rr.SVCB) || a.filtered
		case *miekg.SVCB:
			a.filtered = withoutHint(rr) || a.filtered
		}
		return false
	})
}

// withoutHint removes the parameter ipv6hint (RFC 9460 §7.3).
func withoutHint(rr *miekg.SVCB) bool {
	n := len(rr.Value)
	rr.Value = slices.DeleteFunc(rr.Value, func(kv miekg.SVCBKeyValue) bool { return kv.Key() == miekg.SVCB_IPV6HINT })
	return len(rr.Value) < n
}
