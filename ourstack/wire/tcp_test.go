package wire

import (
	"bytes"
	"reflect"
	"testing"

	"vpngw/ourstack/seqnum"
)

// exampleTCP is a segment with every field different from its neighbours.
func exampleTCP() TCP {
	return TCP{
		SrcPort: 0x1122, DstPort: 0x3344, Seq: 0x55667788, Ack: 0x99AABBCC, Flags: FlagACK | FlagPSH,
		Wnd: 0xDDEE, Urg: 0xF001, Payload: []byte("payload"),
	}
}

// putTCP returns the segment with its payload, checksum zero, in a buffer that was dirty.
func putTCP(t TCP) []byte {
	b := bytes.Repeat([]byte{0xEE}, t.HeaderLen())
	return append(b[:t.Put(b)], t.Payload...)
}

func TestTCPPutKnownHeader(t *testing.T) {
	want := []byte{
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC,
		0x50, 0x18, 0xDD, 0xEE, 0x00, 0x00, 0xF0, 0x01, 'p', 'a', 'y', 'l', 'o', 'a', 'd',
	}
	if got := putTCP(exampleTCP()); !bytes.Equal(got, want) {
		t.Errorf("put\n%x, want\n%x", got, want)
	}
}

func TestTCPRoundTrip(t *testing.T) {
	options := map[string]Options{
		"none": {},
		"SYN": {
			HasMSS: true, MSS: 1380, SACKPermitted: true, HasTimestamps: true, TSVal: 1, TSEcr: 2,
			HasWndScale: true, WndScale: 7,
		},
		"timestamps": {HasTimestamps: true, TSVal: 0xFFFFFFFF, TSEcr: 0x12345678},
	}
	for name, opts := range options {
		for flags := range FlagAE << 1 {
			seg := exampleTCP()
			seg.Flags, seg.Opts = flags, opts
			var got TCP
			if e := got.Parse(putTCP(seg)); e != OK {
				t.Fatalf("%s, flags %#x: %v", name, flags, e)
			}
			if !reflect.DeepEqual(got, seg) {
				t.Fatalf("%s: %+v came back as %+v", name, seg, got)
			}
		}
	}
}

func TestTCPParseOverwritesEverything(t *testing.T) {
	seg := exampleTCP()
	seg.Opts = Options{
		HasMSS: true, MSS: 9, HasWndScale: true, WndScale: 9, SACKPermitted: true, HasTimestamps: true,
		TSVal: 9, TSEcr: 9, NumSACK: 1, HasUserTimeout: true, UserTimeout: 9, Malformed: true,
	}
	if e := seg.Parse(make([]byte, 12)); e != Truncated {
		t.Fatal(e)
	}
	b := make([]byte, 20)
	b[12] = 0x50
	if e := seg.Parse(b); e != OK {
		t.Fatal(e)
	}
	if want := (TCP{Payload: []byte{}}); !reflect.DeepEqual(seg, want) {
		t.Errorf("left over: %+v", seg)
	}
}

func TestTCPHeaderLengthIsChecked(t *testing.T) {
	tests := []struct {
		name   string
		length int
		offset byte // in words of four octets
		want   Error
	}{
		{"empty", 0, 0, Truncated},
		{"19 octets", 19, 5, Truncated},
		{"20 octets", 20, 5, OK},
		{"offset 0", 20, 0, DataOffset},
		{"offset 4", 60, 4, DataOffset},
		{"offset past the segment", 20, 6, DataOffset},
		{"offset one octet past", 23, 6, DataOffset},
		{"offset at the end", 24, 6, OK},
		{"longest", 60, 15, OK},
		{"longest cut", 59, 15, DataOffset},
	}
	for _, tt := range tests {
		b := make([]byte, tt.length)
		if tt.length > 12 {
			b[12] = tt.offset << 4
		}
		var seg TCP
		if got := seg.Parse(b); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestTCPReservedBitsAreIgnored: "Must be zero in generated segments and must be ignored in received
// segments" RFC 9293 §3.1; the lowest of the four is AE.
func TestTCPReservedBitsAreIgnored(t *testing.T) {
	b := putTCP(exampleTCP())
	b[12] |= 0x0E
	var seg TCP
	if e := seg.Parse(b); e != OK || seg.Flags != FlagACK|FlagPSH {
		t.Errorf("%v, flags %#x", e, seg.Flags)
	}
	seg.Flags = 0xFFFF
	if seg.Put(b); b[12] != 0x51 || b[13] != 0xFF {
		t.Errorf("wrote %x", b[12:14])
	}
}

// TestTCPLen is SEG.LEN: "the number of octets occupied by the data in the segment (counting SYN
// and FIN)" RFC 9293 §3.4.
func TestTCPLen(t *testing.T) {
	for _, tt := range []struct {
		flags   Flags
		payload int
		want    seqnum.Size
	}{
		{FlagACK, 0, 0},
		{FlagACK, 10, 10},
		{FlagSYN, 0, 1},
		{FlagFIN, 0, 1},
		{FlagFIN | FlagACK, 10, 11},
		{FlagSYN | FlagFIN, 10, 12},
		{FlagRST, 3, 3},
	} {
		seg := TCP{Flags: tt.flags, Payload: make([]byte, tt.payload)}
		if got := seg.Len(); got != tt.want {
			t.Errorf("flags %#x, %d octets: %d, want %d", tt.flags, tt.payload, got, tt.want)
		}
	}
}

func TestFlagsHas(t *testing.T) {
	f := FlagSYN | FlagACK
	if !f.Has(FlagSYN) || !f.Has(FlagSYN|FlagACK) || f.Has(FlagSYN|FlagFIN) || f.Has(FlagRST) {
		t.Error("Has does not mean all of the bits")
	}
}

func TestTCPParseQuoted(t *testing.T) {
	whole := exampleTCP()
	b := putTCP(whole)
	whole.Payload = nil
	for n := range b {
		var got TCP
		e := got.ParseQuoted(b[:n:n])
		var want TCP
		wantError := OK
		switch {
		case n < 8:
			wantError = Truncated
		case n < 20:
			want = TCP{SrcPort: whole.SrcPort, DstPort: whole.DstPort, Seq: whole.Seq}
		default:
			want = whole
		}
		if e != wantError || !reflect.DeepEqual(got, want) {
			t.Errorf("%d octets: %v, %+v", n, e, got)
		}
	}
}
