package wire

import (
	"encoding/binary"

	"vpngw/ourstack/seqnum"
)

// AppendTCP appends one line of text, without newline, for the segment t and returns the extended
// slice. Sequence numbers are printed relative to relSeq, the acknowledgment and the SACK blocks,
// which count the other direction, relative to relAck (0: absolute):
//
//	P. 1:5841(5840) ack 1 win 512 <nop,nop,TS val 7 ecr 3>
//
// Flags are F S R P . (ACK) U E (ECE) W (CWR) e (AE), or - for none; first:next(octets of payload)
// is always there, ack and urg when their flag is set; options stand as [TCP.Put] writes them.
// It allocates only what dst lacks.
func AppendTCP(dst []byte, t *TCP, relSeq, relAck seqnum.Value) []byte {
	var options [TCPMaxOptionsLen]byte
	n := t.Opts.put(options[:])
	dst = appendSegment(dst, t, len(t.Payload), relSeq, relAck)
	return appendOptions(dst, options[:n], t.Opts.Malformed, relAck)
}

// appendTCPPacket appends the TCP segment in h with its options as they stand in the packet.
func appendTCPPacket(dst []byte, h *IPv4, quoted bool) []byte {
	if quoted {
		return appendQuotedTCP(dst, h)
	}
	var t TCP
	if e := t.Parse(h.Payload); e != OK {
		return appendBad(appendHosts(dst, h), "tcp", e, len(h.Payload))
	}
	headerLen := len(h.Payload) - len(t.Payload)
	dst = appendFlow(dst, h, t.SrcPort, t.DstPort)
	dst = appendSegment(dst, &t, len(t.Payload), 0, 0)
	dst = appendOptions(dst, h.Payload[TCPMinHeaderLen:headerLen], t.Opts.Malformed, 0)
	if !TCPChecksumOK(h.Src, h.Dst, h.Payload) {
		dst = append(dst, badChecksum...)
	}
	return dst
}

// appendQuotedTCP appends what an ICMP error quotes: the length comes from the IP header, because
// the payload is not all there.
func appendQuotedTCP(dst []byte, h *IPv4) []byte {
	var t TCP
	if e := t.ParseQuoted(h.Payload); e != OK {
		return appendBad(appendHosts(dst, h), "tcp", e, len(h.Payload))
	}
	dst = appendFlow(dst, h, t.SrcPort, t.DstPort)
	if len(h.Payload) < TCPMinHeaderLen {
		return appendUint(append(dst, "tcp seq "...), uint64(t.Seq))
	}
	headerLen := int(h.Payload[12]>>4) << 2
	return appendSegment(dst, &t, max(0, h.TotalLen-h.HeaderLen()-headerLen), 0, 0)
}

// appendSegment appends everything of a segment but its options.
func appendSegment(dst []byte, t *TCP, n int, relSeq, relAck seqnum.Value) []byte {
	dst = append(appendFlags(dst, t.Flags), ' ')
	dst = append(appendValue(dst, t.Seq, relSeq), ':')
	dst = append(appendValue(dst, t.Seq.Add(seqnum.Size(n)), relSeq), '(')
	dst = append(appendUint(dst, uint64(n)), ')')
	if t.Flags&FlagACK != 0 {
		dst = appendValue(append(dst, " ack "...), t.Ack, relAck)
	}
	dst = appendUint(append(dst, " win "...), uint64(t.Wnd))
	if t.Flags&FlagURG != 0 {
		dst = appendUint(append(dst, " urg "...), uint64(t.Urg))
	}
	return dst
}

// flagLetters are in the order of the bits, FIN first.
const flagLetters = "FSRP.UEWe"

func appendFlags(dst []byte, f Flags) []byte {
	if f&flagsMask == 0 {
		return append(dst, '-')
	}
	for i := range len(flagLetters) {
		if f&(1<<i) != 0 {
			dst = append(dst, flagLetters[i])
		}
	}
	return dst
}

// appendValue appends a sequence number relative to base.
func appendValue(dst []byte, v, base seqnum.Value) []byte {
	return appendUint(dst, uint64(base.Size(v)))
}

// appendOptions appends " <…>" for the option octets b, or nothing when there are none.
func appendOptions(dst, b []byte, malformed bool, relAck seqnum.Value) []byte {
	if len(b) == 0 && !malformed {
		return dst
	}
	dst = append(dst, " <"...)
	for len(b) > 0 {
		n := 1
		if b[0] == optEOL {
			dst = append(dst, "eol,"...)
			break
		}
		if b[0] != optNOP {
			if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
				break
			}
			n = int(b[1])
		}
		dst = append(appendOption(dst, b[0], b[min(n, 2):n], relAck), ',')
		b = b[n:]
	}
	if malformed {
		dst = append(dst, "malformed,"...)
	}
	dst[len(dst)-1] = '>'
	return dst
}

// appendOption appends one option; a kind that is unknown, or has a length that it cannot have, is
// written as its number and data.
func appendOption(dst []byte, kind uint8, data []byte, relAck seqnum.Value) []byte {
	switch {
	case kind == optNOP:
		return append(dst, "nop"...)
	case kind == optMSS && len(data) == 2:
		return appendUint(append(dst, "mss "...), uint64(binary.BigEndian.Uint16(data)))
	case kind == optWndScale && len(data) == 1:
		return appendUint(append(dst, "wscale "...), uint64(data[0]))
	case kind == optSACKPermit && len(data) == 0:
		return append(dst, "sackOK"...)
	case kind == optSACK && len(data) >= 8 && len(data)%8 == 0:
		return appendSACK(dst, data, relAck)
	case kind == optTimestamps && len(data) == 8:
		dst = appendUint(append(dst, "TS val "...), uint64(binary.BigEndian.Uint32(data)))
		return appendUint(append(dst, " ecr "...), uint64(binary.BigEndian.Uint32(data[4:])))
	case kind == optUserTimeout && len(data) == 2:
		return appendUserTimeout(dst, binary.BigEndian.Uint16(data))
	}
	dst = append(appendUint(append(dst, "kind-"...), uint64(kind)), ':')
	for _, octet := range data {
		const hex = "0123456789abcdef"
		dst = append(dst, hex[octet>>4], hex[octet&0x0F])
	}
	return dst
}

func appendSACK(dst, data []byte, relAck seqnum.Value) []byte {
	dst = append(dst, "sack"...)
	for len(data) >= 8 {
		left := seqnum.Value(binary.BigEndian.Uint32(data))
		right := seqnum.Value(binary.BigEndian.Uint32(data[4:]))
		dst = append(appendValue(append(dst, ' '), left, relAck), ':')
		dst = appendValue(dst, right, relAck)
		data = data[8:]
	}
	return dst
}

// appendUserTimeout appends the count with its unit (RFC 5482 §2: the highest bit is Granularity).
func appendUserTimeout(dst []byte, v uint16) []byte {
	dst = appendUint(append(dst, "uto "...), uint64(v&0x7FFF))
	if v&0x8000 != 0 {
		return append(dst, 'm')
	}
	return append(dst, 's')
}
