//go:build !purego

package wire

import "math/bits"

// useAVX2 is whether the CPU and the operating system have AVX2. The race detector does not see what
// assembly reads and writes, so that programs built for it do without.
var useAVX2 = !raceEnabled && hasAVX2()

// vectorMin is the length in octets from which on the assembly is faster: two vectors.
const vectorMin = 64

// sum returns the ones' complement sum of b as little-endian words; see sumWords.
func sum(b []byte) uint64 {
	if !useAVX2 || len(b) < vectorMin {
		return sumWords(b)
	}
	return sumVectors(b)
}

// copySum copies src to dst, which is not shorter, and returns the sum of it.
func copySum(dst, src []byte) uint64 {
	if !useAVX2 || len(src) < vectorMin {
		return copySumWords(dst, src)
	}
	return copySumVectors(dst, src)
}

// sumVectors is sumWords for a CPU with AVX2 and at least 32 octets.
func sumVectors(b []byte) uint64 {
	n := len(b) &^ 31
	s, c := bits.Add64(sumAVX2(&b[0], n), sumWords(b[n:]), 0)
	return endAround(s, c)
}

// copySumVectors is copySumWords for a CPU with AVX2 and at least 32 octets.
func copySumVectors(dst, src []byte) uint64 {
	n := len(src) &^ 31
	_ = dst[len(src)-1]
	s := copySumAVX2(&dst[0], &src[0], n)
	copy(dst[n:], src[n:])
	s, c := bits.Add64(s, sumWords(src[n:]), 0)
	return endAround(s, c)
}

// sumAVX2 returns a number that is congruent to sumWords of the n octets at b modulo 0xFFFF, and 0 only
// if they all are. n is a positive multiple of 32.
//
//go:noescape
func sumAVX2(b *byte, n int) uint64

// copySumAVX2 copies n octets from src to dst and returns sumAVX2 of them.
//
//go:noescape
func copySumAVX2(dst, src *byte, n int) uint64

// hasAVX2 asks the CPU whether it has AVX2, and whether the operating system keeps its registers.
func hasAVX2() bool
