package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// sendBuffer holds the text that the user has queued and the peer has not yet
// acknowledged.
//
//	 base         sndUna                 sndNxt             end
//	--|-------------|----------------------|------------------|---> sequence space
//	  |  released   |  in flight           |  not yet sent    |  room in the last block
//	  first block
//
// Sequence numbers are those of text: SYN and FIN are not in the buffer.
type sendBuffer struct {
	q        blockQueue
	base     seqnum.Value // of byte 0 of the first block
	una      seqnum.Value // first byte still needed
	end      seqnum.Value // one past the last byte queued
	reserved bool         // WriteSpace lent out the room behind end
}

// init sets the sequence number of the first byte of text.
func (b *sendBuffer) init(first seqnum.Value) { b.base, b.una, b.end = first, first, first }

// len is the number of bytes held.
func (b *sendBuffer) len() int { return int(b.una.Size(b.end)) }

// tail returns the free room in the block in which the text ends, which may be empty.
func (b *sendBuffer) tail() []byte {
	used := int(b.base.Size(b.end))
	if used/BlockSize >= b.q.n {
		return nil
	}
	return b.q.at(used / BlockSize)[used%BlockSize:]
}

// space returns free room at the end of the buffer, taking a block from m if
// there is none; nil if m has none.
func (b *sendBuffer) space(m Memory) []byte {
	if t := b.tail(); len(t) > 0 {
		return t
	}
	if blk := b.grow(m); blk != nil {
		return blk[:]
	}
	return nil
}

// grow appends a block, if m has one.
func (b *sendBuffer) grow(m Memory) *Block {
	blk := m.Get()
	if blk == nil {
		return nil
	}
	if b.q.n == 0 {
		b.base = b.end
	}
	b.q.push(blk)
	return blk
}

// lend appends free room at the end of the buffer to dst, in slices, up to dst's capacity and limit
// bytes; less if m has no more blocks. commit must follow.
func (b *sendBuffer) lend(m Memory, dst [][]byte, limit int) [][]byte {
	for t := b.tail(); limit > 0 && len(dst) < cap(dst); t = nil {
		if len(t) == 0 {
			blk := b.grow(m)
			if blk == nil {
				break
			}
			t = blk[:]
		}
		t = t[:min(len(t), limit)]
		dst = append(dst, t)
		limit -= len(t)
		b.reserved = true
	}
	return dst
}

// commit makes the first n bytes of what was lent text, and gives back the blocks behind them.
func (b *sendBuffer) commit(m Memory, n int) {
	b.reserved = false
	b.end = b.end.Add(seqnum.Size(n))
	for used := int(b.base.Size(b.end)); b.q.n*BlockSize-used >= BlockSize; {
		m.Put(b.q.popLast())
	}
	b.dropIdle(m)
}

// write appends as much of p as limit and memory allow and returns how much.
func (b *sendBuffer) write(m Memory, p []byte, limit int) int {
	n := 0
	p = p[:max(0, min(len(p), limit))]
	for n < len(p) {
		t := b.space(m)
		if t == nil {
			break
		}
		k := copy(t, p[n:])
		b.end = b.end.Add(seqnum.Size(k))
		n += k
	}
	return n
}

// copyTo copies the n bytes from sequence number seq on into dst and returns
// their Internet checksum, not folded (RFC 1071), for one pass over the data.
func (b *sendBuffer) copyTo(dst []byte, seq seqnum.Value, n int) uint32 {
	off := int(b.base.Size(seq))
	var sum uint32
	for done := 0; done < n; {
		blk := b.q.at(off / BlockSize)
		src := blk[off%BlockSize:]
		src = src[:min(len(src), n-done)]
		if done == 0 {
			sum = wire.CopyChecksum(dst, src, 0)
		} else {
			sum = wire.AddSum(sum, wire.CopyChecksum(dst[done:], src, 0), done%2 == 1)
		}
		done += len(src)
		off += len(src)
	}
	return sum
}

// release forgets everything before una.
func (b *sendBuffer) release(m Memory, una seqnum.Value) {
	if !b.una.Less(una) {
		return
	}
	b.una = seqnum.Min(una, b.end)
	off := int(b.base.Size(b.una))
	for b.q.n > 1 && off >= BlockSize {
		m.Put(b.q.pop())
		b.base = b.base.Add(BlockSize)
		off -= BlockSize
	}
	b.dropIdle(m)
}

// dropIdle gives the last block back when it holds nothing.
func (b *sendBuffer) dropIdle(m Memory) {
	if b.una == b.end && !b.reserved {
		b.q.release(m)
		b.base = b.end
	}
}

// clear forgets all text. Blocks that are lent out stay until commit.
func (b *sendBuffer) clear(m Memory) {
	b.una = b.end
	if !b.reserved {
		b.dropIdle(m)
		return
	}
	for off := int(b.base.Size(b.end)); off >= BlockSize; off -= BlockSize {
		m.Put(b.q.pop())
		b.base = b.base.Add(BlockSize)
	}
}
