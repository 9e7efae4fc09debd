package portmap

import (
	"time"
)

// answerMap answers a MAP request whose header and length are in order. RFC 6887 §11.3, in its order.
func (s *Server) answerMap(now time.Time, q query) []byte {
	m := parsePCPMap(q.message[pcpHeaderLen:])
	asked := requestedLifetime(q.message[4:])
	fail := func(result pcpResult) []byte { return s.errorPCP(now, q, result, result.lifetime()) }

	options, result := parseMapOptions(q.message[pcpHeaderLen+pcpMapLen:], q, &m, asked == 0)
	if result != pcpSuccess {
		return fail(result)
	}
	if m.protocol == 0 && m.internalPort != 0 {
		return fail(pcpMalformedRequest)
	}
	if !s.settings.Allows(q.peer) {
		return fail(pcpNotAuthorized)
	}
	proto, known := protocolByNumber(m.protocol)
	if !known || m.internalPort == 0 { // none but TCP and UDP, and no mapping of all ports
		if asked == 0 { // and so there is none to delete
			return s.mapped(now, &m, 0, nil)
		}
		return fail(pcpUnsuppProtocol)
	}

	k := key{proto, q.client(m.internalPort)}
	existing := s.byKey[k]
	if existing != nil && existing.pcp && existing.nonce != m.nonce {
		return s.errorPCP(now, q, pcpNotAuthorized, existing.left(now))
	}
	if asked == 0 {
		if existing != nil {
			s.end(now, existing)
			s.counters.Deleted++
		}
		// "If the PCP client attempts to delete a mapping that does not exist, the SUCCESS result
		// code is returned"; the suggested address and port "MUST be copied". RFC 6887 §15.1.
		//
		// DEVIATION RFC 6887 §15: a mapping in use ends at once too. Nobody can take the port by it:
		// the port rests.
		return s.mapped(now, &m, 0, nil)
	}
	return s.grantPCP(now, q, k, existing, &m, &options, max(lifetimeMin, asked))
}

// grantPCP creates or renews a mapping.
func (s *Server) grantPCP(now time.Time, q query, k key, existing *mapping, m *pcpMap, o *mapOptions,
	lifetime time.Duration,
) []byte {
	fail := func(result pcpResult) []byte { return s.errorPCP(now, q, result, result.lifetime()) }
	external := s.externalAddress(now)
	if !external.IsValid() {
		return fail(pcpNetworkFailure)
	}
	if !s.allows(k.proto) {
		return fail(pcpNotAuthorized)
	}
	lifetime = min(lifetime, s.settings.MaxLifetime)
	// All zeros, of either family, suggests nothing. RFC 6887 §11.1.
	otherAddress := !m.external.IsUnspecified() && m.external != external

	if existing != nil {
		if o.preferFailure && (otherAddress || m.externalPort != existing.port) {
			return fail(pcpCannotProvideExternal)
		}
		filters, fit := o.apply(existing.filters)
		if !fit {
			return fail(pcpExcessiveRemotePeers)
		}
		if o.filtered {
			existing.setFilters(filters)
		}
		existing.pcp, existing.nonce = true, m.nonce
		s.renew(now, existing, lifetime)
	} else {
		if o.preferFailure && otherAddress {
			return fail(pcpCannotProvideExternal)
		}
		want := wish{suggested: m.externalPort, only: o.preferFailure, pcp: true, nonce: m.nonce, filters: o.filters}
		var result assignment
		if existing, result = s.assign(now, k, q, want, lifetime); existing == nil {
			if result == assignNotSuggested {
				return s.errorPCP(now, q, pcpCannotProvideExternal, s.conflict(now, k.proto, m.externalPort))
			}
			return fail(result.pcp())
		}
	}
	m.external, m.externalPort = external, existing.port
	return s.mapped(now, m, lifetime, o.processed)
}

// mapped is the success response to a MAP request.
func (s *Server) mapped(now time.Time, m *pcpMap, lifetime time.Duration, options []byte) []byte {
	b := m.append(s.header(now, opMap, lifetime))
	return append(b, options...)
}
