package ourstack

import (
	"encoding/binary"
	"sync/atomic"

	"vpngw/ourstack/wire"
)

// ipIDs gives IP IDs to packets that are or may be fragmented: "The IPv4 ID of non-atomic datagrams
// MUST NOT be reused ... for a given source address, destination address, and protocol" within the
// lifetime of a datagram (RFC 6864 §4.3). Counters, chosen by a keyed hash of these three
// and starting at random, make the reuse as rare as 16 bits allow and tell strangers nothing.
type ipIDs struct {
	key      key
	counters [ipIDBuckets]atomic.Uint32
}

func (c *ipIDs) init(k key) {
	c.key = k
	r := random{key: k}
	for i := range c.counters {
		c.counters[i].Store(uint32(r.next()))
	}
}

func (c *ipIDs) next(src, dst wire.Addr, protocol uint8) uint16 {
	pair := uint64(binary.BigEndian.Uint32(src[:]))<<32 | uint64(binary.BigEndian.Uint32(dst[:]))
	return uint16(c.counters[c.key.hash(pair, uint64(protocol))%ipIDBuckets].Add(1))
}
