package wire

import (
	"encoding/binary"
	"math/bits"
)

// The sums in Go: for machines without assembly, for the ends of what the assembly sums, and as the
// reference that the assembly is tested against.

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

// copySumWords copies src to dst, which is not shorter, and returns sumWords of it. Each chunk is summed
// while it is still in the first-level cache, so memory is read once.
func copySumWords(dst, src []byte) uint64 {
	var s, c uint64
	for len(src) > copyChunk {
		copy(dst[:copyChunk], src)
		s, c = bits.Add64(s, sumWords(dst[:copyChunk]), c)
		dst, src = dst[copyChunk:], src[copyChunk:]
	}
	n := copy(dst, src)
	s, c = bits.Add64(s, sumWords(dst[:n]), c)
	return endAround(s, c)
}

// endAround adds a carry to the sum that it came from.
func endAround(s, c uint64) uint64 {
	s, c = bits.Add64(s, c, 0)
	return s + c
}

// copyChunk is the piece that copySumWords copies before it sums it, in octets: a multiple of eight, so
// that the sums add without a shift, and small enough that source and copy share a 32 KiB L1 cache.
const copyChunk = 8 << 10
