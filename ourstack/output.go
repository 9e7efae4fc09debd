package ourstack

import "vpngw/ourstack/tcp"

// batch is where Output collects packets.
type batch struct {
	stack  *Stack
	now    tcp.Instant
	bufs   [][]byte
	sizes  []int
	offset int
	n      int  // packets so far
	hold   bool // the source must not send new text

	// What a source leaves to be done once its lock is released.
	after    aftermath // of a connection
	writable func()    // of a socket that has room again
	wake     bool      // a call of Wake is due
}

func (b *batch) full() bool { return b.n == len(b.bufs) }

// room returns the buffer for the next packet.
func (b *batch) room() []byte { return b.bufs[b.n][b.offset:] }

// add counts a packet of n bytes that was written to room.
func (b *batch) add(n int) {
	b.sizes[b.n] = n
	b.n++
}

// Output produces packets: it writes up to len(bufs) of them, each to bufs[i][offset:], stores
// their lengths in sizes and returns how many there are. It returns 0 only when nothing is ready;
// then Wake is called as soon as something is. Each buffer must have room for the MTU after offset.
//
// Packets are built at this moment, not queued before (RST, SYN cookies and ICMP errors excepted):
// they carry the newest acknowledgment. Packets to the stack's own addresses do not come out; Output
// hands them to the input side. Notifications may be called from it.
//
// The one exception to "only when nothing is ready" is a stack that talks to itself without end: after
// some rounds of nothing but packets to own addresses Output returns 0 and calls Wake.
//
// Output does not block. Concurrent calls are safe, but the packets of one connection may then
// leave in another order than they were built.
func (s *Stack) Output(now tcp.Instant, bufs [][]byte, sizes []int, offset int) int {
	b, ok := s.batches.Get().(*batch)
	if !ok {
		b = &batch{}
	}
	*b = batch{stack: s, now: now, bufs: bufs, sizes: sizes, offset: offset}
	s.fill(b)
	n := b.n
	*b = batch{}
	s.batches.Put(b)
	return n
}

// fill writes packets to b until it is full or nothing is ready.
func (s *Stack) fill(b *batch) {
	looped := 0
	for !b.full() && looped < loopbackFactor*len(b.bufs) {
		first := b.n
		if s.out.takeControl(b) {
			looped++
			s.finishRun(b, first)
			s.loopback(b, b.n-1)
			continue
		}
		s.finishRun(b, first)
		if b.full() {
			break
		}
		f, budget, hold, idle := s.out.next(b.n == 0)
		if f == nil && (idle || b.n > 0) {
			return
		}
		if f == nil {
			continue // something came just now
		}
		first, b.hold = b.n, hold
		own := f.group.loopback // f is its source's again after the call, and may be used anew
		f.source.emit(b, budget)
		b.settle()
		s.finishRun(b, first)
		if own {
			looped += b.n - first + 1
			s.loopback(b, first)
		}
	}
	if b.n == 0 && len(b.bufs) > 0 {
		s.wake() // only packets to own addresses so far, and perhaps more
	}
}

// settle makes the calls that had to wait until no lock was held.
func (b *batch) settle() {
	if b.after.conn != nil {
		b.stack.carryOut(&b.after)
		b.after = aftermath{}
	}
	if b.writable != nil {
		b.writable()
		b.writable = nil
	}
	if b.wake {
		b.wake = false
		b.stack.wake()
	}
}

// finishRun counts and traces the packets from first on.
func (s *Stack) finishRun(b *batch, first int) {
	if first == b.n {
		return
	}
	bytes := 0
	for i := first; i < b.n; i++ {
		bytes += b.sizes[i]
		if s.cfg.Tracer != nil {
			s.cfg.Tracer.Packet(b.now, Out, b.bufs[i][b.offset:b.offset+b.sizes[i]])
		}
	}
	s.counters.packetsOut.Add(uint64(b.n - first))
	s.counters.bytesOut.Add(uint64(bytes))
}

// loopback hands the packets from first on to the input side and frees their buffers.
func (s *Stack) loopback(b *batch, first int) {
	in := s.beginInput(b.now)
	in.loopback = true
	for i := first; i < b.n; i++ {
		in.receive(b.bufs[i][b.offset : b.offset+b.sizes[i]])
	}
	in.end()
	b.n = first
}
