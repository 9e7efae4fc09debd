//go:build !purego

package wire

// vectorImpls are the sums in assembly that the CPU can do.
func vectorImpls() []checksumImpl {
	if !hasAVX2() {
		return nil
	}
	sum := func(b []byte) uint64 {
		if len(b) < 32 {
			return sumWords(b)
		}
		return sumVectors(b)
	}
	copySum := func(dst, src []byte) uint64 {
		if len(src) < 32 {
			return copySumWords(dst, src)
		}
		return copySumVectors(dst, src)
	}
	return []checksumImpl{{"AVX2", sum, copySum}}
}
