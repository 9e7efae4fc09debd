package ourstack

import (
	"sync"

	"vpngw/ourstack/wire"
)

// sendQueue holds the datagrams of one owner (a UDP socket, a ping socket, the echo server) that wait
// for Output, bounded in bytes. Each destination has its own queue and turn in the scheduler, so
// that a datagram for one peer does not wait for those to another; of relayed packets, each pair of
// peers, so that one sender does not wait for another.
type sendQueue struct {
	stack    *Stack
	limit    int    // bytes, with overhead
	pairs    bool   // the source tells flows apart too, and none takes more than its share of the room
	perFlow  int    // bytes of one flow; 0: no limit but the whole
	keep     int    // flows with nothing to send that are kept for the next datagram to the same address
	writable func() // called without locks when there is room again after ErrWouldBlock

	mu sync.Mutex
	// mu guards the fields below.
	used    int
	blocked bool // a push found no room
	closed  bool
	flows   map[flowKey]*datagramFlow
	idle    idleFlows // those of flows that have nothing to send
}

// datagram is a queued UDP datagram or ICMP message, or a relayed packet.
type datagram struct {
	buf      *packetBuf // transport header and payload; all of a relayed packet
	whole    bool       // it is a relayed packet: only src and dst are set beside, see SetRelay
	src, dst wire.Addr
	tos, ttl uint8 // ttl 0: the stack's
	df       bool  // it fits
	protocol uint8
	id       uint16 // of its fragments
}

// flowKey tells the flows of a queue apart. src is zero unless sendQueue.pairs.
type flowKey struct{ src, dst wire.Addr }

// datagramFlow is the queue of one owner to one address. sendQueue.mu guards it, but for flow.
type datagramFlow struct {
	queue  *sendQueue
	key    flowKey
	remote *remote
	flow   flow // scheduler.mu guards it
	ready  bool // flow is on a list of the scheduler or in service
	items  []datagram
	head   int // index of the first in items
	used   int // bytes, with overhead
	offset int // bytes of the first that have been sent as fragments

	older, younger *datagramFlow // in idleFlows
}

func (q *sendQueue) init(s *Stack, limit int, writable func()) {
	q.stack, q.limit, q.writable, q.keep = s, limit, writable, 1
	q.flows = map[flowKey]*datagramFlow{}
}

// push queues d, whose buffer then belongs to the queue, or is given back at once if it fails:
// ErrWouldBlock when there is no room, ErrClosed. A datagram larger than the whole queue is
// taken when the queue is empty.
func (q *sendQueue) push(d datagram) error {
	wake, err := q.enqueue(d)
	if err != nil {
		q.stack.packets.put(d.buf)
		return err
	}
	if wake {
		q.stack.wake()
	}
	return nil
}

func (q *sendQueue) enqueue(d datagram) (wake bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.add(d)
}

// pushAll is push for several datagrams under one lock. It returns how many were queued.
func (q *sendQueue) pushAll(ds []datagram) (queued int) {
	wake := false
	q.mu.Lock()
	for _, d := range ds {
		first, err := q.add(d)
		if err != nil {
			q.stack.packets.put(d.buf)
			continue
		}
		wake = wake || first
		queued++
	}
	q.mu.Unlock()
	if wake {
		q.stack.wake()
	}
	return queued
}

// add queues d. q.mu is held.
func (q *sendQueue) add(d datagram) (wake bool, err error) {
	if q.closed {
		return false, ErrClosed
	}
	if q.used > 0 && q.used+d.buf.cost() > q.limit {
		q.blocked = true
		return false, ErrWouldBlock
	}
	key := flowKey{dst: d.dst}
	if q.pairs {
		key.src = d.src
	}
	if !q.hasShare(key, d.buf.cost()) {
		return false, ErrWouldBlock
	}
	f := q.flow(key)
	q.used += d.buf.cost()
	f.used += d.buf.cost()
	f.compact()
	f.items = append(f.items, d)
	if f.ready {
		return false, nil
	}
	f.ready = true
	return q.stack.out.push(&f.flow), nil
}

// hasShare says whether a flow may queue so many bytes more. Of pairs, none gets more than it leaves to
// all others, so that one that floods the queue leaves half of it, two a third (Choudhury and Hahne,
// "Dynamic Queue Length Thresholds", 1998); and a quarter is kept for the first bytes of each.
func (q *sendQueue) hasShare(key flowKey, cost int) bool {
	f := q.flows[key]
	if f == nil || f.used == 0 || q.perFlow == 0 {
		return true
	}
	most := q.perFlow
	if q.pairs {
		most = min(most, max(q.limit*3/4-q.used, relayShareMin))
	}
	return f.used+cost <= most
}

// flow returns the queue of key. Its remote is referenced while it exists.
func (q *sendQueue) flow(key flowKey) *datagramFlow {
	f := q.flows[key]
	if f != nil {
		if !f.ready {
			q.idle.remove(f)
			q.stack.idleFlows.Add(-1)
		}
		return f
	}
	if q.mayKeepMore() {
		f = &datagramFlow{queue: q}
	} else {
		f = q.forgetOldest() // and use it anew
	}
	f.key, f.remote = key, q.stack.acquireRemote(key.dst)
	f.flow = flow{source: f, group: &f.remote.group, small: true}
	q.flows[key] = f
	return f
}

// mayKeepMore reports whether there is room for one more flow that has nothing to send.
func (q *sendQueue) mayKeepMore() bool {
	return q.idle.n == 0 || q.idle.n < q.keep && q.stack.idleFlows.Load() < idleFlowsMax
}

// retire keeps a flow that has nothing to send.
func (q *sendQueue) retire(f *datagramFlow) {
	if q.closed {
		q.forget(f)
		return
	}
	if q.keep > 1 && cap(f.items) > idleItemsMax {
		f.items = nil
	}
	if !q.mayKeepMore() {
		q.forgetOldest()
	}
	q.idle.push(f)
	q.stack.idleFlows.Add(1)
}

// forgetOldest forgets the flow that has been idle for longest, and returns it.
func (q *sendQueue) forgetOldest() *datagramFlow {
	f := q.idle.oldest
	q.idle.remove(f)
	q.stack.idleFlows.Add(-1)
	q.forget(f)
	return f
}

// forget ends a flow that is neither ready nor kept.
func (q *sendQueue) forget(f *datagramFlow) {
	delete(q.flows, f.key)
	f.remote.release()
}

// forgetIdle forgets all flows that have nothing to send.
func (q *sendQueue) forgetIdle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.idle.n > 0 {
		q.forgetOldest()
	}
}

// close discards what could be sent later but keeps what is queued: like a datagram that has left.
func (q *sendQueue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.forgetIdle()
}

// compact moves the datagrams to the start of items when at least half of it is spent.
func (f *datagramFlow) compact() {
	if f.head > 16 && f.head >= len(f.items)/2 {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
}

// emit implements source: it writes packets of the queued datagrams to out, fragmenting those that do
// not fit the MTU.
func (f *datagramFlow) emit(out *batch, budget int) {
	q := f.queue
	q.mu.Lock()
	used, largest := 0, 0
	for f.head < len(f.items) && !out.full() && used < budget {
		if f.items[f.head].whole {
			n, most := f.emitWhole(out, budget-used)
			used, largest = used+n, max(largest, most)
			continue
		}
		n := f.emitPacket(out)
		used += n
		largest = max(largest, n)
	}
	f.ready = f.head < len(f.items)
	if !f.ready {
		f.items, f.head = f.items[:0], 0
	}
	out.wake = q.stack.out.done(&f.flow, service{used: used, largest: largest, more: f.ready})
	if !f.ready {
		q.retire(f)
	}
	if q.blocked && q.used <= q.limit/2 && !q.closed {
		q.blocked = false
		out.writable = q.writable
	}
	q.mu.Unlock()
}

// maxPayload is how much of a datagram one packet carries, in bytes.
func (f *datagramFlow) maxPayload() int {
	return f.queue.stack.mtuTo(f.remote.addr) - wire.IPv4MinHeaderLen
}

// emitPacket writes the first datagram, which is not whole, or the next fragment of it, and returns the
// packet's length.
func (f *datagramFlow) emitPacket(out *batch) int {
	q, d := f.queue, &f.items[f.head]
	ip := wire.IPv4{
		TOS: d.tos, ID: d.id, TTL: d.ttl, Protocol: d.protocol, Src: d.src, Dst: d.dst,
		DF: d.df, FragOff: f.offset,
	}
	if ip.TTL == 0 {
		ip.TTL = q.stack.ttl()
	}
	part := d.buf.b[f.offset:]
	switch {
	case len(part) > f.maxPayload():
		// "the first fragment is made as large as possible ... on 8 octet boundaries" RFC 791 §2.3
		part = part[:f.maxPayload()&^7]
		ip.MF = true
		if f.offset == 0 { // not when it was queued: the MTU may have become smaller since
			d.id = q.stack.ipID.next(d.src, d.dst, d.protocol)
			ip.ID = d.id
		}
	case f.offset == 0:
		// A datagram that fits may be fragmented further on (RFC 1122 §3.3.5 leaves it to the
		// transport), and so needs an ID that does not soon come again (RFC 6864 §4.3).
		ip.ID = q.stack.ipID.next(d.src, d.dst, d.protocol)
	}
	b := out.room()
	ip.TotalLen = wire.IPv4MinHeaderLen + len(part)
	copy(b[ip.Put(b):], part)
	out.add(ip.TotalLen)
	if ip.MF || f.offset > 0 {
		q.stack.counters.fragmentsOut.Add(1)
	}
	if ip.MF {
		f.offset += len(part)
		return ip.TotalLen
	}
	f.offset = 0
	q.stack.packets.put(f.pop())
	return ip.TotalLen
}

// emitWhole writes the first datagrams, relayed packets, as they are, until about budget bytes are
// written, and returns how many bytes those were and the length of the largest. q.mu, which all who relay
// share, is held, but not while the packets are copied: f stays ready, and so nobody else's.
func (f *datagramFlow) emitWhole(out *batch, budget int) (used, largest int) {
	q := f.queue
	var taken [relayRunMax]*packetBuf
	n := 0
	for room := min(len(taken), len(out.bufs)-out.n); n < room && used < budget; n++ {
		if f.head == len(f.items) || !f.items[f.head].whole {
			break
		}
		taken[n] = f.pop()
		used += len(taken[n].b)
		largest = max(largest, len(taken[n].b))
	}
	q.mu.Unlock()
	for _, buf := range taken[:n] {
		out.add(copy(out.room(), buf.b))
		q.stack.packets.put(buf)
	}
	q.mu.Lock()
	return used, largest
}

// pop takes the first datagram from the queue and returns its buffer.
func (f *datagramFlow) pop() *packetBuf {
	q, d := f.queue, &f.items[f.head]
	buf := d.buf
	f.head++
	q.used -= buf.cost()
	f.used -= buf.cost()
	*d = datagram{}
	return buf
}

// idleFlows are flows in the order in which they fell idle.
type idleFlows struct {
	oldest, youngest *datagramFlow
	n                int
}

func (l *idleFlows) push(f *datagramFlow) {
	f.older, f.younger = l.youngest, nil
	if l.youngest == nil {
		l.oldest = f
	} else {
		l.youngest.younger = f
	}
	l.youngest = f
	l.n++
}

func (l *idleFlows) remove(f *datagramFlow) {
	if f.older == nil {
		l.oldest = f.younger
	} else {
		f.older.younger = f.younger
	}
	if f.younger == nil {
		l.youngest = f.older
	} else {
		f.younger.older = f.older
	}
	f.older, f.younger = nil, nil
	l.n--
}
