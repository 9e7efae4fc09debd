package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"
)

// exampleIPv4 is a header with every field different from its neighbours.
func exampleIPv4() IPv4 {
	return IPv4{
		TOS: 0xB8 | ECNECT0, TotalLen: 24, ID: 0x1234, DF: true, TTL: 63, Protocol: ProtoUDP,
		Src: addr("10.8.0.2"), Dst: addr("192.0.2.1"), Options: []byte{}, Payload: []byte{1, 2, 3, 4},
	}
}

// putIPv4 returns the packet that h and its payload make.
func putIPv4(h IPv4) []byte {
	b := bytes.Repeat([]byte{0xEE}, h.HeaderLen())
	return append(b[:h.Put(b)], h.Payload...)
}

// resum corrects the header checksum of the packet b after a change.
func resum(b []byte) []byte {
	n := min(int(b[0]&0x0F)<<2, len(b))
	binary.BigEndian.PutUint16(b[10:], 0)
	binary.BigEndian.PutUint16(b[10:], Checksum(b[:n]))
	return b
}

func TestIPv4PutKnownHeader(t *testing.T) {
	h := exampleIPv4()
	want := []byte{
		0x45, 0xBA, 0x00, 0x18, 0x12, 0x34, 0x40, 0x00, 0x3F, 0x11, 0x5C, 0xDC,
		10, 8, 0, 2, 192, 0, 2, 1, 1, 2, 3, 4,
	}
	if got := putIPv4(h); !bytes.Equal(got, want) {
		t.Errorf("put\n%x, want\n%x", got, want)
	}
}

func TestIPv4RoundTrip(t *testing.T) {
	tests := map[string]func(h *IPv4){
		"plain":              func(*IPv4) {},
		"first fragment":     func(h *IPv4) { h.DF, h.MF = false, true },
		"last fragment":      func(h *IPv4) { h.DF, h.FragOff = false, 65528 },
		"no payload":         func(h *IPv4) { h.TotalLen, h.Payload = 20, []byte{} },
		"options":            func(h *IPv4) { h.Options = []byte{7, 7, 4, 0, 0, 0, 0, 0}; h.TotalLen += 8 },
		"longest options":    func(h *IPv4) { h.Options = bytes.Repeat([]byte{1}, 40); h.TotalLen += 40 },
		"everything at most": func(h *IPv4) { h.TOS, h.ID, h.TTL, h.Protocol = 255, 65535, 255, 255 },
	}
	for name, change := range tests {
		h := exampleIPv4()
		change(&h)
		var got IPv4
		if e := got.Parse(putIPv4(h)); e != OK {
			t.Errorf("%s: %v", name, e)
			continue
		}
		if !reflect.DeepEqual(got, h) {
			t.Errorf("%s: %+v came back as %+v", name, h, got)
		}
	}
}

func TestIPv4OptionsArePaddedAndCut(t *testing.T) {
	h := exampleIPv4()
	h.Options = []byte{148, 4, 0, 0, 1} // router alert, NOP
	h.TotalLen = 32
	var got IPv4
	if e := got.Parse(putIPv4(h)); e != OK {
		t.Fatal(e)
	}
	if want := []byte{148, 4, 0, 0, 1, 0, 0, 0}; !bytes.Equal(got.Options, want) {
		t.Errorf("options %x, want %x", got.Options, want)
	}
	h.Options = bytes.Repeat([]byte{1}, 41)
	if n := h.HeaderLen(); n != IPv4MaxHeaderLen {
		t.Errorf("41 octets of options make a header of %d", n)
	}
	if n := h.Put(make([]byte, 60)); n != IPv4MaxHeaderLen {
		t.Errorf("41 octets of options: wrote %d", n)
	}
}

// TestIPv4HeaderValidation goes through RFC 1812 §5.2.2 in its order.
func TestIPv4HeaderValidation(t *testing.T) {
	withLen := func(n int) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint16(b[2:], uint16(n))
			return resum(b)
		}
	}
	first := func(octet byte) func([]byte) []byte {
		return func(b []byte) []byte { b[0] = octet; return resum(b) }
	}
	tests := []struct {
		name   string
		change func(b []byte) []byte
		want   Error
	}{
		{"good", func(b []byte) []byte { return b }, OK},
		{"empty", func(b []byte) []byte { return nil }, Truncated},
		{"19 octets", func(b []byte) []byte { return b[:19] }, Truncated},
		{"header alone, length says more", func(b []byte) []byte { return b[:20] }, Truncated},
		{"one octet short", func(b []byte) []byte { return b[:23] }, Truncated},
		{"IHL past the packet", first(0x47), Truncated},
		{"checksum", func(b []byte) []byte { b[10] ^= 1; return b }, HeaderChecksum},
		{"TTL changed alone", func(b []byte) []byte { b[8]--; return b }, HeaderChecksum},
		{"version 6", func(b []byte) []byte { b[0] = 0x60; return b }, Version},
		{"version 5", first(0x55), Version},
		{"version 0", first(0x05), Version},
		{"IHL 4", first(0x44), HeaderLength},
		{"IHL 0", func(b []byte) []byte { b[0] = 0x40; return b }, HeaderChecksum},
		{"total length 0", withLen(0), TotalLength},
		{"total length 19", withLen(19), TotalLength},
		{"total length 20", withLen(20), OK},
		{"total length past the packet", withLen(25), Truncated},
		{"total length 65535", withLen(65535), Truncated},
		{"IHL 6 with total length 20", func(b []byte) []byte { return withLen(20)(first(0x46)(b)) }, TotalLength},
	}
	for _, tt := range tests {
		var h IPv4
		if got := h.Parse(tt.change(putIPv4(exampleIPv4()))); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestIPv4PutChecksum has fields that are random, all ones, which carry at every step, or zero.
func TestIPv4PutChecksum(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 3))
	word := func() uint32 { return [4]uint32{rng.Uint32(), rng.Uint32(), 0xFFFFFFFF, 0}[rng.IntN(4)] }
	for range 3000 {
		h := IPv4{
			TOS: uint8(word()), TotalLen: int(uint16(word())), ID: uint16(word()), DF: rng.IntN(2) == 0, MF: rng.IntN(2) == 0,
			FragOff: int(uint16(word()) &^ 7), TTL: uint8(word()), Protocol: uint8(word()),
			Src: Addr(binary.BigEndian.AppendUint32(nil, word())), Dst: Addr(binary.BigEndian.AppendUint32(nil, word())),
			Options: randomBytes(rng, max(0, rng.IntN(80)-40)),
		}
		b := randomBytes(rng, 60)
		n := h.Put(b)
		if got := slowSum(b[:n]); got != 0xFFFF {
			t.Fatalf("%+v: with its checksum the header sums to %#04x", h, got)
		}
		var again IPv4
		if e := again.ParseQuoted(b); h.TotalLen >= n && (e != OK || again.ID != h.ID || again.FragOff != h.FragOff || again.Src != h.Src) {
			t.Fatalf("%+v came back as %v %+v", h, e, again)
		}
	}
}

func TestIPv4EveryTruncationIsRefused(t *testing.T) {
	h := exampleIPv4()
	h.Options, h.TotalLen = []byte{1, 1, 1, 1}, 28
	b := putIPv4(h)
	for n := range b {
		var got IPv4
		if e := got.Parse(b[:n:n]); e == OK {
			t.Errorf("%d of %d octets were accepted", n, len(b))
		}
	}
}

func TestIPv4TrailingOctetsAreTrimmed(t *testing.T) {
	b := append(putIPv4(exampleIPv4()), 9, 9, 9)
	var h IPv4
	if e := h.Parse(b); e != OK {
		t.Fatal(e)
	}
	if !bytes.Equal(h.Payload, []byte{1, 2, 3, 4}) || cap(h.Payload) != 4 {
		t.Errorf("payload %x with capacity %d", h.Payload, cap(h.Payload))
	}
}

func TestIPv4ReservedFlagIsIgnored(t *testing.T) {
	b := putIPv4(exampleIPv4())
	b[6] |= 0x80
	var h IPv4
	if e := h.Parse(resum(b)); e != OK || !h.DF || h.IsFragment() {
		t.Errorf("%v, %+v", e, h)
	}
}

func TestIPv4IsFragment(t *testing.T) {
	for _, tt := range []struct {
		h    IPv4
		want bool
	}{
		{IPv4{}, false},
		{IPv4{DF: true}, false},
		{IPv4{MF: true}, true},
		{IPv4{FragOff: 8}, true},
		{IPv4{MF: true, FragOff: 8}, true},
	} {
		if got := tt.h.IsFragment(); got != tt.want {
			t.Errorf("%+v: %v", tt.h, got)
		}
	}
}

// TestIPv4ParseQuoted takes what an ICMP error quotes: cut off, with a stale checksum.
func TestIPv4ParseQuoted(t *testing.T) {
	h := exampleIPv4()
	h.TotalLen = 1500
	b := putIPv4(h) // four octets of payload where 1480 are announced
	b[8]--          // a router on the way
	var got IPv4
	if e := got.ParseQuoted(b); e != OK {
		t.Fatal(e)
	}
	if got.TotalLen != 1500 || !bytes.Equal(got.Payload, []byte{1, 2, 3, 4}) || got.Src != h.Src {
		t.Errorf("quoted %+v", got)
	}
	tests := []struct {
		name   string
		change func(b []byte) []byte
		want   Error
	}{
		{"19 octets", func(b []byte) []byte { return b[:19] }, Truncated},
		{"header alone", func(b []byte) []byte { return b[:20] }, OK},
		{"cut in the options", func(b []byte) []byte { b[0] = 0x4F; return b }, Truncated},
		{"version", func(b []byte) []byte { b[0] = 0x65; return b }, Version},
		{"IHL", func(b []byte) []byte { b[0] = 0x44; return b }, HeaderLength},
		{"total length", func(b []byte) []byte { b[2], b[3] = 0, 19; return b }, TotalLength},
	}
	for _, tt := range tests {
		if e := got.ParseQuoted(tt.change(putIPv4(h))); e != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, e, tt.want)
		}
	}
}
