package wire

import "math/bits"

// Sum adds the 16-bit big-endian words of b to initial in ones' complement arithmetic (RFC 1071 §1).
// The result is partially folded: any uint32 that [Fold] reduces to the sum. An odd last octet
// counts as the high half of a word, so only the last piece of a sum may be odd; see [AddSum].
//
// Sum of no octets, or of zeros, with initial 0 is 0; every other sum is never 0 when folded.
func Sum(b []byte, initial uint32) uint32 {
	// "the sum of 16-bit integers can be computed in either byte order ... swapped" RFC 1071 §2(B):
	// add 64-bit words in the machine's (little-endian) order, swap once at the end.
	return addCarry(initial, uint32(bits.ReverseBytes16(fold64(sum(b)))))
}

// CopyChecksum copies min(len(dst), len(src)) octets from src to dst and returns what [Sum] returns
// for them. The two must not overlap, unless they begin at the same octet.
func CopyChecksum(dst, src []byte, initial uint32) uint32 {
	if len(src) > len(dst) {
		src = src[:len(dst)]
	}
	return addCarry(initial, uint32(bits.ReverseBytes16(fold64(copySum(dst, src)))))
}

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
