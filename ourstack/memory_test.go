package ourstack

import (
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// TestMemoryBudgetAndShares: all together never exceed the budget; one share alone gets two thirds; what
// it leaves is there for others, who always get their floor while there is any.
func TestMemoryBudgetAndShares(t *testing.T) {
	const blocks = 900
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.Memory = blocks * tcp.BlockSize })
	grab := func(r *remote) (got []*tcp.Block) {
		for {
			b := r.Get()
			if b == nil {
				return got
			}
			got = append(got, b)
		}
	}
	a := h.s.acquireRemote(addr("10.8.0.2"))
	first := grab(a)
	if n := len(first); n < blocks*2/3-2 || n > blocks*2/3+2 {
		t.Errorf("one share got %d of %d blocks", n, blocks)
	}
	if p := a.Pressure(); p != 2 {
		t.Errorf("pressure %d for a share at its bound", p)
	}
	b := h.s.acquireRemote(addr("10.8.0.3"))
	if p := b.Pressure(); p == 2 {
		t.Errorf("pressure %d for one that holds nothing", p)
	}
	second := grab(b)
	if len(second) < blocks/6 {
		t.Errorf("the next share got %d blocks", len(second))
	}
	total := len(first) + len(second)
	for i := range 200 {
		r := h.s.acquireRemote(wire.Addr{10, 9, 0, byte(i)})
		got := grab(r)
		total += len(got)
		if total < blocks && len(got) < min(shareFloor, blocks-total) {
			t.Errorf("share %d got %d blocks with %d free", i, len(got), blocks-total)
		}
	}
	if total != blocks || h.s.Stats().Memory != blocks*tcp.BlockSize {
		t.Errorf("%d blocks, %d bytes in use", total, h.s.Stats().Memory)
	}
	for _, blk := range first {
		a.Put(blk)
	}
	for _, blk := range second {
		b.Put(blk)
	}
	if p := b.Pressure(); p != 0 {
		t.Errorf("pressure %d when there is plenty", p)
	}
	if h.s.Stats().MemoryRefused == 0 {
		t.Error("refusals are not counted")
	}
}

// TestMemoryFullIsNotFatal: connections of many peers with a tiny budget make progress one after the other.
func TestMemoryFullIsNotFatal(t *testing.T) {
	gateway, client := pair(t, func(c *Config) { c.Limits.Memory = 40 * tcp.BlockSize })
	server, cl := established(t, gateway, client)
	up, down := pattern(200_000, 1), pattern(200_000, 2)
	gotUp, gotDown := transfer(t, gateway, client, server, cl, up, down)
	if string(gotUp) != string(up) || string(gotDown) != string(down) {
		t.Error("transfer damaged")
	}
	for _, h := range []*host{gateway, client} {
		if m := h.s.Stats().Memory; m != 0 {
			t.Errorf("%d bytes in use after all was read", m)
		}
	}
}

func TestPacketPool(t *testing.T) {
	p := packetPool{limit: 200_000}
	for _, c := range []struct{ n, size int }{{0, 512}, {512, 512}, {513, 2048}, {2048, 2048}, {2049, 16384}, {16385, 65536}, {65536, 65536}} {
		b := p.get(c.n)
		if b == nil || len(b.b) != c.n || cap(b.b) != c.size || p.used.Load() != int64(c.size) {
			t.Fatalf("%d bytes: %v, %d in use", c.n, b, p.used.Load())
		}
		p.put(b)
		if p.used.Load() != 0 {
			t.Fatalf("%d in use", p.used.Load())
		}
	}
	var held []*packetBuf
	for b := p.get(65536); b != nil; b = p.get(65536) {
		held = append(held, b)
	}
	if len(held) != 3 || p.used.Load() != 3*65536 {
		t.Errorf("%d buffers, %d in use", len(held), p.used.Load())
	}
	if b := p.get(1); b == nil {
		t.Error("a small one no longer fits")
	}
}

func TestReceiveQueueKeepsOrderAndShrinks(t *testing.T) {
	q := receiveQueue{limit: 1 << 20}
	next, pushed := uint16(0), uint16(0)
	for round := range 200 {
		for range round % 90 {
			if !q.push(received{seq: pushed}) {
				t.Fatal("refused")
			}
			pushed++
			if live := int(pushed - next); len(q.items) > 2*live+32 {
				t.Fatalf("%d places for %d items", len(q.items), live)
			}
		}
		for range round % 80 {
			r, ok := q.pop()
			if !ok {
				break
			}
			if r.seq != next {
				t.Fatalf("got %d, want %d", r.seq, next)
			}
			next++
		}
	}
	for r, ok := q.pop(); ok; r, ok = q.pop() {
		if r.seq != next {
			t.Fatalf("got %d, want %d", r.seq, next)
		}
		next++
	}
	if next != pushed || q.used != 0 || cap(q.items) > 64 {
		t.Errorf("%d of %d, %d bytes, capacity %d", next, pushed, q.used, cap(q.items))
	}
}
