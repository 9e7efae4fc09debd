package wire

import "encoding/binary"

// tcpChecksumOffset is the place of the checksum field in a TCP header.
const tcpChecksumOffset = 16

// pseudoSum returns the partial sum of the pseudo header: source, destination, protocol and length
// of the segment (RFC 9293 §3.1, RFC 768).
func pseudoSum(src, dst Addr, proto uint8, segLen int) uint32 {
	s, d := binary.BigEndian.Uint32(src[:]), binary.BigEndian.Uint32(dst[:])
	return s>>16 + s&0xFFFF + d>>16 + d&0xFFFF + uint32(proto) + uint32(segLen)
}

// TCPChecksumOK reports whether the whole segment seg, header and payload, carries the right
// checksum: "the receiver MUST check it" RFC 9293 §3.1 MUST-3.
func TCPChecksumOK(src, dst Addr, seg []byte) bool {
	return Fold(Sum(seg, pseudoSum(src, dst, ProtoTCP, len(seg)))) == 0xFFFF
}

// SetTCPChecksum computes the checksum of the whole segment seg, header and payload, and stores it
// in octets 16 and 17, whatever stood there: "The TCP checksum is never optional. The sender MUST
// generate it" RFC 9293 §3.1 MUST-2. seg has at least 20 octets and at most 65515.
func SetTCPChecksum(src, dst Addr, seg []byte) { SetTCPChecksumPartial(src, dst, seg, 0, 0) }

// SetTCPChecksumPartial is SetTCPChecksum for a payload that was summed while it was copied: hdr is
// the header alone, payloadLen the octets that follow it and payloadSum their [CopyChecksum] or
// [Sum] from 0. The payload starts at an even offset, a header being a multiple of four octets.
func SetTCPChecksumPartial(src, dst Addr, hdr []byte, payloadLen int, payloadSum uint32) {
	binary.BigEndian.PutUint16(hdr[tcpChecksumOffset:], 0)
	sum := addCarry(pseudoSum(src, dst, ProtoTCP, len(hdr)+payloadLen), payloadSum)
	binary.BigEndian.PutUint16(hdr[tcpChecksumOffset:], ^Fold(Sum(hdr, sum)))
}
