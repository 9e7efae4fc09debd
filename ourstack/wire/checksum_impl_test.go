package wire

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// checksumImpl is one way to sum, and to copy and sum.
type checksumImpl struct {
	name    string
	sum     func(b []byte) uint64
	copySum func(dst, src []byte) uint64
}

// checksumImpls are all that this program has: what Sum and CopyChecksum choose, that in Go, and that in
// assembly, which a program built for the race detector does not choose.
func checksumImpls() []checksumImpl {
	return append(vectorImpls(), checksumImpl{"chosen", sum, copySum}, checksumImpl{"words", sumWords, copySumWords})
}

// checkImpl compares with RFC 1071 §1, taken word by word.
func checkImpl(t *testing.T, impl checksumImpl, dst, src []byte) {
	t.Helper()
	want := slowSum(src)
	if got := Fold(swapped(impl.sum(src))); got != want {
		t.Fatalf("%s: %d octets: sum %#04x, want %#04x", impl.name, len(src), got, want)
	}
	before, after := dst[:8:8], dst[8+len(src):]
	for i := range dst {
		dst[i] = ^byte(i)
	}
	if got := Fold(swapped(impl.copySum(dst[8:8+len(src):8+len(src)], src))); got != want {
		t.Fatalf("%s: %d octets: sum of the copy %#04x, want %#04x", impl.name, len(src), got, want)
	}
	if !bytes.Equal(dst[8:8+len(src)], src) {
		t.Fatalf("%s: %d octets: the copy differs", impl.name, len(src))
	}
	for i, x := range before {
		if x != ^byte(i) {
			t.Fatalf("%s: %d octets: wrote before the copy", impl.name, len(src))
		}
	}
	for i, x := range after {
		if x != ^byte(8+len(src)+i) {
			t.Fatalf("%s: %d octets: wrote behind the copy", impl.name, len(src))
		}
	}
}

// swapped is the sum in the order of the network, as Sum has it.
func swapped(s uint64) uint32 { return addCarry(0, uint32(fold64(s)>>8|fold64(s)<<8)) }

// TestChecksumImpls takes all lengths about the vectors and turns of the assembly, from all places about
// their alignment, with octets that are random, all ones, which carry at every step, or nearly zero.
func TestChecksumImpls(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 6))
	fills := []func() byte{
		func() byte { return byte(rng.Uint32()) },
		func() byte { return 0xFF },
		func() byte { return byte(rng.Uint32N(64) / 63) },
		func() byte { return 0 },
	}
	space, target := make([]byte, 512), make([]byte, 512)
	for _, impl := range checksumImpls() {
		for n := range 301 {
			for at := range 33 {
				src := space[at : at+n : at+n]
				fill := fills[(n+at)%len(fills)]
				for i := range src {
					src[i] = fill()
				}
				checkImpl(t, impl, target[(at*7)%33:][:n+24], src)
			}
		}
		for _, n := range []int{1379, 1380, 1420, copyChunk - 1, copyChunk, copyChunk + 1, 2*copyChunk + 3, 65535, 1 << 20} {
			checkImpl(t, impl, make([]byte, n+20), randomBytes(rng, n))
			checkImpl(t, impl, make([]byte, n+20), bytes.Repeat([]byte{0xFF}, n))
		}
	}
}

// TestChecksumImplsInPlace copies octets to where they are, which CopyChecksum permits.
func TestChecksumImplsInPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, impl := range checksumImpls() {
		for n := range 301 {
			b := randomBytes(rng, n)
			want := bytes.Clone(b)
			if got := Fold(swapped(impl.copySum(b, b))); got != slowSum(want) || !bytes.Equal(b, want) {
				t.Fatalf("%s: %d octets: sum %#04x, want %#04x", impl.name, n, got, slowSum(want))
			}
		}
	}
}

func FuzzChecksumImpls(f *testing.F) {
	f.Add([]byte(nil), uint8(0))
	f.Add(bytes.Repeat([]byte{0xFF}, 259), uint8(3))
	f.Add(append(make([]byte, 130), 1), uint8(31))
	f.Fuzz(func(t *testing.T, b []byte, at uint8) {
		dst := make([]byte, int(at)+len(b)+16)
		for _, impl := range checksumImpls() {
			checkImpl(t, impl, dst[at:], b)
			checkImpl(t, impl, dst[at:], b[min(len(b), int(at)):])
		}
	})
}
