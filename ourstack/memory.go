package ourstack

import (
	"sync"
	"sync/atomic"

	"vpngw/ourstack/tcp"
)

// memory is the budget of stream buffers that all connections of a stack share. Each remote address
// draws on it through its own share (see [remote]), so that one busy peer leaves room for others.
type memory struct {
	limit    int64           // blocks
	_        [cacheLine]byte // used changes with each block; what is around it is only read
	used     atomic.Int64
	_        [cacheLine]byte
	pool     sync.Pool // of *tcp.Block
	counters *counters
}

func (m *memory) inUse() int { return int(m.used.Load()) * tcp.BlockSize }

// get returns a block, or nil when the budget is used up or when a share of which held blocks are
// taken already has had enough. A share may grow to twice what is still free (the dynamic
// threshold of Choudhury and Hahne with α = 2): alone it gets two thirds of the budget, and the
// scarcer memory is, the less one share can take of the rest. The first shareFloor
// blocks of each share are free of that rule.
func (m *memory) get(held int64) *tcp.Block {
	used := m.used.Add(1)
	if used > m.limit || held >= shareFloor && held > 2*(m.limit-used) {
		m.used.Add(-1)
		m.counters.memoryRefused.Add(1)
		return nil
	}
	if b, ok := m.pool.Get().(*tcp.Block); ok {
		return b
	}
	return new(tcp.Block)
}

func (m *memory) put(b *tcp.Block) {
	m.pool.Put(b)
	m.used.Add(-1)
}

// pressure tells how scarce memory is for a share that holds held blocks: 1 when half of the budget,
// 2 when 15/16 of it is used, or when the share comes close to what it may have.
func (m *memory) pressure(held int64) int {
	free := m.limit - m.used.Load()
	switch {
	case free < m.limit/16 || held >= shareFloor && held > 2*free-2*free/8:
		return 2
	case free < m.limit/2 || held >= shareFloor && held > free:
		return 1
	default:
		return 0
	}
}

// Get implements [tcp.Memory] for the connections with one remote address.
func (r *remote) Get() *tcp.Block {
	b := r.stack.memory.get(r.blocks.Load())
	if b != nil {
		r.blocks.Add(1)
	}
	return b
}

// Put implements [tcp.Memory].
func (r *remote) Put(b *tcp.Block) {
	r.blocks.Add(-1)
	r.stack.memory.put(b)
}

// Pressure implements [tcp.Memory].
func (r *remote) Pressure() int { return r.stack.memory.pressure(r.blocks.Load()) }
