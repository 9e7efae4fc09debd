package portmap

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Opcodes. RFC 6886 §3.2, §3.3.
const (
	natpmpExternalAddress = 0
	natpmpMapUDP          = 1
	natpmpMapTCP          = 2
)

// A natpmpResult is a Result Code. RFC 6886 §3.5.
type natpmpResult uint16

const (
	natpmpSuccess        natpmpResult = 0
	natpmpNotAuthorized  natpmpResult = 2
	natpmpNetworkFailure natpmpResult = 3
	natpmpNoResources    natpmpResult = 4
	natpmpUnsuppOpcode   natpmpResult = 5
)

// Lengths in octets. RFC 6886 §3.2, §3.3.
const (
	natpmpHeaderLen = 8  // of a response
	natpmpMapLen    = 12 // of a request
)

// answerNATPMP answers a request of version 0; nil: silence.
func (s *Server) answerNATPMP(now time.Time, q query) []byte {
	op := q.message[1]
	isMap := op == natpmpMapUDP || op == natpmpMapTCP
	// "If the opcode in the request is 128 or greater, then this is not a request" RFC 6886 §3.5.
	if op >= responseBit || len(q.message) > requestMax || isMap && len(q.message) < natpmpMapLen {
		s.counters.Dropped++
		return nil
	}
	s.counters.NATPMP++
	switch {
	case op == natpmpExternalAddress:
		return s.natpmpExternal(now, q)
	case isMap:
		return s.natpmpMap(now, q, op)
	}
	// "the entire request MUST be returned to the sender, with the top bit of the opcode set […] and
	// the result code set to 5" RFC 6886 §3.5.
	s.counters.Refused++
	b := make([]byte, max(len(q.message), natpmpHeaderLen))
	copy(b, q.message)
	s.natpmpHeader(b[:0], now, op, natpmpUnsuppOpcode)
	return b
}

// natpmpHeader appends what every response begins with.
func (s *Server) natpmpHeader(b []byte, now time.Time, op uint8, result natpmpResult) []byte {
	b = append(b, versionNATPMP, op|responseBit)
	b = binary.BigEndian.AppendUint16(b, uint16(result))
	return binary.BigEndian.AppendUint32(b, s.epochTime(now))
}

// natpmpExternal tells the external address. RFC 6886 §3.2.
func (s *Server) natpmpExternal(now time.Time, q query) []byte {
	addr, result := s.externalAddress(now), natpmpSuccess // first: it may start the epoch anew
	switch {
	case !s.settings.Allows(q.peer):
		result = natpmpNotAuthorized
	case !addr.IsValid():
		result = natpmpNetworkFailure
	}
	if result != natpmpSuccess {
		s.counters.Refused++
		addr = netip.IPv4Unspecified() // "MUST be set to zero on transmission"
	}
	as4 := addr.As4()
	return append(s.natpmpHeader(nil, now, natpmpExternalAddress, result), as4[:]...)
}

// natpmpMap creates, renews or deletes mappings. RFC 6886 §3.3, §3.4.
func (s *Server) natpmpMap(now time.Time, q query, op uint8) []byte {
	internalPort := binary.BigEndian.Uint16(q.message[4:])
	suggested := binary.BigEndian.Uint16(q.message[6:])
	asked := requestedLifetime(q.message[8:])
	proto := UDP
	if op == natpmpMapTCP {
		proto = TCP
	}
	k := key{proto, q.client(internalPort)}

	var port uint16
	var lifetime time.Duration
	var result natpmpResult
	switch {
	case !s.settings.Allows(q.peer), !s.allows(proto):
		result = natpmpNotAuthorized
	case asked == 0:
		result = s.natpmpDelete(now, k)
	case internalPort == 0: // no port
		result = natpmpNotAuthorized
	default:
		port, lifetime, result = s.grantNATPMP(now, q, k, suggested, min(asked, s.settings.MaxLifetime))
	}
	if result != natpmpSuccess {
		s.counters.Refused++
	}
	b := s.natpmpHeader(nil, now, op, result)
	b = binary.BigEndian.AppendUint16(b, internalPort)
	b = binary.BigEndian.AppendUint16(b, port)
	return binary.BigEndian.AppendUint32(b, seconds(lifetime))
}

// grantNATPMP creates a mapping or renews the one that is there, whichever port was suggested.
func (s *Server) grantNATPMP(now time.Time, q query, k key, suggested uint16, lifetime time.Duration) (
	uint16, time.Duration, natpmpResult,
) {
	if !s.externalAddress(now).IsValid() {
		return 0, 0, natpmpNetworkFailure
	}
	m := s.byKey[k]
	if m == nil {
		var result assignment
		if m, result = s.assign(now, k, q, wish{suggested: suggested}, lifetime); m == nil {
			return 0, 0, result.natpmp()
		}
		return m.port, lifetime, natpmpSuccess
	}
	if m.pcp { // without its nonce it can only gain
		lifetime = max(lifetime, m.left(now))
	}
	s.renew(now, m, lifetime)
	return m.port, lifetime, natpmpSuccess
}

// natpmpDelete deletes the mapping with that key, or with internal port 0 all of the client for the
// protocol. What was made by PCP has a nonce, and is not to be deleted without it.
func (s *Server) natpmpDelete(now time.Time, k key) natpmpResult {
	result := natpmpSuccess
	remove := func(m *mapping) {
		if m.pcp {
			result = natpmpNotAuthorized
			return
		}
		s.end(now, m)
		s.counters.Deleted++
	}
	if k.internal.Port() != 0 {
		if m := s.byKey[k]; m != nil { // "as if the request were successful" if not: RFC 6886 §3.4
			remove(m)
		}
		return result
	}
	for other, m := range s.byKey {
		if other.proto == k.proto && other.internal.Addr() == k.internal.Addr() {
			remove(m)
		}
	}
	return result
}
