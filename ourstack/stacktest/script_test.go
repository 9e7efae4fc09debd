package stacktest

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// canonical are texts exactly as the printer writes them.
var canonical = []string{
	"S 0:0(0) win 65535 <mss 1380,sackOK,TS val 1 ecr 0,nop,wscale 7>",
	"S. 0:0(0) ack 1 win 65535 <mss 1380,nop,nop,sackOK,nop,wscale 0>",
	"SEWe 7:7(0) win 1 <mss 0>",
	"S 0:10(10) win 100",
	"P. 1:1001(1000) ack 1 win 512",
	". 1:1(0) ack 1 win 0 <nop,nop,sack 5:9 20:30>",
	". 1:1(0) ack 1 win 0 <nop,nop,TS val 4294967295 ecr 7,nop,nop,sack 5:9 20:30 40:50>",
	". 1:1(0) ack 1 win 0 <nop,nop,sack 5:9 20:30 40:50 60:70>",
	"FP. 4294967290:4(10) ack 4294967295 win 9",
	"R 5:5(0) win 0",
	"- 5:6(1) win 0",
	".U 1:4(3) ack 9 win 10 urg 3",
	". 1:1(0) ack 1 win 7 <uto 30s>",
	". 1:1(0) ack 1 win 7 <uto 5m>",
	". 1:1(0) ack 1 win 7 <nop,nop,TS val 1 ecr 2,malformed>",
	". 1:1(0) ack 1 win 7 <malformed>",
}

func TestPrintOfParseIsIdentity(t *testing.T) {
	for _, text := range canonical {
		seg, err := ParseTCP(text)
		if err != nil {
			t.Errorf("ParseTCP: %v", err)
			continue
		}
		if got := string(wire.AppendTCP(nil, &seg, 0, 0)); got != text {
			t.Errorf("parsed %q, printed %q", text, got)
		}
	}
}

// TestParseOfPrintIsIdentity sends each segment over the wire as well: put, parsed, printed
// relative to the origins, parsed as a script.
func TestParseOfPrintIsIdentity(t *testing.T) {
	const relSeq, relAck = seqnum.Value(0xFFFFFF00), seqnum.Value(0x7FFFFFFF)
	for _, text := range canonical {
		seg, err := ParseTCP(text)
		if err != nil {
			t.Fatal(err)
		}
		absolute := seg
		absolute.Seq += relSeq
		absolute.Opts.Malformed = false // cannot be put
		seg.Opts.Malformed = false
		if seg.Flags.Has(wire.FlagACK) {
			absolute.Ack += relAck
		}
		for i := range absolute.Opts.NumSACK {
			absolute.Opts.SACK[i].Left += relAck
			absolute.Opts.SACK[i].Right += relAck
		}
		b := make([]byte, absolute.HeaderLen()+len(seg.Payload))
		copy(b[absolute.Put(b):], seg.Payload)
		var read wire.TCP
		if e := read.Parse(b); e != wire.OK {
			t.Fatalf("%s: %v", text, e)
		}
		again, err := ParseTCP(string(wire.AppendTCP(nil, &read, relSeq, relAck)))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, seg) {
			t.Errorf("%q came back as %+v", text, again)
		}
	}
}

func TestParseTCPShortForms(t *testing.T) {
	tests := []struct{ text, printed string }{
		{". ack 1 win 0 <sack 5:9 20:30>", ". 0:0(0) ack 1 win 0 <nop,nop,sack 5:9 20:30>"},
		{".P 1:3(2) ack 1", "P. 1:3(2) ack 1 win 0"},
		{"  R  ", "R 0:0(0) win 0"},
		{"S win 5 < wscale 7 , mss 9 , eol >", "S 0:0(0) win 5 <mss 9,nop,wscale 7>"},
		{". ack 3 <>", ". 0:0(0) ack 3 win 0"},
		{". <uto 9>", ". 0:0(0) ack 0 win 0 <uto 9s>"},
	}
	for _, tt := range tests {
		seg, err := ParseTCP(tt.text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if got := string(wire.AppendTCP(nil, &seg, 0, 0)); got != tt.printed {
			t.Errorf("%q: printed %q, want %q", tt.text, got, tt.printed)
		}
	}
}

func TestParseTCPRefuses(t *testing.T) {
	tests := []struct{ text, reason string }{
		{"", "no flags"},
		{"<mss 1>", "no flags"},
		{"X 0:0(0)", "unknown flag"},
		{"SS 0:0(0)", "twice"},
		{"S 0:1(0)", "the length is 1"},
		{"S 0:1", "first:next(length)"},
		{"S 0:1(1", "first:next(length)"},
		{"S x:1(1)", "not a number"},
		{"S 1:x(1)", "not a number"},
		{"S 1:2(x)", "not a number"},
		{"S 0:65536(65536)", "not a number of 16 bits"},
		{". win 1 ack 1", "unexpected \"ack\""},
		{". ack 1 ack 1", "unexpected \"ack\""},
		{". ack 1 win", "unexpected \"win\""},
		{". ack x", "not a number"},
		{". ack 4294967296", "not a number of 32 bits"},
		{". win 65536", "not a number of 16 bits"},
		{". 1:1(0) huh 1", "unexpected \"huh\""},
		{"S ack 1", "without the flag"},
		{". urg 1", "without the flag"},
		{". <mss 1", "without \">\""},
		{". <mss 1> win 1", "without \">\""},
		{". <mss>", "0 words"},
		{". <mss 65536>", "not a number"},
		{". <mss 1,,nop>", "empty"},
		{". <nop 1>", "1 words"},
		{". <sackOK yes>", "1 words"},
		{". <wscale 256>", "not a number"},
		{". <wscale>", "0 words"},
		{". <TS val 1>", "TS val N ecr N"},
		{". <TS val x ecr 1>", "not a number"},
		{". <TS val 1 ecr x>", "not a number"},
		{". <uto>", "0 words"},
		{". <uto 32768s>", "not a number"},
		{". <sack>", "no block"},
		{". <sack 1>", "not a number"},
		{". <sack x:1>", "not a number"},
		{". <sack 1:2 1:2 1:2 1:2 1:2>", "more than 4"},
		{". <sack 1:2 1:2 1:2 1:2,TS val 1 ecr 1>", "do not fit"},
		{". <kind-99:01>", "unknown"},
	}
	for _, tt := range tests {
		seg, err := ParseTCP(tt.text)
		if err == nil {
			t.Errorf("%q: parsed as %+v", tt.text, seg)
			continue
		}
		if !strings.Contains(err.Error(), tt.reason) {
			t.Errorf("%q: error %q does not say %q", tt.text, err, tt.reason)
		}
		if !reflect.DeepEqual(seg, wire.TCP{}) {
			t.Errorf("%q: a segment beside the error", tt.text)
		}
	}
}

func TestPayloadFollowsSequenceNumbers(t *testing.T) {
	whole, err := ParseTCP(". 4294967000:704(1000) ack 1")
	if err != nil {
		t.Fatal(err)
	}
	part, err := ParseTCP(". 4294967100:4(200) ack 1")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(whole.Payload[100:300], part.Payload) {
		t.Error("the same sequence numbers carry other octets")
	}
	if bytes.Equal(whole.Payload[101:301], part.Payload) {
		t.Error("shifted by one, the octets are the same")
	}
	syn, err := ParseTCP("S 0:10(10)")
	if err != nil {
		t.Fatal(err)
	}
	data, err := ParseTCP(". 1:11(10)")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(syn.Payload, data.Payload) {
		t.Error("data on a SYN does not start one after its sequence number")
	}
}

// TestPayloadHasNoShortPeriod would find a misplacement by a block or a segment.
func TestPayloadHasNoShortPeriod(t *testing.T) {
	p := make([]byte, 64<<10)
	FillPayload(p, 1)
	for _, shift := range []int{1, 8, 256, 512, 536, 1380, 1448, 1460, 4096, 8192, 16384} {
		same := 0
		for i := range p[shift:] {
			if p[i] == p[i+shift] {
				same++
			}
		}
		if same*2 > len(p)-shift {
			t.Errorf("shifted by %d, %d of %d octets are the same", shift, same, len(p)-shift)
		}
	}
}

func TestSegmentMatch(t *testing.T) {
	const relSeq, relAck = seqnum.Value(1000), seqnum.Value(4294967290)
	actual, err := ParseTCP("P. 1:101(100) ack 1 win 512 <TS val 5 ecr 6,sack 30:40>")
	if err != nil {
		t.Fatal(err)
	}
	actual.Seq += relSeq
	actual.Ack += relAck
	actual.Opts.SACK[0].Left += relAck
	actual.Opts.SACK[0].Right += relAck
	tests := []struct {
		text string
		want bool
	}{
		{"P. 1:101(100) ack 1 win 512 <TS val 5 ecr 6,sack 30:40>", true},
		{"P. 1:101(100) ack 1 win 512", true},
		{"P. 1:101(100) ack 1", true},
		{"P.", true},
		{". 1:101(100) ack 1", false},
		{"P. 2:102(100) ack 1", false},
		{"P. 1:100(99) ack 1", false},
		{"P. 1:101(100) ack 2", false},
		{"P. win 511", false},
		{"P. <>", false},
		{"P. <TS val 5 ecr 6,sack 30:41>", false},
		{"P. <TS val 5 ecr 7,sack 30:40>", false},
	}
	for _, tt := range tests {
		seg, err := ParseSegment(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := seg.Match(&actual, relSeq, relAck); got != tt.want {
			t.Errorf("%q: Match = %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestSegmentMatchUrgent(t *testing.T) {
	want, err := ParseSegment(".U ack 1 win 1 urg 3")
	if err != nil {
		t.Fatal(err)
	}
	got := want.TCP
	if !want.Match(&got, 0, 0) {
		t.Error("does not match itself")
	}
	got.Urg = 4
	if want.Match(&got, 0, 0) {
		t.Error("matches another urgent pointer")
	}
}

// FuzzParseTCP checks that whatever parses also prints as something that parses to the same.
func FuzzParseTCP(f *testing.F) {
	for _, text := range canonical {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seg, err := ParseTCP(text)
		if err != nil {
			return
		}
		printed := string(wire.AppendTCP(nil, &seg, 0, 0))
		again, err := ParseTCP(printed)
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, printed, err)
		}
		if twice := string(wire.AppendTCP(nil, &again, 0, 0)); twice != printed {
			t.Fatalf("%q printed as %q, then as %q", text, printed, twice)
		}
	})
}
