package ourstack

import (
	"encoding/binary"

	"vpngw/ourstack/wire"
)

// controlQueue is a bounded FIFO of ready-made packets: RSTs, SYN cookies and ICMP errors, which
// belong to no connection. It is a ring of bytes that grows up to controlQueueMax; each packet is
// stored whole, behind its length. scheduler.controlMu guards it.
//
//	|····[len|packet][len|packet]·····[skip]|      a packet does not wrap: skip fills the end
//	     ^head                   ^tail
type controlQueue struct {
	ring       []byte
	head, tail int
	used       int // bytes in the ring, lengths and skips included
}

const (
	controlLenSize = 2
	controlSkip    = 0xFFFF
)

func (q *controlQueue) empty() bool { return q.used == 0 }

// push stores a copy of pkt; false if there is no room.
func (q *controlQueue) push(pkt []byte) bool {
	need := controlLenSize + len(pkt)
	for !q.fits(need) {
		if !q.grow() {
			return false
		}
	}
	if q.tail+need > len(q.ring) {
		rest := len(q.ring) - q.tail
		if rest >= controlLenSize {
			binary.BigEndian.PutUint16(q.ring[q.tail:], controlSkip)
		}
		q.used += rest
		q.tail = 0
	}
	binary.BigEndian.PutUint16(q.ring[q.tail:], uint16(len(pkt)))
	copy(q.ring[q.tail+controlLenSize:], pkt)
	q.tail += need
	q.used += need
	return true
}

// fits reports whether need bytes fit in one piece.
func (q *controlQueue) fits(need int) bool {
	if q.used == 0 {
		q.head, q.tail = 0, 0
	}
	if q.used > 0 && q.head >= q.tail {
		return q.head-q.tail >= need
	}
	return len(q.ring)-q.tail >= need || q.head >= need
}

// grow doubles the ring; false at its limit.
func (q *controlQueue) grow() bool {
	size := max(2*len(q.ring), 4096)
	if size > controlQueueMax {
		return false
	}
	bigger := controlQueue{ring: make([]byte, size)}
	for !q.empty() {
		bigger.push(q.front())
		q.pop()
	}
	*q = bigger
	return true
}

// front returns the first packet. It is valid until the next call of push or pop.
func (q *controlQueue) front() []byte {
	if len(q.ring)-q.head < controlLenSize || binary.BigEndian.Uint16(q.ring[q.head:]) == controlSkip {
		q.used -= len(q.ring) - q.head
		q.head = 0
	}
	n := int(binary.BigEndian.Uint16(q.ring[q.head:]))
	return q.ring[q.head+controlLenSize : q.head+controlLenSize+n]
}

// pop removes the packet that front returned.
func (q *controlQueue) pop() {
	n := controlLenSize + int(binary.BigEndian.Uint16(q.ring[q.head:]))
	q.head += n
	q.used -= n
}

// pushControl queues a copy of a ready-made packet; the caller has applied the rate limits. It
// reports whether Wake must be called.
func (s *scheduler) pushControl(pkt []byte) (ok, wake bool) {
	s.controlMu.Lock()
	if ok = s.control.push(pkt); ok {
		s.controls.Add(1)
	}
	s.controlMu.Unlock()
	return ok, ok && s.inbox.endIdle()
}

// takeControl moves control packets to out: they go first, except that after controlRunMax of them a
// ready flow has its turn. It stops after a packet to an own address, and reports it.
func (s *scheduler) takeControl(out *batch) (loopback bool) {
	if s.controls.Load() == 0 {
		return false // as nearly always: without a lock
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect()
	s.controlMu.Lock()
	defer s.controlMu.Unlock()
	for !out.full() && !s.control.empty() && (s.controlRun < controlRunMax || s.flows == 0) {
		pkt := s.control.front()
		out.add(copy(out.room(), pkt))
		own := pkt[0]>>4 == 4 && out.stack.isOwn(wire.Addr(pkt[16:20]))
		s.control.pop()
		s.controls.Add(-1)
		s.controlRun++
		if own {
			return true
		}
	}
	return false
}

// sendControl queues a ready-made packet.
func (s *Stack) sendControl(pkt []byte) {
	ok, wake := s.out.pushControl(pkt)
	if !ok {
		s.counters.controlQueueFull.Add(1)
	}
	if wake {
		s.wake()
	}
}
