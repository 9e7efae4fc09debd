package wire

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"testing"
)

func putUDP(u UDP) []byte {
	b := bytes.Repeat([]byte{0xEE}, UDPHeaderLen+len(u.Payload))
	return b[:u.Put(b)]
}

func TestUDPRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1392, 65527} {
		u := UDP{SrcPort: 53, DstPort: 0xFFFE, Length: 8 + n, Payload: bytes.Repeat([]byte{7}, n)}
		var got UDP
		if e := got.Parse(putUDP(u)); e != OK || !reflect.DeepEqual(got, u) {
			t.Errorf("%d octets: %v, %+v", n, e, got)
		}
	}
}

func TestUDPPutInPlace(t *testing.T) {
	b := append(make([]byte, 8), "hello"...)
	u := UDP{SrcPort: 1, DstPort: 2, Payload: b[8:]}
	if n := u.Put(b); n != 13 || string(b) != "\x00\x01\x00\x02\x00\x0d\x00\x00hello" {
		t.Errorf("%d octets, %q", n, b)
	}
}

// TestUDPLength: "less than eight" and more than is there are errors (RFC 768), what follows the
// length is not data.
func TestUDPLength(t *testing.T) {
	for _, tt := range []struct {
		octets, length int
		want           Error
		payload        int
	}{
		{0, 0, Truncated, 0},
		{7, 8, Truncated, 0},
		{8, 8, OK, 0},
		{8, 0, UDPLength, 0},
		{8, 7, UDPLength, 0},
		{8, 9, UDPLength, 0},
		{20, 65535, UDPLength, 0},
		{20, 20, OK, 12},
		{20, 12, OK, 4},
	} {
		b := make([]byte, max(tt.octets, 8))
		binary.BigEndian.PutUint16(b[4:], uint16(tt.length))
		var u UDP
		got := u.Parse(b[:tt.octets])
		if got != tt.want {
			t.Errorf("%d octets of length %d: %v, want %v", tt.octets, tt.length, got, tt.want)
		}
		if got == OK && (len(u.Payload) != tt.payload || cap(u.Payload) != tt.payload) {
			t.Errorf("%d octets of length %d: payload of %d", tt.octets, tt.length, len(u.Payload))
		}
		if OK != tt.want && UDPChecksumOK(Addr{}, Addr{}, b[:tt.octets]) {
			t.Errorf("%d octets of length %d: checksum accepted", tt.octets, tt.length)
		}
	}
}

func TestUDPChecksum(t *testing.T) {
	src, dst := addr("10.8.0.1"), addr("10.8.0.2")
	for n := range 100 {
		b := putUDP(UDP{SrcPort: 1, DstPort: 2, Payload: bytes.Repeat([]byte{0xA5}, n)})
		if !UDPChecksumOK(src, dst, b) {
			t.Fatal("no checksum is refused")
		}
		SetUDPChecksum(src, dst, b)
		if got := slowSum(append(pseudoHeader(src, dst, ProtoUDP, len(b)), b...)); got != 0xFFFF {
			t.Fatalf("%d octets: with its checksum the datagram sums to %#04x", n, got)
		}
		for i := range len(b) * 8 {
			b[i/8] ^= 1 << (i % 8)
			zero := b[6] == 0 && b[7] == 0
			if UDPChecksumOK(src, dst, b) && !zero {
				t.Fatalf("%d octets: bit %d may change", n, i)
			}
			b[i/8] ^= 1 << (i % 8)
		}
		if !UDPChecksumOK(src, dst, append(b, 1, 2, 3)) {
			t.Fatal("octets after the length count")
		}
		if UDPChecksumOK(src, addr("10.8.0.3"), b) {
			t.Fatal("the destination may change")
		}
	}
}

// TestUDPChecksumZeroIsSentAsOnes: "If the computed checksum is zero, it is transmitted as all ones"
// RFC 768. The payload is chosen so that the sum is all ones.
func TestUDPChecksumZeroIsSentAsOnes(t *testing.T) {
	src, dst := addr("10.8.0.1"), addr("10.8.0.2")
	b := putUDP(UDP{SrcPort: 1, DstPort: 2, Payload: []byte{0, 0}})
	sum := slowSum(append(pseudoHeader(src, dst, ProtoUDP, len(b)), b...))
	binary.BigEndian.PutUint16(b[8:], ^sum)
	SetUDPChecksum(src, dst, b)
	if got := binary.BigEndian.Uint16(b[6:]); got != 0xFFFF {
		t.Errorf("checksum %#04x, want 0xffff", got)
	}
	if !UDPChecksumOK(src, dst, b) {
		t.Error("all ones are refused")
	}
}

func TestUDPParseQuoted(t *testing.T) {
	whole := putUDP(UDP{SrcPort: 5, DstPort: 6, Payload: []byte("payload")})
	for n := range len(whole) + 1 {
		var u UDP
		e := u.ParseQuoted(whole[:n:n])
		if n < 8 {
			if e != Truncated {
				t.Errorf("%d octets: %v", n, e)
			}
			continue
		}
		if e != OK || u.SrcPort != 5 || u.DstPort != 6 || u.Length != 15 || len(u.Payload) != n-8 {
			t.Errorf("%d octets: %v, %+v", n, e, u)
		}
	}
	whole[5] = 7
	var u UDP
	if e := u.ParseQuoted(whole); e != UDPLength {
		t.Errorf("length 7: %v", e)
	}
}
