package wire

import "encoding/binary"

// ICMPv4HeaderLen is the size of the part that all ICMP messages share, in octets: type, code,
// checksum and four octets whose meaning the type gives.
const ICMPv4HeaderLen = 8

// ICMPv4 is a decoded ICMP message (RFC 792).
type ICMPv4 struct {
	Type, Code uint8
	Rest       [4]byte // octets 4 to 7: identifier and sequence number, next-hop MTU, pointer, …
	Payload    []byte  // echo data, or the packet quoted by an error; aliases the input
}

// Parse decodes the message that b, the payload of an IPv4 packet, holds, and verifies its
// checksum. Unknown types are accepted: to discard them is the caller's part (RFC 1122 §3.2.2).
func (m *ICMPv4) Parse(b []byte) Error {
	if len(b) < ICMPv4HeaderLen {
		return ICMPLength
	}
	if Fold(Sum(b, 0)) != 0xFFFF {
		return BadChecksum
	}
	m.parseFixed(b)
	return OK
}

// ParseQuoted decodes a message quoted in an ICMP error, whose payload may be cut short; its
// checksum is not verified.
func (m *ICMPv4) ParseQuoted(b []byte) Error {
	if len(b) < ICMPv4HeaderLen {
		return ICMPLength
	}
	m.parseFixed(b)
	return OK
}

func (m *ICMPv4) parseFixed(b []byte) {
	m.Type, m.Code = b[0], b[1]
	m.Rest = [4]byte(b[4:8])
	m.Payload = b[ICMPv4HeaderLen:]
}

// ID returns the identifier of an echo or echo reply.
func (m *ICMPv4) ID() uint16 { return binary.BigEndian.Uint16(m.Rest[0:]) }

// Seq returns the sequence number of an echo or echo reply.
func (m *ICMPv4) Seq() uint16 { return binary.BigEndian.Uint16(m.Rest[2:]) }

// SetEcho sets the identifier and sequence number of an echo or echo reply.
func (m *ICMPv4) SetEcho(id, seq uint16) {
	binary.BigEndian.PutUint16(m.Rest[0:], id)
	binary.BigEndian.PutUint16(m.Rest[2:], seq)
}

// MTU returns the next-hop MTU in octets of an unreachable message with code 4; 0 comes from
// routers older than RFC 1191 (§4).
func (m *ICMPv4) MTU() int { return int(binary.BigEndian.Uint16(m.Rest[2:])) }

// SetMTU sets the next-hop MTU of an unreachable message with code 4, in octets up to 65535.
func (m *ICMPv4) SetMTU(mtu int) {
	m.Rest = [4]byte{}
	binary.BigEndian.PutUint16(m.Rest[2:], uint16(mtu))
}

// Pointer returns the offset in the quoted packet at which a parameter problem lies.
func (m *ICMPv4) Pointer() uint8 { return m.Rest[0] }

// SetPointer sets the offset of a parameter problem.
func (m *ICMPv4) SetPointer(offset uint8) { m.Rest = [4]byte{offset} }

// IsError reports whether the message is an error, which must never cause another one
// (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7).
func (m *ICMPv4) IsError() bool {
	switch m.Type {
	case ICMPUnreachable, ICMPSourceQuench, ICMPRedirect, ICMPTimeExceeded, ICMPParamProblem:
		return true
	}
	return false
}

// Put writes the whole message with payload and checksum into b and returns its length. Payload
// may already stand in its place, b[8:].
func (m *ICMPv4) Put(b []byte) int {
	n := ICMPv4HeaderLen + len(m.Payload)
	b = b[:n]
	b[0], b[1], b[2], b[3] = m.Type, m.Code, 0, 0
	*(*[4]byte)(b[4:]) = m.Rest
	copy(b[ICMPv4HeaderLen:], m.Payload)
	binary.BigEndian.PutUint16(b[2:], Checksum(b))
	return n
}
