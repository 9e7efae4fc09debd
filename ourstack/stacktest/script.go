package stacktest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// Segment is a TCP segment as a script writes it, with what the script left out. As an input the
// gaps are the harness's to fill; as an expectation they match anything.
type Segment struct {
	wire.TCP // fields that are not in the text are zero
	HasSeq   bool
	HasAck   bool
	HasWnd   bool
	HasOpts  bool // <…> is there; <> says that there are no options
}

// ParseTCP parses a segment in the notation that [wire.AppendTCP] prints, for example
//
//	S 0:0(0) win 65535 <mss 1380,sackOK,TS val 1 ecr 0,nop,wscale 7>
//	P. 1:1001(1000) ack 1 win 512
//	. ack 1 win 0 <sack 5:9 20:30>
//
// Ports are zero and so is every field that the text leaves out. NOPs are taken as decoration:
// the options are put on the wire in wire's order whatever the order in the text. The payload is
// that of [FillPayload]. Printing the result gives the text again, when the text is a printed one.
func ParseTCP(s string) (wire.TCP, error) {
	seg, err := ParseSegment(s)
	return seg.TCP, err
}

// ParseSegment is ParseTCP that also tells which fields the text has.
func ParseSegment(s string) (Segment, error) {
	var seg Segment
	if err := seg.parse(s); err != nil {
		return Segment{}, fmt.Errorf("segment %q: %w", s, err)
	}
	return seg, nil
}

// FillPayload writes the octets that scripts expect from sequence number seq on: a function of the
// sequence number alone, so that a retransmission or an overlap carries the same octets, and a
// misplaced one does not.
func FillPayload(p []byte, seq seqnum.Value) {
	for i := range p {
		v := uint32(seq) + uint32(i)
		p[i] = byte(v ^ v>>8*31 ^ v>>16*17)
	}
}

// Match reports whether t, whose numbers are relative to relSeq and relAck, is the segment that s
// describes: flags, length of payload, and the fields that s has. Payload octets and ports are
// not compared.
func (s *Segment) Match(t *wire.TCP, relSeq, relAck seqnum.Value) bool {
	if t.Flags != s.Flags || s.HasSeq && len(t.Payload) != len(s.Payload) {
		return false
	}
	if s.HasSeq && t.Seq-relSeq != s.Seq || s.HasAck && t.Ack-relAck != s.Ack {
		return false
	}
	if s.HasWnd && t.Wnd != s.Wnd || t.Flags.Has(wire.FlagURG) && t.Urg != s.Urg {
		return false
	}
	if !s.HasOpts {
		return true
	}
	opts := t.Opts
	for i := range opts.NumSACK {
		opts.SACK[i].Left -= relAck
		opts.SACK[i].Right -= relAck
	}
	return opts == s.Opts
}

// parse takes the fields of text in their order: flags, sequence range, ack, win, urg, options.
func (s *Segment) parse(text string) error {
	text, options, hasOpts := strings.Cut(text, "<")
	if s.HasOpts = hasOpts; hasOpts {
		if err := parseOptions(&s.Opts, options); err != nil {
			return err
		}
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return fmt.Errorf("no flags")
	}
	if err := s.parseFlags(words[0]); err != nil {
		return err
	}
	words = words[1:]
	if len(words) > 0 && strings.Contains(words[0], ":") {
		if err := s.parseRange(words[0]); err != nil {
			return err
		}
		words = words[1:]
	}
	return s.parseNumbers(words)
}

func (s *Segment) parseFlags(word string) error {
	const letters = "FSRP.UEWe" // in the order of the bits
	if word == "-" {
		return nil
	}
	for i := range len(word) {
		bit := strings.IndexByte(letters, word[i])
		if bit < 0 {
			return fmt.Errorf("unknown flag %q", word[i])
		}
		if s.Flags.Has(1 << bit) {
			return fmt.Errorf("flag %q twice", word[i])
		}
		s.Flags |= 1 << bit
	}
	return nil
}

// parseRange parses first:next(length) and makes the payload.
func (s *Segment) parseRange(word string) error {
	first, rest, _ := strings.Cut(word, ":")
	next, length, ok := strings.Cut(rest, "(")
	length, closed := strings.CutSuffix(length, ")")
	if !ok || !closed {
		return fmt.Errorf("%q is not first:next(length)", word)
	}
	seq, err := number(first, 32)
	if err != nil {
		return err
	}
	end, err := number(next, 32)
	if err != nil {
		return err
	}
	n, err := number(length, 16)
	if err != nil {
		return err
	}
	if uint32(end)-uint32(seq) != uint32(n) {
		return fmt.Errorf("%q: the length is %d", word, uint32(end)-uint32(seq))
	}
	s.HasSeq, s.Seq = true, seqnum.Value(seq)
	if n > 0 {
		s.Payload = make([]byte, n)
		FillPayload(s.Payload, s.firstOctet())
	}
	return nil
}

// firstOctet returns the sequence number of the first octet of payload: a SYN comes before it.
func (s *Segment) firstOctet() seqnum.Value {
	if s.Flags.Has(wire.FlagSYN) {
		return s.Seq.Add(1)
	}
	return s.Seq
}

// parseNumbers parses "ack N win N urg N", each of which may be missing.
func (s *Segment) parseNumbers(words []string) error {
	last := -1
	for ; len(words) >= 2; words = words[2:] {
		field := slices.Index([]string{"ack", "win", "urg"}, words[0])
		if field <= last {
			return fmt.Errorf("unexpected %q", words[0])
		}
		last = field
		bits := 16
		if field == 0 {
			bits = 32
		}
		n, err := number(words[1], bits)
		if err != nil {
			return err
		}
		switch field {
		case 0:
			s.HasAck, s.Ack = true, seqnum.Value(n)
		case 1:
			s.HasWnd, s.Wnd = true, uint16(n)
		case 2:
			s.Urg = uint16(n)
		}
	}
	if len(words) > 0 {
		return fmt.Errorf("unexpected %q", words[0])
	}
	if s.HasAck && !s.Flags.Has(wire.FlagACK) {
		return fmt.Errorf("ack without the flag \".\"")
	}
	if last == 2 && !s.Flags.Has(wire.FlagURG) {
		return fmt.Errorf("urg without the flag \"U\"")
	}
	return nil
}

func number(s string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of %d bits", s, bits)
	}
	return n, nil
}
