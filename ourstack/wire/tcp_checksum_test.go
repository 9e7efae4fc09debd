package wire

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// pseudoHeader returns the octets of RFC 9293 §3.1, figure 2.
func pseudoHeader(src, dst Addr, proto uint8, n int) []byte {
	b := append(src[:], dst[:]...)
	return binary.BigEndian.AppendUint16(append(b, 0, proto), uint16(n))
}

func TestTCPChecksumAgreesWithDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	src, dst := addr("255.255.0.1"), addr("192.0.2.255")
	for n := 20; n < 200; n++ {
		seg := randomBytes(rng, n)
		SetTCPChecksum(src, dst, seg)
		if got := slowSum(append(pseudoHeader(src, dst, ProtoTCP, n), seg...)); got != 0xFFFF {
			t.Fatalf("%d octets: with its checksum the segment sums to %#04x", n, got)
		}
		if !TCPChecksumOK(src, dst, seg) {
			t.Fatalf("%d octets: refused", n)
		}
	}
}

func TestTCPChecksumPartial(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 2))
	src, dst := addr("10.8.0.1"), addr("10.8.0.2")
	for n := range 3000 {
		headerLen := 20 + 4*(n%11)
		whole := randomBytes(rng, headerLen+n)
		payload := make([]byte, n)
		sum := CopyChecksum(payload, whole[headerLen:], 0)
		header := append([]byte(nil), whole[:headerLen]...)
		SetTCPChecksumPartial(src, dst, header, n, sum)
		SetTCPChecksum(src, dst, whole)
		if got, want := [2]byte(header[16:18]), [2]byte(whole[16:18]); got != want {
			t.Fatalf("%d octets: %x, want %x", n, got, want)
		}
	}
}

func TestTCPChecksumSeesEveryBit(t *testing.T) {
	src, dst := addr("10.8.0.1"), addr("10.8.0.2")
	seg := putTCP(exampleTCP())
	SetTCPChecksum(src, dst, seg)
	for i := range len(seg) * 8 {
		seg[i/8] ^= 1 << (i % 8)
		if TCPChecksumOK(src, dst, seg) {
			t.Errorf("bit %d may change", i)
		}
		seg[i/8] ^= 1 << (i % 8)
	}
	if TCPChecksumOK(src, addr("10.8.0.3"), seg) {
		t.Error("the destination may change")
	}
	if TCPChecksumOK(addr("10.8.0.3"), dst, seg) {
		t.Error("the source may change")
	}
	if TCPChecksumOK(src, dst, append(seg, 0)) {
		t.Error("the length may change")
	}
	if TCPChecksumOK(src, dst, nil) {
		t.Error("an empty segment is right")
	}
}
