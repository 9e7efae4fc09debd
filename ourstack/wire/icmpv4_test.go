package wire

import (
	"bytes"
	"reflect"
	"testing"
)

func putICMP(m ICMPv4) []byte {
	b := bytes.Repeat([]byte{0xEE}, ICMPv4HeaderLen+len(m.Payload))
	return b[:m.Put(b)]
}

func TestICMPv4PutKnownMessage(t *testing.T) {
	m := ICMPv4{Type: ICMPEcho, Payload: []byte("ab")}
	m.SetEcho(0x0102, 0x0304)
	want := []byte{8, 0, 0x92, 0x97, 1, 2, 3, 4, 'a', 'b'}
	if got := putICMP(m); !bytes.Equal(got, want) {
		t.Errorf("put %x, want %x", got, want)
	}
}

func TestICMPv4RoundTrip(t *testing.T) {
	for n := range 100 {
		m := ICMPv4{Type: uint8(n), Code: 200, Rest: [4]byte{1, 2, 3, 4}, Payload: bytes.Repeat([]byte{9}, n)}
		b := putICMP(m)
		if got := slowSum(b); got != 0xFFFF {
			t.Fatalf("%d octets: the message sums to %#04x", n, got)
		}
		var got ICMPv4
		if e := got.Parse(b); e != OK || !reflect.DeepEqual(got, m) {
			t.Fatalf("%d octets: %v, %+v", n, e, got)
		}
	}
}

func TestICMPv4ParseRefuses(t *testing.T) {
	good := putICMP(ICMPv4{Type: ICMPEcho, Payload: []byte("x")})
	var m ICMPv4
	for n := range ICMPv4HeaderLen {
		if e := m.Parse(good[:n:n]); e != ICMPLength {
			t.Errorf("%d octets: %v", n, e)
		}
		if e := m.ParseQuoted(good[:n:n]); e != ICMPLength {
			t.Errorf("%d quoted octets: %v", n, e)
		}
	}
	for i := range len(good) * 8 {
		good[i/8] ^= 1 << (i % 8)
		if e := m.Parse(good); e != BadChecksum {
			t.Errorf("bit %d changed: %v", i, e)
		}
		if e := m.ParseQuoted(good); e != OK {
			t.Errorf("bit %d changed in a quote: %v", i, e)
		}
		good[i/8] ^= 1 << (i % 8)
	}
}

func TestICMPv4Accessors(t *testing.T) {
	var m ICMPv4
	m.SetEcho(0xFFFE, 0x0102)
	if m.ID() != 0xFFFE || m.Seq() != 0x0102 {
		t.Errorf("id %#x seq %#x", m.ID(), m.Seq())
	}
	m.SetMTU(1280)
	if m.MTU() != 1280 || m.Rest != [4]byte{0, 0, 5, 0} {
		t.Errorf("mtu %d in %x", m.MTU(), m.Rest)
	}
	m.Rest[0] = 20
	if m.Pointer() != 20 {
		t.Errorf("pointer %d", m.Pointer())
	}
}

func TestICMPv4IsError(t *testing.T) {
	want := map[int]bool{3: true, 4: true, 5: true, 11: true, 12: true}
	for typ := range 256 {
		m := ICMPv4{Type: uint8(typ)}
		if got := m.IsError(); got != want[typ] {
			t.Errorf("type %d: %v", typ, got)
		}
	}
}
