package wire

import (
	"encoding/binary"

	"vpngw/ourstack/seqnum"
)

// Option kinds (RFC 9293 §3.2, RFC 7323 §2.2 and §3.2, RFC 2018 §2 and §3, RFC 5482 §2).
const (
	optEOL         = 0
	optNOP         = 1
	optMSS         = 2
	optWndScale    = 3
	optSACKPermit  = 4
	optSACK        = 5
	optTimestamps  = 8
	optUserTimeout = 28
)

// nopNopTimestamps is the start of the options of nearly every segment: two NOPs and a
// Timestamps option of ten octets, as RFC 7323 appendix A recommends.
const nopNopTimestamps = optNOP<<24 | optNOP<<16 | optTimestamps<<8 | 10

// timestampsLen is the octets that they take.
const timestampsLen = 12

// MaxSACKBlocks is what 40 octets of options hold; with timestamps only three fit (RFC 2018 §3).
const MaxSACKBlocks = 4

// SACKBlock is one range of received octets, [Left, Right) (RFC 2018 §3).
type SACKBlock struct{ Left, Right seqnum.Value }

// Options are the TCP options of a segment that we understand, from any segment, SYN or not
// (RFC 9293 MUST-5); what an option means where is for package tcp to judge, so values are as on
// the wire (a scale may exceed 14, an MSS be 0, a SACK block be empty).
//
// On reading, unknown kinds are skipped by their length (MUST-6). An option whose length is below
// two or passes the end ends the list, and a known kind with a length that it cannot have is
// skipped; both set Malformed (MUST-7). Of an option that comes twice the last counts, except that
// SACK blocks add up.
//
// On writing the order is: MSS, SACK-permitted, Timestamps, Window Scale, User Timeout, SACK, each
// group padded in front with NOPs to a multiple of four octets, so no End of Option List is needed.
type Options struct {
	MSS            uint16 // octets
	HasMSS         bool
	WndScale       uint8 // shift count
	HasWndScale    bool
	SACKPermitted  bool
	HasTimestamps  bool
	TSVal, TSEcr   uint32
	SACK           [MaxSACKBlocks]SACKBlock // the first NumSACK, in the order of the segment
	NumSACK        int
	UserTimeout    uint16 // highest bit: minutes, else seconds; the rest is the count (RFC 5482 §2)
	HasUserTimeout bool
	Malformed      bool // set by Parse only
}

// parse decodes the option octets b, at most 40.
func (o *Options) parse(b []byte) {
	*o = Options{}
	if len(b) == timestampsLen && binary.BigEndian.Uint32(b) == nopNopTimestamps {
		o.HasTimestamps = true
		o.TSVal = binary.BigEndian.Uint32(b[4:])
		o.TSEcr = binary.BigEndian.Uint32(b[8:])
		return
	}
	for len(b) > 0 {
		kind := b[0]
		if kind == optEOL {
			return
		}
		if kind == optNOP {
			b = b[1:]
			continue
		}
		// "MUST be prepared to handle an illegal option length (e.g., zero)" RFC 9293 §3.1 MUST-7
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			o.Malformed = true
			return
		}
		n := int(b[1])
		o.parseOne(kind, b[2:n])
		b = b[n:]
	}
}

// parseOne decodes one option with its data; unknown kinds pass without error (MUST-6).
func (o *Options) parseOne(kind uint8, data []byte) {
	switch kind {
	case optMSS:
		if len(data) == 2 {
			o.HasMSS, o.MSS = true, binary.BigEndian.Uint16(data)
			return
		}
	case optWndScale:
		if len(data) == 1 {
			o.HasWndScale, o.WndScale = true, data[0]
			return
		}
	case optSACKPermit:
		if len(data) == 0 {
			o.SACKPermitted = true
			return
		}
	case optSACK:
		if len(data) >= 8 && len(data)%8 == 0 {
			o.parseSACK(data)
			return
		}
	case optTimestamps:
		if len(data) == 8 {
			o.HasTimestamps = true
			o.TSVal = binary.BigEndian.Uint32(data)
			o.TSEcr = binary.BigEndian.Uint32(data[4:])
			return
		}
	case optUserTimeout:
		if len(data) == 2 {
			o.HasUserTimeout, o.UserTimeout = true, binary.BigEndian.Uint16(data)
			return
		}
	default:
		return
	}
	o.Malformed = true
}

func (o *Options) parseSACK(data []byte) {
	for len(data) >= 8 && o.NumSACK < MaxSACKBlocks {
		o.SACK[o.NumSACK] = SACKBlock{
			Left:  seqnum.Value(binary.BigEndian.Uint32(data)),
			Right: seqnum.Value(binary.BigEndian.Uint32(data[4:])),
		}
		o.NumSACK++
		data = data[8:]
	}
}

// Len returns the octets that the options take in a header: a multiple of four, at most 40.
func (o *Options) Len() int {
	n := o.lenWithoutSACK()
	if blocks := o.sackBlocksThatFit(n); blocks > 0 {
		n += 4 + 8*blocks
	}
	return n
}

func (o *Options) lenWithoutSACK() int {
	n := 0
	if o.HasMSS {
		n += 4
	}
	switch {
	case o.HasTimestamps:
		n += 12
	case o.SACKPermitted:
		n += 4
	}
	if o.HasWndScale {
		n += 4
	}
	if o.HasUserTimeout {
		n += 4
	}
	return n
}

// sackBlocksThatFit returns how many of the blocks have room after used octets of other options,
// two NOPs, kind and length.
func (o *Options) sackBlocksThatFit(used int) int {
	return max(0, min(o.NumSACK, MaxSACKBlocks, (TCPMaxOptionsLen-used-4)/8))
}

// put writes the options and returns their length, which is Len.
func (o *Options) put(b []byte) int {
	n := 0
	if o.HasMSS {
		binary.BigEndian.PutUint32(b[n:], optMSS<<24|4<<16|uint32(o.MSS))
		n += 4
	}
	if o.SACKPermitted || o.HasTimestamps {
		n += o.putSACKPermittedAndTimestamps(b[n:])
	}
	if o.HasWndScale {
		binary.BigEndian.PutUint32(b[n:], optNOP<<24|optWndScale<<16|3<<8|uint32(o.WndScale))
		n += 4
	}
	if o.HasUserTimeout {
		binary.BigEndian.PutUint32(b[n:], optUserTimeout<<24|4<<16|uint32(o.UserTimeout))
		n += 4
	}
	if o.NumSACK > 0 {
		n += o.putSACK(b[n:], o.sackBlocksThatFit(n))
	}
	return n
}

// putSACKPermittedAndTimestamps writes one or both: SACK-permitted takes the place of the two
// NOPs that would align the timestamps.
func (o *Options) putSACKPermittedAndTimestamps(b []byte) int {
	if !o.HasTimestamps {
		binary.BigEndian.PutUint32(b, optNOP<<24|optNOP<<16|optSACKPermit<<8|2)
		return 4
	}
	lead := uint32(nopNopTimestamps)
	if o.SACKPermitted {
		lead = optSACKPermit<<24 | 2<<16 | optTimestamps<<8 | 10
	}
	binary.BigEndian.PutUint32(b, lead)
	binary.BigEndian.PutUint32(b[4:], o.TSVal)
	binary.BigEndian.PutUint32(b[8:], o.TSEcr)
	return 12
}

func (o *Options) putSACK(b []byte, blocks int) int {
	if blocks == 0 {
		return 0
	}
	binary.BigEndian.PutUint32(b, optNOP<<24|optNOP<<16|optSACK<<8|uint32(2+8*blocks))
	n := 4
	for i := range blocks {
		binary.BigEndian.PutUint32(b[n:], uint32(o.SACK[i].Left))
		binary.BigEndian.PutUint32(b[n+4:], uint32(o.SACK[i].Right))
		n += 8
	}
	return n
}
