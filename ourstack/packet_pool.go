package ourstack

import (
	"sync"
	"sync/atomic"
)

// packetPool hands out buffers for queued datagrams, in four sizes, under one budget in bytes. It is
// safe for concurrent use.
type packetPool struct {
	limit int64
	_     [cacheLine]byte // used changes with each datagram; what is around it is only read
	used  atomic.Int64
	_     [cacheLine]byte
	class [len(packetSizes)]sync.Pool // of *packetBuf
}

// packetSizes are the buffer sizes in bytes: an echo or a DNS answer, a full packet, a
// medium datagram, the largest one.
var packetSizes = [...]int{512, 2048, 16384, 65536}

// packetBuf is a pooled buffer; b is the part in use.
type packetBuf struct {
	b     []byte
	class int
}

// get returns a buffer of n ≤ 65536 bytes, or nil when the budget is used up.
func (p *packetPool) get(n int) *packetBuf {
	class := 0
	for packetSizes[class] < n {
		class++
	}
	size := packetSizes[class]
	if p.used.Add(int64(size)) > p.limit {
		p.used.Add(int64(-size))
		return nil
	}
	buf, ok := p.class[class].Get().(*packetBuf)
	if !ok {
		buf = &packetBuf{b: make([]byte, size), class: class}
	}
	buf.b = buf.b[:n]
	return buf
}

// put takes back a buffer that get returned.
func (p *packetPool) put(buf *packetBuf) {
	p.used.Add(int64(-packetSizes[buf.class]))
	p.class[buf.class].Put(buf)
}

// cost is what the owner of a queue is charged for buf, in bytes.
func (buf *packetBuf) cost() int { return len(buf.b) + datagramOverhead }
