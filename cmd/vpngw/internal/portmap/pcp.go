package portmap

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Versions are the first octet of a message. RFC 6887 §9, Appendix A.
const (
	versionNATPMP = 0
	versionPCP    = 2
)

// responseBit is R of the second octet (RFC 6887 §7.1); the highest bit of the opcode in NAT-PMP.
const responseBit = 0x80

// Opcodes. RFC 6887 §19.2.
const (
	opAnnounce = 0
	opMap      = 1
)

// A pcpResult is a Result Code. RFC 6887 §7.4.
type pcpResult uint8

const (
	pcpSuccess               pcpResult = 0
	pcpUnsuppVersion         pcpResult = 1
	pcpNotAuthorized         pcpResult = 2
	pcpMalformedRequest      pcpResult = 3
	pcpUnsuppOpcode          pcpResult = 4
	pcpUnsuppOption          pcpResult = 5
	pcpMalformedOption       pcpResult = 6
	pcpNetworkFailure        pcpResult = 7
	pcpNoResources           pcpResult = 8
	pcpUnsuppProtocol        pcpResult = 9
	pcpUserExQuota           pcpResult = 10
	pcpCannotProvideExternal pcpResult = 11
	pcpAddressMismatch       pcpResult = 12
	pcpExcessiveRemotePeers  pcpResult = 13
)

// parseError reports whether the request could not be parsed, as opposed to carried out.
func (r pcpResult) parseError() bool {
	switch r {
	case pcpUnsuppVersion, pcpMalformedRequest, pcpMalformedOption:
		return true
	}
	return false
}

// lifetime is how long the client is to expect the same error. RFC 6887 §7.4.
func (r pcpResult) lifetime() time.Duration {
	switch r {
	case pcpNetworkFailure, pcpNoResources, pcpUserExQuota, pcpCannotProvideExternal:
		return errorShort
	}
	return errorLong
}

// Lengths in octets. RFC 6887 §7.1, §11.1.
const (
	pcpHeaderLen = 24
	pcpMapLen    = 36
	nonceLen     = 12
)

// A pcpMap is the opcode-specific part of a MAP message, request and response alike: the external port
// and address are the suggested ones, or those assigned.
type pcpMap struct {
	nonce        [nonceLen]byte
	protocol     uint8
	internalPort uint16
	externalPort uint16
	external     netip.Addr // IPv4, or IPv6
}

// parsePCPMap reads the first pcpMapLen octets of b.
func parsePCPMap(b []byte) (m pcpMap) {
	copy(m.nonce[:], b)
	m.protocol = b[12]
	m.internalPort = binary.BigEndian.Uint16(b[16:])
	m.externalPort = binary.BigEndian.Uint16(b[18:])
	m.external = pcpAddr(b[20:])
	return m
}

// append adds the part to a message.
func (m *pcpMap) append(b []byte) []byte {
	b = append(b, m.nonce[:]...)
	b = append(b, m.protocol, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, m.internalPort)
	b = binary.BigEndian.AppendUint16(b, m.externalPort)
	return appendPCPAddr(b, m.external)
}

// pcpAddr reads an address of 16 octets; "all of the first 96 bits MUST be checked for the pattern" of
// an IPv4-mapped one. RFC 6887 §5.
func pcpAddr(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)).Unmap() }

func appendPCPAddr(b []byte, a netip.Addr) []byte {
	as16 := a.As16() // an IPv4 address as IPv4-mapped
	return append(b, as16[:]...)
}

// answerPCP answers a request of any version but NAT-PMP's; nil: silence. RFC 6887 §8.2, in its order.
func (s *Server) answerPCP(now time.Time, q query) []byte {
	switch {
	case q.message[1]&responseBit != 0:
		s.counters.Dropped++
		return nil
	case q.message[0] != versionPCP:
		// Of the versions known here, 0 and 2, the latter is the closest to any that is not 0. RFC 6887 §9.
		return s.errorPCP(now, q, pcpUnsuppVersion, errorLong)
	case len(q.message) < pcpHeaderLen:
		s.counters.Dropped++
		return nil
	}
	s.counters.PCP++
	op := q.message[1]
	if n := len(q.message); n > requestMax || n%4 != 0 || op == opMap && n < pcpHeaderLen+pcpMapLen {
		return s.errorPCP(now, q, pcpMalformedRequest, errorLong)
	}
	if pcpAddr(q.message[8:]) != q.from.Addr() {
		return s.errorPCP(now, q, pcpAddressMismatch, errorLong)
	}
	switch op {
	case opAnnounce:
		if result := checkAnnounceOptions(q.message[pcpHeaderLen:]); result != pcpSuccess {
			return s.errorPCP(now, q, result, errorLong)
		}
		return s.header(now, op, 0) // RFC 6887 §14.1.2: "an assigned lifetime of zero"
	case opMap:
		return s.answerMap(now, q)
	}
	return s.errorPCP(now, q, pcpUnsuppOpcode, errorLong)
}

// header is the header of a success response. RFC 6887 §7.2.
func (s *Server) header(now time.Time, op uint8, lifetime time.Duration) []byte {
	b := make([]byte, 0, pcpHeaderLen+pcpMapLen)
	b = append(b, versionPCP, op|responseBit, 0, byte(pcpSuccess))
	b = binary.BigEndian.AppendUint32(b, seconds(lifetime))
	b = binary.BigEndian.AppendUint32(b, s.epochTime(now))
	return append(b, make([]byte, 12)...)
}

// errorPCP is an error response: "Copying the entire UDP payload, or 1100 octets, whichever is less, and
// zero-padding the response to a multiple of 4 octets if necessary" RFC 6887 §8.2.
func (s *Server) errorPCP(now time.Time, q query, result pcpResult, lifetime time.Duration) []byte {
	s.counters.Refused++
	n := min(len(q.message), requestMax)
	b := make([]byte, max((n+3)/4*4, pcpHeaderLen))
	copy(b, q.message[:n])
	b[0] = versionPCP
	b[1] |= responseBit
	b[2] = 0
	b[3] = byte(result)
	binary.BigEndian.PutUint32(b[4:], seconds(lifetime))
	binary.BigEndian.PutUint32(b[8:], s.epochTime(now))
	// "For requests that were not successfully parsed, the server copies the last 96 bits of the PCP
	// Client's IP Address field": they stand here. RFC 6887 §7.2.
	if !result.parseError() {
		clear(b[12:pcpHeaderLen])
	}
	return b
}

// seconds is a duration on the wire, rounded up: what is left of a lifetime is never 0.
func seconds(d time.Duration) uint32 {
	return uint32(min(max(0, (d+time.Second-1)/time.Second), 1<<32-1))
}
