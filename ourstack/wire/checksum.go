package wire

import (
	"encoding/binary"
	"math/bits"
)

// Sum adds the 16-bit big-endian words of b to initial in ones' complement arithmetic (RFC 1071 §1).
// The result is partially folded: any uint32 that [Fold] reduces to the sum. An odd last octet
// counts as the high half of a word, so only the last piece of a sum may be odd; see [AddSum].
//
// Sum of no octets, or of zeros, with initial 0 is 0; every other sum is never 0 when folded.
func Sum(b []byte, initial uint32) uint32 {
	// "the sum of 16-bit integers can be computed in either byte order ... swapped" RFC 1071 §2(B):
	// add 64-bit words in the machine's (little-endian) order, swap once at the end.
	return addCarry(initial, uint32(bits.ReverseBytes16(fold64(sumWords(b)))))
}

// CopyChecksum copies min(len(dst), len(src)) octets from src to dst and returns what [Sum] returns
// for them. Each chunk is summed while it is still in the first-level cache, so memory is read once.
func CopyChecksum(dst, src []byte, initial uint32) uint32 {
	if len(src) > len(dst) {
		src = src[:len(dst)]
	}
	for len(src) > copyChunk {
		copy(dst[:copyChunk], src)
		initial = Sum(dst[:copyChunk], initial)
		dst, src = dst[copyChunk:], src[copyChunk:]
	}
	n := copy(dst, src)
	return Sum(dst[:n], initial)
}

// copyChunk is the piece that CopyChecksum copies before it sums it, in octets: even, so that the
// sums add without a swap, and small enough that source and copy share a 32 KiB L1 cache.
const copyChunk = 8 << 10

// AddSum adds part, the Sum of a piece that starts atOddOffset octets into the whole or not, to
// total. A piece at an odd offset has its octets in the other half of each word, so its sum is
// swapped (RFC 1071 §2(B)).
func AddSum(total, part uint32, atOddOffset bool) uint32 {
	if atOddOffset {
		part = uint32(bits.ReverseBytes16(Fold(part)))
	}
	return addCarry(total, part)
}

// Fold reduces a partial sum to 16 bits with end-around carry (RFC 1071 §4.1).
func Fold(sum uint32) uint16 {
	sum = sum>>16 + sum&0xFFFF
	return uint16(sum + sum>>16)
}

// Checksum returns the Internet checksum of b: the complement of its folded sum, as it stands in a
// header. Over octets that include a correct checksum field it is 0.
func Checksum(b []byte) uint16 { return ^Fold(Sum(b, 0)) }

// UpdateChecksum returns the checksum of a header in which the 16-bit word from became to, when it
// was sum before (RFC 1624 §3, equation 3).
func UpdateChecksum(sum, from, to uint16) uint16 {
	// "HC' = ~(~HC + ~m + m')" RFC 1624 §3
	return ^Fold(uint32(^sum) + uint32(^from) + uint32(to))
}

// addCarry adds two partial sums with end-around carry.
func addCarry(a, b uint32) uint32 {
	s, c := bits.Add32(a, b, 0)
	return s + c
}

// fold64 reduces a 64-bit ones' complement sum to 16 bits.
func fold64(s uint64) uint16 {
	s = s>>32 + s&0xFFFFFFFF // at most 33 bits
	s = s>>32 + s&0xFFFFFFFF // at most 32 bits
	return Fold(uint32(s))
}

// sumWords adds b as little-endian 64-bit words with end-around carry.
func sumWords(b []byte) uint64 {
	le := binary.LittleEndian
	var s, c uint64
	for len(b) >= 64 {
		w := b[:64]
		s, c = bits.Add64(s, le.Uint64(w[0:]), c)
		s, c = bits.Add64(s, le.Uint64(w[8:]), c)
		s, c = bits.Add64(s, le.Uint64(w[16:]), c)
		s, c = bits.Add64(s, le.Uint64(w[24:]), c)
		s, c = bits.Add64(s, le.Uint64(w[32:]), c)
		s, c = bits.Add64(s, le.Uint64(w[40:]), c)
		s, c = bits.Add64(s, le.Uint64(w[48:]), c)
		s, c = bits.Add64(s, le.Uint64(w[56:]), c)
		b = b[64:]
	}
	for len(b) >= 8 {
		s, c = bits.Add64(s, le.Uint64(b), c)
		b = b[8:]
	}
	// At most seven octets are left: gather them into one word, zero-padded at the high end,
	// which is the end of the buffer in little-endian order (RFC 1071 §4.1: pad on the right).
	var last uint64
	var shift uint
	if len(b) >= 4 {
		last, shift = uint64(le.Uint32(b)), 32
		b = b[4:]
	}
	if len(b) >= 2 {
		last |= uint64(le.Uint16(b)) << shift
		shift += 16
		b = b[2:]
	}
	if len(b) == 1 {
		last |= uint64(b[0]) << shift
	}
	s, c = bits.Add64(s, last, c)
	return s + c // cannot overflow: last is below 2⁵⁶, so with a carry s is too
}
