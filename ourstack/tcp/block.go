package tcp

// BlockSize is the size in bytes of the unit in which send and receive buffers
// grow and shrink. It holds about six full segments of a 1420-byte tunnel: small
// enough that a connection with one byte buffered costs little, large enough
// that taking a block from a pool is not a cost per packet.
const BlockSize = 8 << 10

// A Block is one unit of buffer memory.
type Block [BlockSize]byte

// Memory hands out the blocks of which send and receive buffers are made. It is
// shared by the connections of a stack and enforces their common budget.
// Implementations must be safe for concurrent use if the connections that share
// one are used concurrently, and must not block.
type Memory interface {
	// Get returns a block with arbitrary content, or nil when the budget is used up.
	Get() *Block
	// Put takes back a block that Get returned.
	Put(*Block)
	// Pressure reports how scarce memory is: 0 while there is plenty, 1 when
	// windows should stop growing, 2 when they should not be reopened beyond need.
	Pressure() int
}

// HeapMemory is a Memory without a budget that allocates each block: for tests
// and for programs that run few connections.
type HeapMemory struct{}

// Get returns a new block.
func (HeapMemory) Get() *Block { return new(Block) }

// Put leaves the block to the garbage collector.
func (HeapMemory) Put(*Block) {}

// Pressure returns 0.
func (HeapMemory) Pressure() int { return 0 }

// blockQueue is a double-ended queue of blocks: a window of a byte stream whose
// blocks are addressed by their distance from the first. Entries may be nil:
// parts of the stream for which nothing has arrived yet.
type blockQueue struct {
	ring []*Block // power-of-two length, or nil
	head int      // index of the first block in ring
	n    int
}

func (q *blockQueue) at(i int) *Block     { return q.ring[(q.head+i)&(len(q.ring)-1)] }
func (q *blockQueue) set(i int, b *Block) { q.ring[(q.head+i)&(len(q.ring)-1)] = b }

// push appends b, which may be nil.
func (q *blockQueue) push(b *Block) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.n++
	q.set(q.n-1, b)
}

// pop removes and returns the first block.
func (q *blockQueue) pop() *Block {
	b := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return b
}

// popLast removes and returns the last block.
func (q *blockQueue) popLast() *Block {
	b := q.at(q.n - 1)
	q.set(q.n-1, nil)
	q.n--
	return b
}

func (q *blockQueue) grow() {
	size := len(q.ring) * 2
	if size == 0 {
		size = 2
	}
	ring := make([]*Block, size)
	for i := range q.n {
		ring[i] = q.at(i)
	}
	q.ring, q.head = ring, 0
}

// release gives every block back and, if the queue had grown, its ring as well.
func (q *blockQueue) release(m Memory) {
	for q.n > 0 {
		if b := q.pop(); b != nil {
			m.Put(b)
		}
	}
}

// shrink frees the ring of an empty queue.
func (q *blockQueue) shrink() {
	if q.n == 0 {
		q.ring, q.head = nil, 0
	}
}
