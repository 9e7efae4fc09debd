package ourstack

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"vpngw/ourstack/tcp"
)

// key is the secret of one use of the keyed hash.
type key struct{ k0, k1 uint64 }

// deriveKey makes the key for one use from the seed, so that what one use gives away (a port, an
// ID) says nothing about another.
func deriveKey(seed *[32]byte, use string) key {
	sum := sha256.Sum256(append(seed[:len(seed):len(seed)], use...))
	return key{binary.LittleEndian.Uint64(sum[0:]), binary.LittleEndian.Uint64(sum[8:])}
}

// hash is SipHash-2-4 of whole 64-bit words: a pseudorandom function that cannot be computed
// without the key (RFC 6528 §3, RFC 6056 §3.3.3, RFC 4987 §3.6), at a few nanoseconds.
func (k key) hash(words ...uint64) uint64 {
	v0 := k.k0 ^ 0x736f6d6570736575
	v1 := k.k1 ^ 0x646f72616e646f6d
	v2 := k.k0 ^ 0x6c7967656e657261
	v3 := k.k1 ^ 0x7465646279746573
	for _, m := range words {
		v3 ^= m
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	last := uint64(len(words)*8) << 56
	v3 ^= last
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0 ^= last
	v2 ^= 0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
}

func sipRound(v0, v1, v2, v3 uint64) (uint64, uint64, uint64, uint64) {
	v0 += v1
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v0 = bits.RotateLeft64(v0, 32)
	v2 += v3
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 += v3
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v2 += v1
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v2 = bits.RotateLeft64(v2, 32)
	return v0, v1, v2, v3
}

// endpointWord packs an endpoint into a word for hashing.
func endpointWord(e tcp.Endpoint) uint64 {
	return uint64(binary.BigEndian.Uint32(e.Addr[:]))<<16 | uint64(e.Port)
}

// random is a sequence of pseudorandom numbers: the keyed hash of a counter. It is safe for
// concurrent use without a lock.
type random struct {
	key     key
	counter atomic.Uint64
}

func (r *random) next() uint64 { return r.key.hash(r.counter.Add(1)) }
