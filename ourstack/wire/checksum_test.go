package wire

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// slowSum is RFC 1071 §1 to the letter, in wide arithmetic.
func slowSum(b []byte) uint16 {
	var s uint64
	for i := 0; i+1 < len(b); i += 2 {
		s += uint64(b[i])<<8 | uint64(b[i+1])
	}
	if len(b)%2 == 1 {
		s += uint64(b[len(b)-1]) << 8
	}
	for s > 0xFFFF {
		s = s>>16 + s&0xFFFF
	}
	return uint16(s)
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// TestSumOfRFC1071Example is the worked example of RFC 1071 §3.
func TestSumOfRFC1071Example(t *testing.T) {
	b := []byte{0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7}
	if got := Fold(Sum(b, 0)); got != 0xDDF2 {
		t.Errorf("sum %#04x, want 0xddf2", got)
	}
	if got := Checksum(b); got != 0x220D {
		t.Errorf("checksum %#04x, want 0x220d", got)
	}
}

func TestSumAgreesWithDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	buf := randomBytes(rng, 3000)
	for n := range 300 {
		for offset := range 9 {
			if got, want := Fold(Sum(buf[offset:offset+n], 0)), slowSum(buf[offset:offset+n]); got != want {
				t.Fatalf("%d octets at %d: sum %#04x, want %#04x", n, offset, got, want)
			}
		}
	}
	if got, want := Fold(Sum(buf, 0)), slowSum(buf); got != want {
		t.Errorf("%d octets: sum %#04x, want %#04x", len(buf), got, want)
	}
}

// TestSumCarries has a carry out of every addition.
func TestSumCarries(t *testing.T) {
	for n := range 200 {
		b := bytes.Repeat([]byte{0xFF}, n)
		if got, want := Fold(Sum(b, 0)), slowSum(b); got != want {
			t.Errorf("%d octets of 0xff: sum %#04x, want %#04x", n, got, want)
		}
		if got := Fold(Sum(b, 0xFFFFFFFF)); got != 0xFFFF && n%2 == 0 {
			t.Errorf("%d octets of 0xff from 0xffffffff: sum %#04x, want 0xffff", n, got)
		}
	}
}

// TestSumZero tells the two zeros of ones' complement apart: only octets that are all zero sum
// to 0, which UDP's "no checksum" depends on.
func TestSumZero(t *testing.T) {
	for n := range 100 {
		if got := Fold(Sum(make([]byte, n), 0)); got != 0 {
			t.Errorf("%d zeros: sum %#04x", n, got)
		}
	}
	if got := Fold(Sum([]byte{0x12, 0x34, 0xED, 0xCB}, 0)); got != 0xFFFF {
		t.Errorf("sum of a number and its complement %#04x, want 0xffff", got)
	}
	if got := Fold(Sum(nil, 0xFFFF)); got != 0xFFFF {
		t.Errorf("0xffff and nothing: %#04x", got)
	}
}

func TestSumInitial(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	for range 1000 {
		b := randomBytes(rng, 2*rng.IntN(100))
		initial := rng.Uint32()
		whole := binary.BigEndian.AppendUint32(nil, initial)
		if got, want := Fold(Sum(b, initial)), slowSum(append(whole, b...)); got != want {
			t.Fatalf("%x from %#x: sum %#04x, want %#04x", b, initial, got, want)
		}
	}
}

func TestAddSumOfPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 3))
	for range 2000 {
		b := randomBytes(rng, 1+rng.IntN(500))
		var total uint32
		for at := 0; at < len(b); {
			n := 1 + rng.IntN(len(b)-at)
			total = AddSum(total, Sum(b[at:at+n], 0), at%2 == 1)
			at += n
		}
		if got, want := Fold(total), slowSum(b); got != want {
			t.Fatalf("%d octets in pieces: sum %#04x, want %#04x", len(b), got, want)
		}
	}
}

func TestCopyChecksum(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 4))
	for _, n := range []int{
		0, 1, 2, 7, 8, 9, 63, 64, 65, 1379, 1380, copyChunk - 1, copyChunk,
		copyChunk + 1, 2*copyChunk + 3, 65535,
	} {
		src := randomBytes(rng, n)
		dst := randomBytes(rng, n+5)
		rest := bytes.Clone(dst[n:])
		got := Fold(CopyChecksum(dst, src, 0x1234))
		if want := Fold(AddSum(0x1234, uint32(slowSum(src)), false)); got != want {
			t.Errorf("%d octets: sum %#04x, want %#04x", n, got, want)
		}
		if !bytes.Equal(dst[:n], src) {
			t.Errorf("%d octets: the copy differs", n)
		}
		if !bytes.Equal(dst[n:], rest) {
			t.Errorf("%d octets: wrote past them", n)
		}
	}
}

func TestCopyChecksumStopsAtShortDestination(t *testing.T) {
	src := []byte{1, 2, 3, 4, 5}
	dst := make([]byte, 3)
	if got, want := Fold(CopyChecksum(dst, src, 0)), slowSum(src[:3]); got != want {
		t.Errorf("sum %#04x, want %#04x", got, want)
	}
	if !bytes.Equal(dst, src[:3]) {
		t.Errorf("copied %x", dst)
	}
}

// TestUpdateChecksumOfRFC1624Example is RFC 1624 §4, where the older equation of RFC 1141 fails.
func TestUpdateChecksumOfRFC1624Example(t *testing.T) {
	if got := UpdateChecksum(0xDD2F, 0x5555, 0x3285); got != 0x0000 {
		t.Errorf("checksum %#04x, want 0x0000", got)
	}
}

func TestUpdateChecksumAgreesWithRecomputation(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 5))
	for range 20_000 {
		b := randomBytes(rng, 20)
		b[0] |= 0x40 // as in an IP header, not all words can be zero
		at := 2 + 2*rng.IntN(9)
		before := Checksum(b)
		from := binary.BigEndian.Uint16(b[at:])
		to := uint16(rng.Uint32())
		if rng.IntN(4) == 0 {
			to = [2]uint16{0, 0xFFFF}[rng.IntN(2)]
		}
		binary.BigEndian.PutUint16(b[at:], to)
		if got, want := UpdateChecksum(before, from, to), Checksum(b); got != want {
			t.Fatalf("%x: updated %#04x, recomputed %#04x", b, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[uint32]uint16{
		0: 0, 1: 1, 0xFFFF: 0xFFFF, 0x10000: 1, 0x1FFFE: 0xFFFF, 0x1FFFF: 1, 0xFFFF0000: 0xFFFF,
		0xFFFFFFFF: 0xFFFF, 0xFFFF0001: 1,
	} {
		if got := Fold(in); got != want {
			t.Errorf("Fold(%#x) = %#04x, want %#04x", in, got, want)
		}
	}
}
