package wire

import "encoding/binary"

// Sizes of an IPv6 header and packet, in octets.
const (
	IPv6HeaderLen = 40   // the fixed header, RFC 8200 §3
	IPv6MinMTU    = 1280 // what every link carries, RFC 8200 §5
)

// Next Header values that stand for an extension header (RFC 8200 §4, RFC 4302, RFC 6275, RFC 7401,
// RFC 5533; the registry of RFC 7045 §4) or for nothing. ESP is none of them here: what follows it is
// encrypted.
const (
	nextHopByHop = 0
	nextRouting  = 43
	nextFragment = 44
	nextAuth     = 51
	nextNone     = 59
	nextDestOpts = 60
	nextMobility = 135
	nextHIP      = 139
	nextShim6    = 140
)

// Addr6 is an IPv6 address in network order. It is comparable and the zero value is "::".
type Addr6 [16]byte

// IsUnspecified reports "::" (RFC 4291 §2.5.2).
func (a Addr6) IsUnspecified() bool { return a == Addr6{} }

// IsLoopback reports "::1" (RFC 4291 §2.5.3).
func (a Addr6) IsLoopback() bool { return a == Addr6{15: 1} }

// IsMulticast reports ff00::/8 (RFC 4291 §2.7).
func (a Addr6) IsMulticast() bool { return a[0] == 0xFF }

// IPv6 is a decoded IPv6 packet (RFC 8200 §3): the fixed header, and where its extension headers end.
type IPv6 struct {
	TrafficClass uint8
	TotalLen     int // fixed header and payload, octets
	HopLimit     uint8
	Src, Dst     Addr6
	Protocol     uint8  // of Payload: behind the extension headers
	FragOff      int    // of the fragment header if there is one, octets
	Payload      []byte // from Protocol's header on, trimmed to TotalLen; aliases the input
}

// Parse decodes the packet at the start of b and skips its extension headers. Octets after the total
// length are ignored. The payload of any but a first fragment is opaque: FragOff tells. A jumbogram
// (RFC 2675) has length 0 and counts as one without payload.
func (h *IPv6) Parse(b []byte) Error {
	if len(b) < IPv6HeaderLen {
		return Truncated
	}
	if b[0]>>4 != 6 {
		return Version
	}
	h.TrafficClass = b[0]<<4 | b[1]>>4
	h.TotalLen = IPv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	h.HopLimit = b[7]
	h.Src = Addr6(b[8:24])
	h.Dst = Addr6(b[24:40])
	h.FragOff = 0
	if h.TotalLen > len(b) {
		return Truncated
	}
	return h.skipExtensions(b[6], b[IPv6HeaderLen:h.TotalLen:h.TotalLen])
}

// skipExtensions sets Protocol and Payload to what follows the extension headers of rest, of which
// the first is of type next. Each takes at least eight octets, so the chain ends.
func (h *IPv6) skipExtensions(next uint8, rest []byte) Error {
	for h.FragOff == 0 {
		n := 0
		switch next {
		case nextHopByHop, nextRouting, nextDestOpts, nextMobility, nextHIP, nextShim6:
			if len(rest) < 8 {
				return HeaderLength
			}
			n = (int(rest[1]) + 1) << 3 // "in 8-octet units, not including the first 8 octets" RFC 8200 §4.3
		case nextAuth:
			if len(rest) < 8 {
				return HeaderLength
			}
			n = (int(rest[1]) + 2) << 2 // "in 32-bit words ... minus 2" RFC 4302 §2.2
		case nextFragment:
			if len(rest) < 8 {
				return HeaderLength
			}
			n = 8
			h.FragOff = int(binary.BigEndian.Uint16(rest[2:]) &^ 7) // RFC 8200 §4.5
		default:
			h.Protocol, h.Payload = next, rest
			return OK
		}
		if n > len(rest) {
			return HeaderLength
		}
		next, rest = rest[0], rest[n:]
	}
	h.Protocol, h.Payload = next, rest
	return OK
}

// Put writes the fixed header into b and returns its length. TotalLen must be set; extension headers
// and Payload are not written.
func (h *IPv6) Put(b []byte) int {
	b = b[:IPv6HeaderLen]
	binary.BigEndian.PutUint32(b, 6<<28|uint32(h.TrafficClass)<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(h.TotalLen-IPv6HeaderLen))
	b[6], b[7] = h.Protocol, h.HopLimit
	*(*Addr6)(b[8:]) = h.Src
	*(*Addr6)(b[24:]) = h.Dst
	return IPv6HeaderLen
}
