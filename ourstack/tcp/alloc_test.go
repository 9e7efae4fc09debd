package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

// poolMemory is a Memory that recycles its blocks and counts those that are out.
type poolMemory struct {
	free  []*Block
	out   int
	limit int // blocks; 0 = none
	press int
}

func (m *poolMemory) Get() *Block {
	if m.limit > 0 && m.out >= m.limit {
		return nil
	}
	m.out++
	if n := len(m.free); n > 0 {
		b := m.free[n-1]
		m.free = m.free[:n-1]
		return b
	}
	return new(Block)
}

func (m *poolMemory) Put(b *Block) {
	if b == nil {
		panic("nil block given back")
	}
	m.out--
	m.free = append(m.free, b)
}

func (m *poolMemory) Pressure() int { return m.press }

// established returns two connections that are joined without delay.
func established(t testing.TB, cfgA, cfgB *Config) (a, b *Conn, exchange func(now Instant)) {
	a, b = new(Conn), new(Conn)
	ta := Tuple{Local: Endpoint{wire.Addr{10, 0, 0, 1}, 1000}, Remote: Endpoint{wire.Addr{10, 0, 0, 2}, 80}}
	tb := Tuple{Local: ta.Remote, Remote: ta.Local}
	a.Init(cfgA, ta, 1000, 5)
	b.Init(cfgB, tb, 99, 6)
	a.OpenActive(1)
	buf := make([]byte, 65536)
	var seg wire.TCP
	listening := true
	exchange = func(now Instant) {
		for a.Pending() || b.Pending() {
			for _, d := range [2][2]*Conn{{a, b}, {b, a}} {
				n, ecn := d[0].PollSegment(now, buf)
				if n == 0 {
					continue
				}
				if e := seg.Parse(buf[:n]); e != 0 {
					t.Fatal(e)
				}
				if d[1] == b && listening {
					listening = false
					b.OpenPassive(now, &seg, ecn)
					continue
				}
				d[1].HandleSegment(now, &seg, ecn)
			}
		}
		a.HandleTimeout(now)
		b.HandleTimeout(now)
	}
	exchange(1)
	if a.State() != StateEstablished || b.State() != StateEstablished {
		t.Fatalf("%v %v", a.State(), b.State())
	}
	return a, b, exchange
}

func TestNoAllocationOnTheEstablishedPath(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		t.Run(cc, func(t *testing.T) {
			mem := &poolMemory{}
			cfg := &Config{MTU: 1420, Memory: mem, CongestionControl: cc, RcvBufMax: 256 << 10, SndBufMax: 256 << 10}
			a, b, exchange := established(t, cfg, cfg)
			now := Instant(1)
			p := make([]byte, 20000)
			peeked, room := make([][]byte, 0, 8), make([][]byte, 0, 3)
			round := func(from, to *Conn) {
				for range 20 {
					now = now.Add(Millisecond)
					_, _ = from.Write(now, p)
					if room, _ = from.WriteSpace(room[:0]); len(room) > 0 {
						_ = from.CommitWrite(now, len(room[0]))
					}
					exchange(now)
					for {
						n, _ := to.Read(now, p[:3000])
						if n == 0 {
							break
						}
						if peeked, _ = to.Peek(peeked[:0]); len(peeked) > 0 {
							to.Discard(now, len(peeked[0]))
						}
					}
					from.TakeEvents()
					to.TakeEvents()
				}
			}
			warm := func() { round(a, b); round(b, a) }
			for range 20 {
				warm()
			}
			if n := testing.AllocsPerRun(20, warm); n != 0 {
				t.Errorf("%v allocations per round", n)
			}
		})
	}
}

// TestNoAllocationUnderLoss: repairing losses and holding text out of order are part of the path.
func TestNoAllocationUnderLoss(t *testing.T) {
	mem := &poolMemory{}
	cfg := &Config{MTU: 1420, Memory: mem, RcvBufMax: 128 << 10, SndBufMax: 128 << 10}
	a, b, _ := established(t, cfg, cfg)
	now := Instant(1)
	p := make([]byte, 100000)
	buf := make([]byte, 65536)
	var seg wire.TCP
	count := 0
	step := func() {
		now = now.Add(5 * Millisecond)
		_, _ = a.Write(now, p)
		for a.Pending() || b.Pending() {
			for _, d := range [2][2]*Conn{{a, b}, {b, a}} {
				n, ecn := d[0].PollSegment(now, buf)
				if n == 0 {
					continue
				}
				if count++; count%17 == 0 {
					continue // lost
				}
				if e := seg.Parse(buf[:n]); e != 0 {
					t.Fatal(e)
				}
				d[1].HandleSegment(now, &seg, ecn)
			}
		}
		for {
			if n, _ := b.Read(now, p); n == 0 {
				break
			}
		}
		a.HandleTimeout(now)
		b.HandleTimeout(now)
	}
	for range 2000 {
		step()
	}
	if n := testing.AllocsPerRun(500, step); n != 0 {
		t.Errorf("%v allocations per step", n)
	}
	if a.counters.Retransmits < 100 || a.State() != StateEstablished {
		t.Fatalf("%d retransmissions, %v", a.counters.Retransmits, a.State())
	}
}
