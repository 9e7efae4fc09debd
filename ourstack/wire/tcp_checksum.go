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
func SetTCPChecksum(src, dst Addr, seg []byte) {
	binary.BigEndian.PutUint16(seg[tcpChecksumOffset:], 0)
	sum := pseudoSum(src, dst, ProtoTCP, len(seg))
	binary.BigEndian.PutUint16(seg[tcpChecksumOffset:], ^Fold(Sum(seg, sum)))
}

// PutSummed writes the header as Put does, and the checksum as SetTCPChecksum does for a payload that
// was summed while it was copied: payloadLen is the octets that follow the header and payloadSum their
// [CopyChecksum] or [Sum] from 0. The payload starts at an even offset, a header being a multiple
// of four octets. It returns the length of the header.
func (t *TCP) PutSummed(src, dst Addr, b []byte, payloadLen int, payloadSum uint32) int {
	n := t.Put(b)
	// The sum is made of the fields, as far as they are those of nearly every segment: reading
	// back what has just been written in smaller pieces would wait until that is in the cache.
	sum := uint64(pseudoSum(src, dst, ProtoTCP, n+payloadLen)) + uint64(payloadSum) +
		uint64(t.SrcPort) + uint64(t.DstPort) + uint64(t.Seq) + uint64(t.Ack) +
		uint64(n>>2)<<12 + uint64(t.Flags&flagsMask) + uint64(t.Wnd) + uint64(t.Urg)
	if o := &t.Opts; o.HasTimestamps && !o.SACKPermitted && n == TCPMinHeaderLen+timestampsLen {
		sum += nopNopTimestamps + uint64(o.TSVal) + uint64(o.TSEcr)
	} else if n > TCPMinHeaderLen {
		sum += uint64(Sum(b[TCPMinHeaderLen:n], 0))
	}
	binary.BigEndian.PutUint16(b[tcpChecksumOffset:], ^fold64(sum))
	return n
}
