package tcp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// pair is two connections joined by two one-way links on a virtual clock: the
// smallest world in which TCP runs end to end.
type pair struct {
	t    testing.TB
	now  Instant
	rng  *rand.Rand
	link linkModel
	a, b pairEnd
	wire []flying
	free [][]byte // buffers of delivered packets
	buf  [65536]byte
	n    int
	fate func(from *pairEnd, b []byte) (copies int, extra Duration) // of each packet, if set
	tick Duration                                                   // resolution of the clock that the connections see; 0 = perfect
	sent func(c *Conn, before sentBefore)                           // after each segment that is sent, if set
}

// sentBefore is the state before a segment was sent.
type sentBefore struct {
	cwnd, inFlight uint32
	nxt            seqnum.Value
	probe          bool
}

type linkModel struct {
	delay, jitter Duration
	loss, dup     float64
}

type pairEnd struct {
	c      Conn
	listen bool
	cfg    *Config
}

type flying struct {
	at   Instant
	n    int
	to   *pairEnd
	data []byte
	ecn  uint8
}

func newPair(t testing.TB, seed uint64, link linkModel, cfgA, cfgB *Config) *pair {
	p := &pair{t: t, now: Instant(Second), rng: rand.New(rand.NewPCG(seed, 1)), link: link}
	ta := Tuple{Local: Endpoint{wire.Addr{10, 0, 0, 1}, 1000}, Remote: Endpoint{wire.Addr{10, 0, 0, 2}, 80}}
	tb := Tuple{Local: ta.Remote, Remote: ta.Local}
	p.a.cfg, p.b.cfg = cfgA, cfgB
	// Initial sequence numbers near the wrap: every run crosses it.
	p.a.c.Init(cfgA, ta, seqnum.Value(^uint32(0)-p.rng.Uint32N(100000)), p.rng.Uint32())
	p.b.c.Init(cfgB, tb, seqnum.Value(^uint32(0)-p.rng.Uint32N(100000)), p.rng.Uint32())
	p.b.listen = true
	p.a.c.OpenActive(p.clock())
	return p
}

// clock is the time as the connections see it.
func (p *pair) clock() Instant {
	if p.tick == 0 {
		return p.now
	}
	return p.now - p.now%Instant(p.tick)
}

func (p *pair) check() {
	p.t.Helper()
	for _, e := range []*pairEnd{&p.a, &p.b} {
		if err := e.c.Check(); err != nil {
			p.t.Fatalf("at %d ms, state %v: %v", p.now/Instant(Millisecond), e.c.State(), err)
		}
	}
}

// pump sends what is due at both ends.
func (p *pair) pump() {
	buf := p.buf[:]
	for _, e := range []*pairEnd{&p.a, &p.b} {
		for e.c.Pending() {
			before := sentBefore{e.c.win.cwnd, e.c.inFlight(), e.c.sndNxt, e.c.rack.probeDue || e.c.rec.windowProbeDue}
			n, ecn := e.c.PollSegment(p.clock(), buf)
			if n == 0 {
				break
			}
			if p.sent != nil {
				p.sent(&e.c, before)
			}
			p.send(e, buf[:n], ecn)
		}
	}
}

func (p *pair) send(from *pairEnd, b []byte, ecn uint8) {
	to := &p.a
	if from == &p.a {
		to = &p.b
	}
	if from.c.tuple.Local.Addr == to.c.tuple.Local.Addr {
		p.t.Fatal("address")
	}
	if !wire.TCPChecksumOK(from.c.tuple.Local.Addr, to.c.tuple.Local.Addr, b) {
		p.t.Fatalf("bad checksum in % x", b)
	}
	if len(b)+20 > from.cfg.MTU {
		p.t.Fatalf("segment of %d bytes exceeds the MTU", len(b))
	}
	copies := 1
	if p.rng.Float64() < p.link.loss {
		copies = 0
	} else if p.rng.Float64() < p.link.dup {
		copies = 2
	}
	extra := Duration(0)
	if p.fate != nil {
		copies, extra = p.fate(from, b)
	}
	for range copies {
		d := p.link.delay + extra
		if p.link.jitter > 0 {
			d += Duration(p.rng.Int64N(int64(p.link.jitter)))
		}
		p.n++
		p.wire = append(p.wire, flying{p.now.Add(d), p.n, to, append(p.spare(), b...), ecn})
	}
}

// step advances to the next event; false if there is none before limit.
func (p *pair) step(limit Instant) bool {
	p.pump()
	p.check()
	next, idx := limit+1, -1
	for i, f := range p.wire {
		if f.at < next || f.at == next && idx >= 0 && f.n < p.wire[idx].n {
			next, idx = f.at, i
		}
	}
	for _, e := range []*pairEnd{&p.a, &p.b} {
		d := e.c.Deadline()
		if p.tick > 0 { // it is seen to have passed at the next tick
			d = (d + Instant(p.tick) - 1) / Instant(p.tick) * Instant(p.tick)
		}
		if d != 0 && d < next {
			next, idx = d, -1
		}
	}
	if next > limit {
		p.now = limit
		return false
	}
	p.now = max(p.now, next)
	if idx >= 0 {
		f := p.wire[idx]
		p.wire = append(p.wire[:idx], p.wire[idx+1:]...)
		p.deliver(f)
		p.free = append(p.free, f.data[:0])
	} else {
		p.a.c.HandleTimeout(p.clock())
		p.b.c.HandleTimeout(p.clock())
	}
	p.check()
	p.pump()
	return true
}

// spare returns a buffer for a packet.
func (p *pair) spare() []byte {
	n := len(p.free)
	if n == 0 {
		return make([]byte, 0, 1500)
	}
	b := p.free[n-1]
	p.free = p.free[:n-1]
	return b
}

func (p *pair) deliver(f flying) {
	var seg wire.TCP
	if e := seg.Parse(f.data); e != 0 {
		p.t.Fatalf("parse: %v", e)
	}
	if f.to.listen {
		if seg.Flags&wire.FlagSYN == 0 {
			return
		}
		f.to.listen = false
		f.to.c.OpenPassive(p.clock(), &seg, f.ecn)
		return
	}
	f.to.c.HandleSegment(p.clock(), &seg, f.ecn)
}

// transfer moves data from a to b and closes orderly, with application chunks drawn from the seed.
func (p *pair) transfer(data []byte, limit Duration) {
	p.t.Helper()
	end := p.now.Add(limit)
	var got bytes.Buffer
	sent, closed, eof := 0, false, false
	buf := make([]byte, 1<<16)
	for p.now < end {
		if sent < len(data) {
			n, err := p.a.c.Write(p.clock(), data[sent:min(len(data), sent+1+p.rng.IntN(20000))])
			if err != nil {
				p.t.Fatalf("write at %d: %v", sent, err)
			}
			sent += n
		} else if !closed {
			closed = true
			if err := p.a.c.CloseWrite(p.clock()); err != nil {
				p.t.Fatal(err)
			}
		}
		for {
			n, err := p.b.c.Read(p.clock(), buf[:1+p.rng.IntN(len(buf)-1)])
			got.Write(buf[:n])
			if err == io.EOF && !eof {
				eof = true
				p.b.c.Close(p.clock())
			}
			if n == 0 {
				break
			}
		}
		if eof && p.a.c.State() == StateTimeWait && p.b.c.State() == StateClosed {
			break
		}
		if !p.step(end) {
			break
		}
	}
	if !bytes.Equal(got.Bytes(), data) {
		p.t.Fatalf("got %d bytes, want %d; a %v b %v info %+v", got.Len(), len(data), p.a.c.State(), p.b.c.State(), p.a.c.Info(p.now))
	}
	if !eof {
		p.t.Fatalf("no end of stream: a %v b %v", p.a.c.State(), p.b.c.State())
	}
}

func randomData(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestTransferOverLossyLink(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		for seed := range uint64(200) {
			rng := rand.New(rand.NewPCG(seed, 2))
			link := linkModel{
				delay: Duration(rng.Int64N(int64(50 * Millisecond))), jitter: Duration(rng.Int64N(int64(10 * Millisecond))),
				loss: float64(rng.IntN(10)) / 100, dup: float64(rng.IntN(5)) / 100,
			}
			cfg := &Config{MTU: 600 + rng.IntN(900), CongestionControl: cc, ECN: seed%2 == 0}
			cfgB := &Config{MTU: 600 + rng.IntN(900), CongestionControl: cc, ECN: seed%3 == 0}
			if seed%4 == 1 {
				cfgB.Path = fixedPath{standing: rng.IntN(20000)}
			}
			p := newPair(t, seed, link, cfg, cfgB)
			p.transfer(randomData(rng, rng.IntN(300000)), 3600*Second)
			if t.Failed() {
				t.Fatalf("cc %s seed %d link %+v", cc, seed, link)
			}
		}
	}
}
