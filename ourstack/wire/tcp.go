package wire

import (
	"encoding/binary"

	"vpngw/ourstack/seqnum"
)

// Sizes of a TCP header, in octets.
const (
	TCPMinHeaderLen  = 20
	TCPMaxHeaderLen  = 60
	TCPMaxOptionsLen = TCPMaxHeaderLen - TCPMinHeaderLen
)

// Flags are the control bits of a TCP header (RFC 9293 §3.1), AE being the ninth (RFC 9768 §3.2).
type Flags uint16

// The control bits.
const (
	FlagFIN Flags = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
	FlagURG
	FlagECE
	FlagCWR
	FlagAE
	flagsMask = FlagAE<<1 - 1
)

// Has reports whether all the bits of mask are set.
func (f Flags) Has(mask Flags) bool { return f&mask == mask }

// TCP is a decoded TCP segment (RFC 9293 §3.1).
type TCP struct {
	SrcPort, DstPort uint16
	Seq              seqnum.Value // of the first octet, or of the SYN
	Ack              seqnum.Value // next octet expected; without meaning unless FlagACK
	Flags            Flags
	Wnd              uint16 // as on the wire: not scaled
	Urg              uint16 // urgent pointer; without meaning unless FlagURG
	Opts             Options
	Payload          []byte // aliases the input
}

// Parse decodes the segment that b holds: header, options and all the rest as payload. The checksum
// is not verified (see [TCPChecksumOK]). Ill-formed options never fail a segment: see [Options].
func (t *TCP) Parse(b []byte) Error {
	if len(b) < TCPMinHeaderLen {
		return Truncated
	}
	headerLen := int(b[12]>>4) << 2
	if headerLen < TCPMinHeaderLen || headerLen > len(b) {
		return DataOffset
	}
	t.parseFixed(b)
	t.Opts.parse(b[TCPMinHeaderLen:headerLen])
	t.Payload = b[headerLen:]
	return OK
}

// ParseQuoted decodes the start of a segment quoted in an ICMP error. Eight octets suffice, which
// give the ports and Seq (RFC 792); all that is not there is zero. Options and payload are left out.
func (t *TCP) ParseQuoted(b []byte) Error {
	*t = TCP{}
	if len(b) < 8 {
		return Truncated
	}
	if len(b) >= TCPMinHeaderLen {
		t.parseFixed(b)
		return OK
	}
	t.SrcPort = binary.BigEndian.Uint16(b[0:])
	t.DstPort = binary.BigEndian.Uint16(b[2:])
	t.Seq = seqnum.Value(binary.BigEndian.Uint32(b[4:]))
	return OK
}

// parseFixed decodes the 20 octets that every header has.
func (t *TCP) parseFixed(b []byte) {
	b = b[:TCPMinHeaderLen]
	t.SrcPort = binary.BigEndian.Uint16(b[0:])
	t.DstPort = binary.BigEndian.Uint16(b[2:])
	t.Seq = seqnum.Value(binary.BigEndian.Uint32(b[4:]))
	t.Ack = seqnum.Value(binary.BigEndian.Uint32(b[8:]))
	t.Flags = Flags(binary.BigEndian.Uint16(b[12:])) & flagsMask
	t.Wnd = binary.BigEndian.Uint16(b[14:])
	t.Urg = binary.BigEndian.Uint16(b[18:])
}

// HeaderLen returns the octets that Put writes: 20 and the options, a multiple of four.
func (t *TCP) HeaderLen() int { return TCPMinHeaderLen + t.Opts.Len() }

// Len returns SEG.LEN: the octets of payload, and one each for SYN and FIN (RFC 9293 §3.4).
func (t *TCP) Len() seqnum.Size {
	n := seqnum.Size(len(t.Payload))
	if t.Flags&FlagSYN != 0 {
		n++
	}
	if t.Flags&FlagFIN != 0 {
		n++
	}
	return n
}

// Put writes the header with its options into b and returns its length. The checksum field is left
// zero and the payload is not written. Reserved bits are sent as zero (RFC 9293 §3.1).
func (t *TCP) Put(b []byte) int {
	n := TCPMinHeaderLen + t.Opts.put(b[TCPMinHeaderLen:])
	h := b[:TCPMinHeaderLen]
	binary.BigEndian.PutUint16(h[0:], t.SrcPort)
	binary.BigEndian.PutUint16(h[2:], t.DstPort)
	binary.BigEndian.PutUint32(h[4:], uint32(t.Seq))
	binary.BigEndian.PutUint32(h[8:], uint32(t.Ack))
	binary.BigEndian.PutUint16(h[12:], uint16(n>>2)<<12|uint16(t.Flags&flagsMask))
	binary.BigEndian.PutUint16(h[14:], t.Wnd)
	binary.BigEndian.PutUint16(h[16:], 0)
	binary.BigEndian.PutUint16(h[18:], t.Urg)
	return n
}
