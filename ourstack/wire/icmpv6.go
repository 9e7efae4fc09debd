package wire

import "encoding/binary"

// ICMPv6HeaderLen is the size of what stands before the packet that an error quotes, in octets:
// type, code, checksum and four octets that the type gives a meaning (RFC 4443 §2.1, §3.1).
const ICMPv6HeaderLen = 8

// ICMPv6 types and codes (RFC 4443 §3.1, §4; RFC 4861 §4.5).
const (
	ICMPv6Unreachable      = 1
	ICMPv6UnreachableAdmin = 1 // communication with destination administratively prohibited

	ICMPv6Echo      = 128
	ICMPv6EchoReply = 129
	ICMPv6Redirect  = 137
)

// ICMPv6 is a decoded ICMPv6 message (RFC 4443 §2.1).
type ICMPv6 struct {
	Type, Code uint8
	Rest       [4]byte // octets 4 to 7
	Payload    []byte  // the packet quoted by an error, as far as it is there; aliases the input
}

// Parse decodes the message that b, the payload of an IPv6 packet, holds, and verifies its checksum.
func (m *ICMPv6) Parse(src, dst *Addr6, b []byte) Error {
	if e := m.ParseQuoted(b); e != OK {
		return e
	}
	if Fold(Sum(b, pseudoHeader6(src, dst, len(b), ProtoICMPv6))) != 0xFFFF {
		return BadChecksum
	}
	return OK
}

// ParseQuoted is Parse for a message that may be cut short: its checksum is not verified.
func (m *ICMPv6) ParseQuoted(b []byte) Error {
	if len(b) < ICMPv6HeaderLen {
		return ICMPLength
	}
	m.Type, m.Code = b[0], b[1]
	m.Rest = [4]byte(b[4:8])
	m.Payload = b[ICMPv6HeaderLen:]
	return OK
}

// IsError reports whether the message is an error: "Error messages are identified as such by a zero
// in the high-order bit of their message Type field values" RFC 4443 §2.1.
func (m *ICMPv6) IsError() bool { return m.Type < 128 }

// Put writes the whole message with payload and checksum into b and returns its length; src and dst
// are the addresses of the packet. Payload may already stand in its place, b[8:].
func (m *ICMPv6) Put(src, dst *Addr6, b []byte) int {
	n := ICMPv6HeaderLen + len(m.Payload)
	b = b[:n]
	b[0], b[1], b[2], b[3] = m.Type, m.Code, 0, 0
	*(*[4]byte)(b[4:]) = m.Rest
	copy(b[ICMPv6HeaderLen:], m.Payload)
	binary.BigEndian.PutUint16(b[2:], ^Fold(Sum(b, pseudoHeader6(src, dst, n, ProtoICMPv6))))
	return n
}

// pseudoHeader6 is the partial sum of the pseudo header of RFC 8200 §8.1; n is the length of the
// upper-layer packet in octets, at most 65535.
func pseudoHeader6(src, dst *Addr6, n int, proto uint8) uint32 {
	return addCarry(Sum(dst[:], Sum(src[:], 0)), uint32(n)+uint32(proto))
}
