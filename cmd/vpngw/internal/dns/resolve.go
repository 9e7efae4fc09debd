package dns

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// An origin is where an answer is from.
type origin uint8

const (
	fromHere     origin = iota // peers, records, special names
	fromCache                  // an upstream, a while ago
	fromUpstream               // an upstream, or none of them
	fromNobody                 // there was no room to ask
)

func (o origin) String() string { return [...]string{"here", "cache", "upstream", "limit"}[o] }

// An answer is what is known of a question. Its records belong to whoever has it.
type answer struct {
	rcode         int
	answer, ns    []miekg.RR
	authoritative bool
	from          origin
	filtered      bool  // IPv6 addresses were left out
	blocked       bool  // addresses were left out that an upstream must not name
	err           error // why no upstream gave an answer
}

// A question is what answers depend on. The name is in lower case.
type question struct {
	name   string
	qtype  uint16
	do, cd bool
}

// settings are one state of the configuration, made for answering. They do not change.
type settings struct {
	zones       *zones
	forward     *forward
	filterAAAA  bool
	rebind      rebind
	logQueries  bool
	datagramMax int // bytes of an answer that fit one packet of the tunnel
}

// ipUDPLen is the length of the headers of IPv4 and UDP in bytes.
const ipUDPLen = 28

// newSettings makes settings; what asks upstreams is taken over from old where nothing changed.
func newSettings(cfg *config.Config, old *settings, dial DialFunc, c *counters) *settings {
	s := &settings{
		zones:       newZones(cfg),
		filterAAAA:  cfg.DNS.FilterAAAA,
		rebind:      newRebind(cfg),
		logQueries:  cfg.DNS.LogQueries,
		datagramMax: cfg.Interface.MTU - ipUDPLen, // RFC 9715 §3.1: avoid fragments
	}
	if old != nil && old.forward.same(&cfg.DNS) {
		s.forward = old.forward
	} else {
		s.forward = newForward(&cfg.DNS, dial, c)
	}
	return s
}

// known answers a query from what is known here or cached; nil if upstreams are to be asked.
func (s *settings) known(q *query) *answer { return s.follow(q, s.forward.cached) }

// resolve answers a query, within ctx.
func (s *settings) resolve(ctx context.Context, q *query) *answer {
	return s.follow(q, func(k question) *answer { return s.forward.get(ctx, k) })
}

// follow answers a query along the aliases given here. ask answers what is not known here; if it
// returns nil, so does follow.
func (s *settings) follow(q *query, ask func(question) *answer) *answer {
	asked := q.msg.Question[0]
	k := question{strings.ToLower(asked.Name), asked.Qtype, q.do, q.msg.CheckingDisabled}
	var whole answer
	for range chainMax {
		a, next := s.step(k, ask)
		if a == nil {
			return nil
		}
		whole.answer = append(whole.answer, a.answer...)
		whole.ns, whole.rcode, whole.from = a.ns, a.rcode, max(whole.from, a.from)
		whole.filtered, whole.blocked = whole.filtered || a.filtered, whole.blocked || a.blocked
		whole.err = a.err
		// "the AA bit corresponds to […] the first owner name in the answer section" RFC 1035 §4.1.1
		if len(whole.answer) == len(a.answer) {
			whole.authoritative = a.authoritative
		}
		if next == "" {
			return &whole
		}
		k.name = next
	}
	return &answer{rcode: miekg.RcodeServerFailure, from: whole.from} // records in a circle
}

// step answers one question; next is a name known here that a CNAME leads to.
func (s *settings) step(k question, ask func(question) *answer) (a *answer, next string) {
	if a, next = s.zones.lookup(k); a != nil {
		return a, next
	}
	routed := s.forward.hasRoute(k.name)
	if !routed {
		if a = special(k); a != nil {
			return a, ""
		}
	}
	filter, aaaa := s.filterAAAA, k.qtype == miekg.TypeAAAA
	if filter && aaaa {
		k.qtype = miekg.TypeA // is there such a name? Clients ask for both in any case
	}
	if a = ask(k); a == nil {
		return nil, ""
	}
	next = s.zones.cut(a)
	switch {
	case filter && aaaa:
		withoutAddresses(a, k.name)
	case filter:
		withoutIPv6(a)
	}
	if !routed && !s.rebind.allows(k.name) {
		s.rebind.filter(a, k.name)
		if next != "" { // the same by an alias
			a.blocked, a.ns, next = true, []miekg.RR{soa(next)}, ""
		}
	}
	return a, next
}

// fqdn is a domain of the configuration as it is in messages.
func fqdn(name string) string { return strings.ToLower(miekg.Fqdn(name)) }

// addresses returns the peer's own addresses.
func addresses(cfg *config.Config, p *config.Peer) []netip.Addr {
	var own []netip.Addr
	for _, prefix := range config.ClientAddresses(cfg, p) {
		if a := prefix.Addr().Unmap(); !slices.Contains(own, a) {
			own = append(own, a)
		}
	}
	return own
}
