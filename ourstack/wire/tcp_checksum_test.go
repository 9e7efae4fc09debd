package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/seqnum"
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

// TestTCPChecksumPartial compares with the checksum of the whole segment, for headers with every kind of options
// and fields that are random, all ones, which carry at every step, or zero.
func TestTCPChecksumPartial(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 2))
	word := func() uint32 { return [4]uint32{rng.Uint32(), rng.Uint32(), 0xFFFFFFFF, 0}[rng.IntN(4)] }
	for n := range 3000 {
		src, dst := Addr(binary.BigEndian.AppendUint32(nil, word())), Addr(binary.BigEndian.AppendUint32(nil, word()))
		h := TCP{
			SrcPort: uint16(word()), DstPort: uint16(word()), Seq: seqnum.Value(word()), Ack: seqnum.Value(word()),
			Flags: Flags(word()), Wnd: uint16(word()), Urg: uint16(word()),
		}
		h.Opts = Options{
			HasTimestamps: rng.IntN(4) > 0, TSVal: word(), TSEcr: word(), SACKPermitted: rng.IntN(8) == 0,
			HasMSS: rng.IntN(8) == 0, MSS: uint16(word()), HasWndScale: rng.IntN(8) == 0, WndScale: uint8(word()),
			NumSACK: max(0, rng.IntN(8)-4), SACK: [4]SACKBlock{{1, 2}, {3, 4}, {5, seqnum.Value(word())}},
			HasUserTimeout: rng.IntN(8) == 0, UserTimeout: uint16(word()),
		}
		payload, got := randomBytes(rng, n), randomBytes(rng, 60+n)
		hl := h.HeaderLen()
		sum := CopyChecksum(got[hl:], payload, 0)
		if wrote := h.PutSummed(src, dst, got, n, sum); wrote != hl {
			t.Fatalf("%+v: wrote %d octets, want %d", h, wrote, hl)
		}
		want := make([]byte, hl+n)
		copy(want[h.Put(want):], payload)
		SetTCPChecksum(src, dst, want)
		if !bytes.Equal(got[:hl+n], want) {
			t.Fatalf("%+v with %d octets:\n%x, want\n%x", h, n, got[:hl], want[:hl])
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
