package tcp

import "vpngw/ourstack/seqnum"

// seqRange is the half-open range [left, right) of sequence space.
type seqRange struct{ left, right seqnum.Value }

// recvBuffer holds received text. Every byte is written once, at the place that
// its sequence number gives it, whether it arrived in order or not: so
// out-of-order text costs no more memory than the window it lies in, and
// reassembly is bookkeeping only.
//
//	 base          readSeq         nxt (RCV.NXT)    ranges[0]     ranges[1]
//	--|---------------|--------------|----------------[=====)-------[===)------->
//	  |   consumed    |  for reader  |     hole            hole
//	  first block
type recvBuffer struct {
	q       blockQueue
	base    seqnum.Value // of byte 0 of the first block
	readSeq seqnum.Value // next byte for the reader
	nxt     seqnum.Value // one past the last byte in order; FIN not counted
	ranges  []seqRange   // out of order: sorted, disjoint, not touching each other or nxt
	peeked  bool         // Peek lent out blocks
	// maxRanges bounds ranges where it is more than maxOutOfOrderRanges.
	maxRanges int
	discard   bool // nobody will read: text is counted, not stored
}

// init sets the sequence number of the first byte of text.
func (b *recvBuffer) init(first seqnum.Value) { b.base, b.readSeq, b.nxt = first, first, first }

// unread is the number of bytes ready for the reader.
func (b *recvBuffer) unread() int { return int(b.readSeq.Size(b.nxt)) }

// insert stores p, whose first byte has sequence number seq, nxt ≤ seq. It
// returns the part of [seq, seq+len(p)) that is stored now (it may have been
// before) and whether the text advanced nxt. stored is empty if memory or the
// bound on ranges left no room.
func (b *recvBuffer) insert(m Memory, seq seqnum.Value, p []byte) (stored seqRange, advanced bool) {
	inOrder := seq == b.nxt
	if !inOrder && len(b.ranges) >= max(maxOutOfOrderRanges, b.maxRanges) && !b.touches(seq, seq.Add(seqnum.Size(len(p)))) {
		return seqRange{seq, seq}, false
	}
	n := len(p)
	if !b.discard {
		n = b.store(m, seq, p, inOrder)
	}
	stored = seqRange{seq, seq.Add(seqnum.Size(n))}
	if n == 0 {
		return stored, false
	}
	if inOrder {
		b.nxt = stored.right
		b.absorb()
		if b.discard {
			b.readSeq = b.nxt
			b.base = b.nxt
		}
		return stored, true
	}
	b.addRange(stored)
	return stored, false
}

// store copies p to its place and returns how much of it found memory. Text in
// order takes memory from out-of-order text if there is no other (the data
// receiver may discard what it has only selectively acknowledged, RFC 2018 §8).
func (b *recvBuffer) store(m Memory, seq seqnum.Value, p []byte, inOrder bool) int {
	if b.q.n == 0 {
		b.base = b.nxt
	}
	off := int(b.base.Size(seq))
	for done := 0; done < len(p); {
		i := off / BlockSize
		blk := b.block(m, i)
		if blk == nil && inOrder && b.renege(m, i) {
			blk = b.block(m, i)
		}
		if blk == nil {
			return done
		}
		k := copy(blk[off%BlockSize:], p[done:])
		done += k
		off += k
	}
	return len(p)
}

// block returns block i, taking it from m if need be.
func (b *recvBuffer) block(m Memory, i int) *Block {
	for b.q.n <= i {
		b.q.push(nil)
	}
	blk := b.q.at(i)
	if blk == nil {
		if blk = m.Get(); blk != nil {
			b.q.set(i, blk)
		}
	}
	return blk
}

// renege gives back the last block after block keep and forgets the ranges in it.
func (b *recvBuffer) renege(m Memory, keep int) bool {
	for b.q.n-1 > keep {
		last := b.q.popLast()
		limit := b.base.Add(seqnum.Size(b.q.n * BlockSize))
		for n := len(b.ranges); n > 0 && limit.Less(b.ranges[n-1].right); n = len(b.ranges) {
			if limit.LessEq(b.ranges[n-1].left) {
				b.ranges = b.ranges[:n-1]
				continue
			}
			b.ranges[n-1].right = limit
		}
		if last != nil {
			m.Put(last)
			return true
		}
	}
	return false
}

// absorb moves nxt over the ranges that it has reached.
func (b *recvBuffer) absorb() {
	n := 0
	for n < len(b.ranges) && b.ranges[n].left.LessEq(b.nxt) {
		b.nxt = seqnum.Max(b.nxt, b.ranges[n].right)
		n++
	}
	if n > 0 {
		b.ranges = b.ranges[:copy(b.ranges, b.ranges[n:])]
	}
}

// search returns the index of the first range that ends at or after seq.
func (b *recvBuffer) search(seq seqnum.Value) int {
	lo, hi := 0, len(b.ranges)
	for lo < hi {
		mid := (lo + hi) / 2
		if b.ranges[mid].right.Less(seq) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// touches reports whether [left, right) overlaps or is adjacent to a range.
func (b *recvBuffer) touches(left, right seqnum.Value) bool {
	i := b.search(left)
	return i < len(b.ranges) && b.ranges[i].left.LessEq(right)
}

// addRange merges r into ranges.
func (b *recvBuffer) addRange(r seqRange) {
	i := b.search(r.left)
	j := i
	for j < len(b.ranges) && b.ranges[j].left.LessEq(r.right) {
		r.left = seqnum.Min(r.left, b.ranges[j].left)
		r.right = seqnum.Max(r.right, b.ranges[j].right)
		j++
	}
	if i == j {
		b.ranges = append(b.ranges, seqRange{})
		copy(b.ranges[i+1:], b.ranges[i:])
		b.ranges[i] = r
		return
	}
	b.ranges[i] = r
	b.ranges = append(b.ranges[:i+1], b.ranges[j:]...)
}

// rangeAt returns the out-of-order range that contains seq.
func (b *recvBuffer) rangeAt(seq seqnum.Value) (seqRange, bool) {
	i := b.search(seq.Add(1))
	if i < len(b.ranges) && b.ranges[i].left.LessEq(seq) {
		return b.ranges[i], true
	}
	return seqRange{}, false
}

// overlap returns the first contiguous part of [left, right), beyond nxt, that has
// been received before.
func (b *recvBuffer) overlap(left, right seqnum.Value) (seqRange, bool) {
	i := b.search(left.Add(1))
	if i == len(b.ranges) || right.LessEq(b.ranges[i].left) {
		return seqRange{}, false
	}
	return seqRange{seqnum.Max(left, b.ranges[i].left), seqnum.Min(right, b.ranges[i].right)}, true
}

// read moves text to p.
func (b *recvBuffer) read(m Memory, p []byte) int {
	n := 0
	for n < len(p) && b.readSeq != b.nxt {
		off := int(b.base.Size(b.readSeq))
		src := b.q.at(0)[off:min(BlockSize, off+b.unread())]
		k := copy(p[n:], src)
		n += k
		b.consume(m, k)
	}
	return n
}

// peek appends the text in order to dst, one slice a block, until dst is at its
// capacity or nothing is left.
func (b *recvBuffer) peek(dst [][]byte) [][]byte {
	off, left := int(b.base.Size(b.readSeq)), b.unread()
	for i := 0; left > 0 && len(dst) < cap(dst); i++ {
		s := b.q.at(i)[off:min(BlockSize, off+left)]
		dst = append(dst, s)
		left -= len(s)
		off = 0
	}
	return dst
}

// consume forgets the first n bytes for the reader and frees their blocks.
func (b *recvBuffer) consume(m Memory, n int) {
	b.readSeq = b.readSeq.Add(seqnum.Size(n))
	for b.q.n > 0 && int(b.base.Size(b.readSeq)) >= BlockSize {
		if blk := b.q.pop(); blk != nil {
			m.Put(blk)
		}
		b.base = b.base.Add(BlockSize)
	}
	b.dropIdle(m)
}

// dropIdle gives back the blocks of a buffer that holds nothing.
func (b *recvBuffer) dropIdle(m Memory) {
	if b.readSeq == b.nxt && len(b.ranges) == 0 && !b.peeked {
		b.q.release(m)
		b.base = b.nxt
	}
}

// dropOutOfOrder forgets what did not arrive in order.
func (b *recvBuffer) dropOutOfOrder(m Memory) {
	b.ranges = b.ranges[:0]
	b.dropIdle(m)
}

// discardAll forgets all text and stores none from now on.
func (b *recvBuffer) discardAll(m Memory) {
	b.discard = true
	b.ranges = b.ranges[:0]
	b.readSeq = b.nxt
	b.dropIdle(m)
}
