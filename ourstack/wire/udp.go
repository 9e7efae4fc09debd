package wire

import "encoding/binary"

// UDPHeaderLen is the size of a UDP header in octets.
const UDPHeaderLen = 8

// udpChecksumOffset is the place of the checksum field in a UDP header.
const udpChecksumOffset = 6

// UDP is a decoded UDP datagram (RFC 768).
type UDP struct {
	SrcPort, DstPort uint16
	Length           int    // octets, header and payload; set by Parse, ignored by Put
	Payload          []byte // trimmed to Length; aliases the input
}

// Parse decodes the datagram at the start of b, the payload of an IPv4 packet. A length field
// below eight or past b is an error; octets after it are not delivered (RFC 768, RFC 1122 §4.1.3).
// The checksum is not verified (see [UDPChecksumOK]).
func (u *UDP) Parse(b []byte) Error {
	if len(b) < UDPHeaderLen {
		return Truncated
	}
	u.parsePorts(b)
	if u.Length < UDPHeaderLen || u.Length > len(b) {
		return UDPLength
	}
	u.Payload = b[UDPHeaderLen:u.Length:u.Length]
	return OK
}

// ParseQuoted decodes a datagram quoted in an ICMP error, whose payload may be cut short.
func (u *UDP) ParseQuoted(b []byte) Error {
	if len(b) < UDPHeaderLen {
		return Truncated
	}
	u.parsePorts(b)
	if u.Length < UDPHeaderLen {
		return UDPLength
	}
	end := min(u.Length, len(b))
	u.Payload = b[UDPHeaderLen:end:end]
	return OK
}

func (u *UDP) parsePorts(b []byte) {
	u.SrcPort = binary.BigEndian.Uint16(b[0:])
	u.DstPort = binary.BigEndian.Uint16(b[2:])
	u.Length = int(binary.BigEndian.Uint16(b[4:]))
}

// Put writes the header and the payload into b and returns their length together. The length field
// is that of Payload, at most 65527 octets; the checksum field is left zero, which means that there
// is none (RFC 768). Payload may already stand in its place, b[8:].
func (u *UDP) Put(b []byte) int {
	n := UDPHeaderLen + len(u.Payload)
	b = b[:n]
	binary.BigEndian.PutUint16(b[0:], u.SrcPort)
	binary.BigEndian.PutUint16(b[2:], u.DstPort)
	binary.BigEndian.PutUint16(b[4:], uint16(n))
	binary.BigEndian.PutUint16(b[6:], 0)
	copy(b[UDPHeaderLen:], u.Payload)
	return n
}

// UDPChecksumOK reports whether the datagram seg carries the right checksum, or none (0). Octets
// past its length field do not count; a datagram that Parse refuses is not right.
func UDPChecksumOK(src, dst Addr, seg []byte) bool {
	var u UDP
	if u.Parse(seg) != OK {
		return false
	}
	// "An all zero transmitted checksum value means that the transmitter generated no checksum"
	// RFC 768
	if binary.BigEndian.Uint16(seg[udpChecksumOffset:]) == 0 {
		return true
	}
	// "If a UDP datagram is received with a checksum that is non-zero and invalid, UDP MUST
	// silently discard the datagram." RFC 1122 §4.1.3.4
	return Fold(Sum(seg[:u.Length], pseudoSum(src, dst, ProtoUDP, u.Length))) == 0xFFFF
}

// SetUDPChecksum computes the checksum of the whole datagram seg, header and payload, and stores
// it in octets 6 and 7, whatever stood there.
func SetUDPChecksum(src, dst Addr, seg []byte) {
	binary.BigEndian.PutUint16(seg[udpChecksumOffset:], 0)
	sum := ^Fold(Sum(seg, pseudoSum(src, dst, ProtoUDP, len(seg))))
	// "If the computed checksum is zero, it is transmitted as all ones" RFC 768
	if sum == 0 {
		sum = 0xFFFF
	}
	binary.BigEndian.PutUint16(seg[udpChecksumOffset:], sum)
}
