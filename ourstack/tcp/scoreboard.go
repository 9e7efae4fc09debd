package tcp

import "vpngw/ourstack/seqnum"

// txSegment is one contiguous piece of sequence space that was transmitted as a
// unit and is not yet cumulatively acknowledged: text, SYN or FIN.
//
// Each is in exactly one of three places: in flight (on the list in order of
// transmission), lost (on the list of what to resend), or selectively
// acknowledged (on neither; next then leads over its run of such segments).
type txSegment struct {
	seq, end seqnum.Value // [seq, end)
	xmitTime Instant      // of the last transmission
	tx       txRate       // delivery state at the last transmission
	prev     uint32       // list links: absolute indices, or noSegment
	next     uint32
	flags    txFlags
}

type txFlags uint8

const (
	txSYN      txFlags = 1 << iota // occupies a sequence number of its own at seq
	txFIN                          // the last sequence number is the FIN
	txSacked                       // selectively acknowledged
	txLost                         // presumed lost, waiting for retransmission
	txRetrans                      // has been retransmitted at least once
	txProbe                        // zero-window probe: sent beyond the window
	txMTUProbe                     // larger than the path MTU: a probe (RFC 4821)
)

func (t *txSegment) len() uint32 { return uint32(t.seq.Size(t.end)) }

const noSegment = ^uint32(0)

// scoreboard is the sender's account of what is outstanding (RFC 6675 §3 kept
// per segment, RFC 8985 §5.1). All accounting is incremental: an ACK costs
// work for the segments that it changes, whatever the size of the flight.
type scoreboard struct {
	ring       []txSegment // power-of-two length
	head, tail uint32      // absolute indices: ring[i & mask], head ≤ i < tail

	flightHead, flightTail uint32 // in order of (re)transmission, oldest first
	lostHead, lostTail     uint32 // in order of being marked

	pipe        uint32 // bytes in flight: neither acknowledged nor lost (RFC 6675 pipe)
	sackedBytes uint32
	sackedCount uint32
	lostBytes   uint32
	flightCount uint32
}

func (s *scoreboard) init() {
	s.flightHead, s.flightTail = noSegment, noSegment
	s.lostHead, s.lostTail = noSegment, noSegment
}

func (s *scoreboard) at(i uint32) *txSegment { return &s.ring[i&uint32(len(s.ring)-1)] }
func (s *scoreboard) empty() bool            { return s.head == s.tail }
func (s *scoreboard) len() int               { return int(s.tail - s.head) }

// push adds a segment that has just been transmitted for the first time. tx and
// flags are filled by the caller through the returned pointer.
func (s *scoreboard) push(seq, end seqnum.Value, now Instant, flags txFlags) *txSegment {
	if int(s.tail-s.head) == len(s.ring) {
		s.grow()
	}
	if s.tail == noSegment-1 {
		s.rebase()
	}
	i := s.tail
	s.tail++
	t := s.at(i)
	*t = txSegment{seq: seq, end: end, xmitTime: now, flags: flags, prev: noSegment, next: noSegment}
	s.linkFlight(i, t)
	return t
}

func (s *scoreboard) grow() {
	n := max(4, 2*len(s.ring))
	ring := make([]txSegment, n)
	for i := s.head; i != s.tail; i++ {
		ring[i&uint32(n-1)] = *s.at(i)
	}
	s.ring = ring
}

// rebase renumbers the segments from near 0, so that indices never reach
// noSegment: needed once in 2^32 segments of a flow that never pauses.
func (s *scoreboard) rebase() {
	shift := s.head &^ uint32(len(s.ring)-1)
	down := func(i *uint32) {
		if *i != noSegment {
			*i -= shift
		}
	}
	for i := s.head; i != s.tail; i++ {
		t := s.at(i)
		down(&t.prev)
		down(&t.next)
	}
	s.head, s.tail = s.head-shift, s.tail-shift
	down(&s.flightHead)
	down(&s.flightTail)
	down(&s.lostHead)
	down(&s.lostTail)
}

// linkFlight appends segment i to the list of what is in flight.
func (s *scoreboard) linkFlight(i uint32, t *txSegment) {
	t.prev, t.next = s.flightTail, noSegment
	if s.flightTail != noSegment {
		s.at(s.flightTail).next = i
	} else {
		s.flightHead = i
	}
	s.flightTail = i
	s.flightCount++
	s.pipe += t.len()
}

// relinkFlight puts segment i back among what is in flight, at its place by time of
// transmission. The search begins at segment hint, or at the newest: segments that
// come in about that order cost one step each.
func (s *scoreboard) relinkFlight(i, hint uint32) {
	t := s.at(i)
	p := hint
	if p == noSegment {
		p = s.flightTail
	}
	for p != noSegment && s.at(p).xmitTime > t.xmitTime {
		p = s.at(p).prev
	}
	next := s.flightHead
	if p != noSegment {
		next = s.at(p).next
	}
	for next != noSegment && s.at(next).xmitTime <= t.xmitTime {
		p, next = next, s.at(next).next
	}
	t.prev, t.next = p, next
	if p != noSegment {
		s.at(p).next = i
	} else {
		s.flightHead = i
	}
	if next != noSegment {
		s.at(next).prev = i
	} else {
		s.flightTail = i
	}
	s.flightCount++
	s.pipe += t.len()
}

// unmarkLost puts everything that is marked lost back among what is in flight.
func (s *scoreboard) unmarkLost() {
	hint := noSegment
	for i := s.lostHead; i != noSegment; i = s.lostHead {
		t := s.at(i)
		s.unlink(t)
		t.flags &^= txLost
		s.relinkFlight(i, hint)
		hint = i
	}
}

// unlink takes segment i off whichever list it is on and out of the account of that list.
func (s *scoreboard) unlink(t *txSegment) {
	if t.flags&txSacked != 0 {
		s.sackedBytes -= t.len()
		s.sackedCount--
		return
	}
	head, tail := &s.flightHead, &s.flightTail
	if t.flags&txLost != 0 {
		head, tail = &s.lostHead, &s.lostTail
		s.lostBytes -= t.len()
	} else {
		s.pipe -= t.len()
		s.flightCount--
	}
	if t.prev != noSegment {
		s.at(t.prev).next = t.next
	} else {
		*head = t.next
	}
	if t.next != noSegment {
		s.at(t.next).prev = t.prev
	} else {
		*tail = t.prev
	}
}

// markLost moves segment i from the flight to the list of what to resend.
func (s *scoreboard) markLost(i uint32) {
	t := s.at(i)
	s.unlink(t)
	t.flags |= txLost
	s.linkLost(i, t)
}

// linkLost appends segment i to the list of what to resend.
func (s *scoreboard) linkLost(i uint32, t *txSegment) {
	s.lostBytes += t.len()
	if s.lostHead != noSegment && t.seq.Less(s.at(s.lostHead).seq) {
		// Lost again, and now the first: SND.UNA waits for it (RFC 6675 §4 NextSeg (1)).
		t.prev, t.next = noSegment, s.lostHead
		s.at(s.lostHead).prev = i
		s.lostHead = i
		return
	}
	t.prev, t.next = s.lostTail, noSegment
	if s.lostTail != noSegment {
		s.at(s.lostTail).next = i
	} else {
		s.lostHead = i
	}
	s.lostTail = i
}

// markSacked records that segment i was selectively acknowledged.
func (s *scoreboard) markSacked(i uint32) {
	t := s.at(i)
	s.unlink(t)
	t.flags = t.flags&^txLost | txSacked
	s.sackedBytes += t.len()
	s.sackedCount++
	t.next = i + 1
}

// markSent records that segment i, which was lost or in flight, was sent again.
func (s *scoreboard) markSent(i uint32, now Instant) *txSegment {
	t := s.at(i)
	s.unlink(t)
	t.flags = t.flags&^txLost | txRetrans
	t.xmitTime = now
	s.linkFlight(i, t)
	return t
}

// popFront forgets the first segment: it was acknowledged.
func (s *scoreboard) popFront() {
	s.unlink(s.at(s.head))
	s.head++
}

// skipSacked returns the first segment at or after i that is not selectively
// acknowledged, shortening the way for the next search.
func (s *scoreboard) skipSacked(i uint32) uint32 {
	end := i
	for end != s.tail && s.at(end).flags&txSacked != 0 {
		end = s.at(end).next
	}
	for i != end && s.at(i).flags&txSacked != 0 {
		t := s.at(i)
		i = t.next
		t.next = end
	}
	return end
}

// search returns the index of the first segment that begins at or after seq.
func (s *scoreboard) search(seq seqnum.Value) uint32 {
	n := s.tail - s.head
	lo, hi := uint32(0), n
	for lo < hi {
		mid := (lo + hi) / 2
		if s.at(s.head + mid).seq.Less(seq) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return s.head + lo
}

// forgetSACK takes every selective acknowledgement back: the receiver may have
// reneged (RFC 2018 §8, RFC 6675 §5.1). The segments count as lost.
func (s *scoreboard) forgetSACK() {
	for i := s.head; i != s.tail; i++ {
		t := s.at(i)
		if t.flags&txSacked == 0 {
			continue
		}
		s.sackedBytes -= t.len()
		s.sackedCount--
		t.flags &^= txSacked
		s.linkFlight(i, t)
		s.markLost(i)
	}
}

// markAllLost puts all that is outstanding and not selectively acknowledged on
// the list of what to resend, in order of sequence numbers.
func (s *scoreboard) markAllLost() {
	for i := s.head; i != s.tail; i++ {
		if t := s.at(i); t.flags&(txSacked|txLost) == 0 {
			s.markLost(i)
		}
	}
}

// relistLost brings the list of what to resend into the order of sequence
// numbers: after a timeout the first unacknowledged segment is the one to resend,
// whenever it was marked (RFC 6298 §5.4).
func (s *scoreboard) relistLost() {
	s.lostHead, s.lostTail, s.lostBytes = noSegment, noSegment, 0
	for i := s.head; i != s.tail; i++ {
		if t := s.at(i); t.flags&txLost != 0 {
			s.linkLost(i, t)
		}
	}
}

// resegment splits what is longer than mss, after the path MTU has shrunk. The
// pieces take the place of the whole on its list.
func (s *scoreboard) resegment(mss uint32) {
	old := *s
	*s = scoreboard{}
	s.init()
	first := make([]uint32, 0, old.len()+1) // index of the first piece of each old segment
	for i := old.head; i != old.tail; i++ {
		first = append(first, s.tail)
		s.split(old.at(i), mss)
	}
	first = append(first, s.tail)
	for i := old.flightHead; i != noSegment; i = old.at(i).next {
		for j := first[i-old.head]; j != first[i-old.head+1]; j++ {
			s.linkFlight(j, s.at(j))
		}
	}
	for i := old.lostHead; i != noSegment; i = old.at(i).next {
		for j := first[i-old.head]; j != first[i-old.head+1]; j++ {
			s.linkLost(j, s.at(j))
		}
	}
}

// split appends t in pieces of mss, in flight or lost ones not yet on their list.
func (s *scoreboard) split(t *txSegment, mss uint32) {
	for seq := t.seq; seq != t.end; {
		end := seq.Add(seqnum.Size(min(mss, uint32(seq.Size(t.end)))))
		if t.flags&txFIN != 0 && end.Add(1) == t.end {
			end = t.end // FIN stays with its text
		}
		if int(s.tail-s.head) == len(s.ring) {
			s.grow()
		}
		i := s.tail
		s.tail++
		n := s.at(i)
		*n = *t
		n.seq, n.end = seq, end
		if end != t.end {
			n.flags &^= txFIN
		}
		if n.flags&txSacked != 0 {
			s.sackedBytes += n.len()
			s.sackedCount++
			n.next = i + 1
		}
		seq = end
	}
}

// shrink frees the ring of an empty scoreboard.
func (s *scoreboard) shrink() {
	if s.empty() {
		s.ring, s.head, s.tail = nil, 0, 0
	}
}
