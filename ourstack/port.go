package ourstack

import (
	"sync/atomic"

	"vpngw/ourstack/tcp"
)

// ports chooses local ports by the double-hash algorithm of RFC 6056 §3.3.4: ports towards one
// destination increase, so that they come back late, and say nothing about those towards another.
type ports struct {
	offsetKey, indexKey key
	table               [portTableLen]atomic.Uint32 // table[] of RFC 6056
}

func (p *ports) init(seed *[32]byte) {
	p.offsetKey = deriveKey(seed, "port offset")
	p.indexKey = deriveKey(seed, "port index")
	r := random{key: deriveKey(seed, "port table")}
	for i := range p.table {
		p.table[i].Store(uint32(r.next()))
	}
}

const numEphemeral = 65536 - ephemeralPortMin

// choose returns the first suitable port for a connection or socket between the address of local and
// remote, or 0 if there is none. suitable may reserve the port that it accepts.
func (p *ports) choose(local, remote tcp.Endpoint, suitable func(port uint16) bool) uint16 {
	a, b := endpointWord(local)&^0xFFFF, endpointWord(remote)
	offset := uint32(p.offsetKey.hash(a, b))
	next := &p.table[p.indexKey.hash(a, b)%portTableLen]
	for range numEphemeral {
		port := uint16(ephemeralPortMin + (offset+next.Add(1))%numEphemeral)
		if suitable(port) {
			return port
		}
	}
	return 0
}
