package dns

import "sync/atomic"

// counters count what happened since the start.
type counters struct {
	udp, tcp                             atomic.Uint64
	malformed, refused, noPeer           atomic.Uint64
	local, hits, forwarded, filtered     atomic.Uint64
	failures, overLimit, truncated       atomic.Uint64
	upstreamQueries, upstreamErrors      atomic.Uint64
	ignored, droppedAnswers, connRefused atomic.Uint64
	blocked                              atomic.Uint64
}

// Counters is a snapshot of what happened since the start, for all peers together. Counts only
// grow.
type Counters struct {
	QueriesUDP      uint64 `json:"queries_udp"`
	QueriesTCP      uint64 `json:"queries_tcp"`
	Malformed       uint64 `json:"malformed"`        // no query at all, or a broken one: FORMERR, or dropped
	Refused         uint64 `json:"refused"`          // not for a resolver like this: REFUSED, NOTIMP
	NoPeer          uint64 `json:"no_peer"`          // from an address of no peer: dropped
	Local           uint64 `json:"local"`            // answered from what is known here
	CacheHits       uint64 `json:"cache_hits"`       // answered from the cache
	Forwarded       uint64 `json:"forwarded"`        // asked upstream, or waited for the same question
	FilteredAAAA    uint64 `json:"filtered_aaaa"`    // IPv6 addresses kept from clients
	BlockedRebind   uint64 `json:"blocked_rebind"`   // answers without addresses that upstreams must not name
	Failures        uint64 `json:"failures"`         // SERVFAIL: no upstream gave an answer
	OverLimit       uint64 `json:"over_limit"`       // failed at once: too many of them wait
	Truncated       uint64 `json:"truncated"`        // answers that did not fit UDP: clients ask over TCP
	UpstreamQueries uint64 `json:"upstream_queries"` // questions sent to a server
	UpstreamErrors  uint64 `json:"upstream_errors"`  // of these, without a usable answer
	Ignored         uint64 `json:"ignored"`          // answers to what was not asked
	DroppedAnswers  uint64 `json:"dropped_answers"`  // answers that could not be sent to the client
	ConnsRefused    uint64 `json:"conns_refused"`    // TCP connections over the limit: closed
}

func (c *counters) snapshot() Counters {
	return Counters{
		QueriesUDP:      c.udp.Load(),
		QueriesTCP:      c.tcp.Load(),
		Malformed:       c.malformed.Load(),
		Refused:         c.refused.Load(),
		NoPeer:          c.noPeer.Load(),
		Local:           c.local.Load(),
		CacheHits:       c.hits.Load(),
		Forwarded:       c.forwarded.Load(),
		FilteredAAAA:    c.filtered.Load(),
		BlockedRebind:   c.blocked.Load(),
		Failures:        c.failures.Load(),
		OverLimit:       c.overLimit.Load(),
		Truncated:       c.truncated.Load(),
		UpstreamQueries: c.upstreamQueries.Load(),
		UpstreamErrors:  c.upstreamErrors.Load(),
		Ignored:         c.ignored.Load(),
		DroppedAnswers:  c.droppedAnswers.Load(),
		ConnsRefused:    c.connRefused.Load(),
	}
}
