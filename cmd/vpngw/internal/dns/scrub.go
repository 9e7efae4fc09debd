package dns

import (
	"strings"

	miekg "github.com/miekg/dns"
)

// scrub returns the records of m that the question leads to, along its aliases, and of the
// authority section what says that there is none. Whatever else a server adds could be about
// anybody's names; clients of a resolver have no use for it.
func scrub(m *miekg.Msg, k question) (answer, ns []miekg.RR) {
	byOwner := map[string][]miekg.RR{}
	for _, rr := range m.Answer {
		if rr.Header().Class == miekg.ClassINET {
			owner := strings.ToLower(rr.Header().Name)
			byOwner[owner] = append(byOwner[owner], rr)
		}
	}
	name := k.name
	for range chainMax {
		next := ""
		answer = append(answer, dname(byOwner, name)...)
		for _, rr := range byOwner[name] {
			if !wanted(rr, k) {
				continue
			}
			answer = append(answer, rr)
			if alias, ok := rr.(*miekg.CNAME); ok && k.qtype != miekg.TypeCNAME && k.qtype != miekg.TypeANY {
				next = strings.ToLower(alias.Target)
			}
		}
		delete(byOwner, name) // a circle ends here
		if next == "" {
			break
		}
		name = next
	}
	for _, rr := range m.Ns {
		switch rr.(type) {
		case *miekg.SOA:
			if miekg.IsSubDomain(strings.ToLower(rr.Header().Name), name) {
				ns = append(ns, rr)
			}
		case *miekg.NSEC, *miekg.NSEC3, *miekg.RRSIG, *miekg.DS:
			if k.do {
				ns = append(ns, rr)
			}
		}
	}
	return answer, ns
}

// wanted says whether a record of the right name answers the question.
func wanted(rr miekg.RR, k question) bool {
	switch t := rr.Header().Rrtype; t {
	case k.qtype, miekg.TypeCNAME:
		return true
	case miekg.TypeRRSIG:
		return k.do || k.qtype == miekg.TypeANY
	default:
		return k.qtype == miekg.TypeANY
	}
}

// dname returns the record that renames the domain of name (RFC 6672), with its signature.
func dname(byOwner map[string][]miekg.RR, name string) (found []miekg.RR) {
	for i, end := miekg.NextLabel(name, 0); !end; i, end = miekg.NextLabel(name, i) {
		for _, rr := range byOwner[name[i:]] {
			switch rr := rr.(type) {
			case *miekg.DNAME:
				found = append(found, rr)
			case *miekg.RRSIG:
				if rr.TypeCovered == miekg.TypeDNAME {
					found = append(found, rr)
				}
			}
		}
	}
	return found
}
