package wire

import "encoding/binary"

// Sizes of an IPv4 header and packet, in octets.
const (
	IPv4MinHeaderLen = 20
	IPv4MaxHeaderLen = 60
	IPv4MaxLen       = 65535 // total length is 16 bits
)

// Protocol numbers (IANA).
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// ECN codepoints: the two low bits of the TOS octet (RFC 3168 §5).
const (
	ECNNotECT = 0
	ECNECT1   = 1
	ECNECT0   = 2
	ECNCE     = 3
	ECNMask   = 3
)

const (
	ipv4FlagDF   = 0x4000
	ipv4FlagMF   = 0x2000
	ipv4FragMask = 0x1FFF // in units of eight octets
)

// IPv4 is a decoded IPv4 packet (RFC 791 §3.1).
type IPv4 struct {
	TOS      uint8  // DSCP in the six high bits, ECN in the two low ones
	TotalLen int    // octets, header and payload, at most 65535
	ID       uint16 // identification
	DF, MF   bool   // don't fragment; more fragments
	FragOff  int    // offset of this fragment in the datagram's payload, in octets, a multiple of 8
	TTL      uint8
	Protocol uint8
	Src, Dst Addr
	Options  []byte // octets between the fixed header and the payload; aliases the input
	Payload  []byte // trimmed to TotalLen; aliases the input
}

// Parse decodes the packet at the start of b and applies the checks that RFC 1812 §5.2.2 says cannot
// be switched off, in its order. Octets after the total length are ignored. It does not judge
// addresses, TTL, options or where a fragment ends (FragOff+len(Payload) may pass 65535).
func (h *IPv4) Parse(b []byte) Error {
	// "(1) ... large enough to hold the minimum length legal IP datagram" RFC 1812 §5.2.2
	if len(b) < IPv4MinHeaderLen {
		return Truncated
	}
	// "if a router can truly classify a packet as being some other version of IP then it ought
	// not treat that packet as an error packet" RFC 1812 §5.2.2: tell IPv6 before the checksum.
	if b[0]>>4 == 6 {
		return Version
	}
	headerLen := int(b[0]&0x0F) << 2
	if headerLen > len(b) {
		return Truncated
	}
	// "(2) The IP checksum must be correct." RFC 1812 §5.2.2, RFC 1122 §3.2.1.2
	if Fold(Sum(b[:headerLen], 0)) != 0xFFFF {
		return HeaderChecksum
	}
	if e := h.parseHeader(b, headerLen); e != OK {
		return e
	}
	// "verify that the packet length reported by the Link Layer is at least as large as the IP
	// total length" RFC 1812 §5.2.2
	if h.TotalLen > len(b) {
		return Truncated
	}
	h.Payload = b[headerLen:h.TotalLen:h.TotalLen]
	return OK
}

// ParseQuoted decodes a packet quoted in an ICMP error: the payload may be cut short, and the
// header checksum is not verified, because routers on the way changed the TTL and some of them
// nothing else.
func (h *IPv4) ParseQuoted(b []byte) Error {
	if len(b) < IPv4MinHeaderLen {
		return Truncated
	}
	headerLen := int(b[0]&0x0F) << 2
	if headerLen > len(b) {
		return Truncated
	}
	if e := h.parseHeader(b, headerLen); e != OK {
		return e
	}
	end := min(h.TotalLen, len(b))
	h.Payload = b[headerLen:end:end]
	return OK
}

// parseHeader makes checks (3) to (5) of RFC 1812 §5.2.2 and decodes all fields but Payload.
// b holds at least 20 octets and headerLen ≤ len(b).
func (h *IPv4) parseHeader(b []byte, headerLen int) Error {
	// "(3) The IP version number must be 4."
	if b[0]>>4 != 4 {
		return Version
	}
	// "(4) The IP header length field must be large enough"
	if headerLen < IPv4MinHeaderLen {
		return HeaderLength
	}
	// "(5) The IP total length field must be large enough to hold the IP datagram header"
	h.TotalLen = int(binary.BigEndian.Uint16(b[2:]))
	if h.TotalLen < headerLen {
		return TotalLength
	}
	frag := binary.BigEndian.Uint16(b[6:])
	h.TOS = b[1]
	h.ID = binary.BigEndian.Uint16(b[4:])
	h.DF = frag&ipv4FlagDF != 0
	h.MF = frag&ipv4FlagMF != 0
	h.FragOff = int(frag&ipv4FragMask) << 3
	h.TTL = b[8]
	h.Protocol = b[9]
	h.Src = Addr(b[12:16])
	h.Dst = Addr(b[16:20])
	h.Options = b[IPv4MinHeaderLen:headerLen:headerLen]
	return OK
}

// HeaderLen returns the octets that Put writes: 20 and the options, padded to a multiple of four.
func (h *IPv4) HeaderLen() int { return IPv4MinHeaderLen + (min(len(h.Options), 40)+3)&^3 }

// ECN returns the ECN codepoint of the packet.
func (h *IPv4) ECN() uint8 { return h.TOS & ECNMask }

// IsFragment reports whether the packet is not a whole datagram.
func (h *IPv4) IsFragment() bool { return h.MF || h.FragOff != 0 }

// Put writes the header with its checksum into b and returns its length. TotalLen must be set and
// FragOff a multiple of eight below 65536. Options are padded with zeros (End of Option List) to a
// multiple of four octets; there is room for 40, more are cut off. Payload is not written.
func (h *IPv4) Put(b []byte) int {
	n := h.HeaderLen()
	b = b[:n]
	frag := uint16(h.FragOff>>3) & ipv4FragMask
	if h.DF {
		frag |= ipv4FlagDF
	}
	if h.MF {
		frag |= ipv4FlagMF
	}
	src, dst := binary.BigEndian.Uint32(h.Src[:]), binary.BigEndian.Uint32(h.Dst[:])
	first := (4<<4|uint32(n>>2))<<24 | uint32(h.TOS)<<16 | uint32(uint16(h.TotalLen))
	second := uint32(h.ID)<<16 | uint32(frag)
	third := uint32(h.TTL)<<24 | uint32(h.Protocol)<<16
	// The sum is made of the fields: reading back what has just been written in smaller pieces
	// would wait until that is in the cache.
	sum := uint64(first) + uint64(second) + uint64(third) + uint64(src) + uint64(dst)
	if n > IPv4MinHeaderLen {
		clear(b[IPv4MinHeaderLen+copy(b[IPv4MinHeaderLen:], h.Options):])
		sum += uint64(Sum(b[IPv4MinHeaderLen:], 0))
	}
	binary.BigEndian.PutUint32(b, first)
	binary.BigEndian.PutUint32(b[4:], second)
	binary.BigEndian.PutUint32(b[8:], third|uint32(^fold64(sum)))
	binary.BigEndian.PutUint32(b[12:], src)
	binary.BigEndian.PutUint32(b[16:], dst)
	return n
}
