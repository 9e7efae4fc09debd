//go:build !amd64 || purego

package wire

// sum returns the ones' complement sum of b as little-endian words; see sumWords.
func sum(b []byte) uint64 { return sumWords(b) }

// copySum copies src to dst, which is not shorter, and returns the sum of it.
func copySum(dst, src []byte) uint64 { return copySumWords(dst, src) }
