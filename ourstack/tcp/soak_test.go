package tcp

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"
)

// Long and odd lives of a connection.

// carry lets the pair run until at most limit has passed or done says so.
func (p *pair) carry(limit Duration, done func() bool) {
	end := p.now.Add(limit)
	for !done() && p.step(end) {
	}
}

// burst sends n octets from one end and looks that they arrive at the other within limit.
func (p *pair) burst(from, to *pairEnd, n int, limit Duration) {
	p.t.Helper()
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(p.rng.Uint32())
	}
	sent, got := 0, make([]byte, 0, n)
	buf := make([]byte, 32<<10)
	p.carry(limit, func() bool {
		if sent < n {
			k, err := from.c.Write(p.clock(), data[sent:])
			if err != nil {
				p.t.Fatalf("write: %v", err)
			}
			sent += k
		}
		for {
			k, err := to.c.Read(p.clock(), buf)
			if err != nil {
				p.t.Fatalf("read: %v", err)
			}
			if k == 0 {
				break
			}
			got = append(got, buf[:k]...)
		}
		return len(got) == n
	})
	if !bytes.Equal(got, data) {
		p.t.Fatalf("%d of %d octets within %d ms", len(got), n, limit/ms)
	}
}

// TestWeekOfIdlingAndBursts: keep-alives bridge the silence, nothing grows, nothing stalls.
func TestWeekOfIdlingAndBursts(t *testing.T) {
	mem := &poolMemory{}
	keep := KeepAliveConfig{Enabled: true, Idle: 120 * Second, Interval: 15 * Second, Count: 5}
	cfg := &Config{MTU: 1420, Memory: mem, KeepAlive: keep}
	p := newPair(t, 11, linkModel{delay: 30 * ms, jitter: 5 * ms, loss: 0.02}, cfg, cfg)
	p.establish()
	end := p.now.Add(7 * 24 * 3600 * Second)
	if testing.Short() {
		end = p.now.Add(24 * 3600 * Second)
	}
	bursts := 0
	for p.now < end {
		pause := Duration(p.rng.Int64N(int64(7200 * Second)))
		p.carry(pause, func() bool { return false })
		p.a.c.TakeEvents()
		p.b.c.TakeEvents()
		for _, e := range []*pairEnd{&p.a, &p.b} {
			if e.c.State() != StateEstablished {
				t.Fatalf("%v, %v after %d s", e.c.State(), e.c.Err(), p.now/Instant(Second))
			}
		}
		if mem.out != 0 {
			t.Fatalf("%d blocks held while idle", mem.out)
		}
		from, to := &p.a, &p.b
		if p.rng.IntN(2) == 0 {
			from, to = to, from
		}
		p.burst(from, to, 1+p.rng.IntN(100000), 300*Second)
		bursts++
	}
	for _, e := range []*pairEnd{&p.a, &p.b} {
		c := &e.c
		if len(c.sb.ring) > 1024 || len(c.rcvBuf.q.ring) > 64 || len(c.sndBuf.q.ring) > 64 {
			t.Errorf("rings of %d, %d, %d", len(c.sb.ring), len(c.rcvBuf.q.ring), len(c.sndBuf.q.ring))
		}
		if c.counters.KeepAlives < 100 && !testing.Short() {
			t.Errorf("%d keep-alives in a week of %d bursts", c.counters.KeepAlives, bursts)
		}
	}
}

// TestShortBurstsAtNoDistance is bug class 2: many short exchanges over a path without delay and with
// losses; each must finish in the time of a few timeouts.
func TestShortBurstsAtNoDistance(t *testing.T) {
	bursts := 10000
	if testing.Short() {
		bursts = 1000
	}
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		cfg := &Config{MTU: 1420, CongestionControl: cc, Memory: &poolMemory{}}
		p := newPair(t, 3, linkModel{delay: 5 * us, loss: 0.01}, cfg, cfg)
		p.establish()
		start := p.now
		for i := range bursts / 3 {
			from, to := &p.a, &p.b
			if i%2 == 1 {
				from, to = to, from
			}
			p.burst(from, to, 1+p.rng.IntN(20000), 10*Second)
		}
		mean := p.now.Sub(start) / Duration(bursts/3)
		if mean > 50*ms {
			t.Errorf("%s: %d us a burst", cc, mean/us)
		}
	}
}

// onClock moves n octets over a path of 40 ms for each of some seeds, on a clock of the given tick.
func onClock(t *testing.T, cc string, tick Duration, loss float64, n int, seeds ...uint64) (elapsed Duration, resent uint64) {
	for _, seed := range seeds {
		cfg := &Config{MTU: 1420, ClockGranularity: tick, CongestionControl: cc, Memory: &poolMemory{}}
		p := newPair(t, seed, linkModel{delay: 20 * ms, jitter: ms, loss: loss}, cfg, cfg)
		p.tick = tick
		p.establish()
		start := p.now
		p.burst(&p.a, &p.b, n, 600*Second)
		elapsed += p.now.Sub(start)
		resent += p.a.c.counters.Retransmits
	}
	return elapsed / Duration(len(seeds)), resent
}

// TestCoarseClocks is bug class 3: a clock of 0.5, 1 or 15.6 ms must not cost much.
func TestCoarseClocks(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		for _, loss := range []float64{0, 0.002} {
			perfect, _ := onClock(t, cc, 0, loss, 400000, 0, 1, 2, 3)
			for _, tick := range []Duration{500 * us, ms, 15600 * us} {
				if got, _ := onClock(t, cc, tick, loss, 400000, 0, 1, 2, 3); got > perfect*2 {
					t.Errorf("%s, tick %d us, loss %v: %d ms, %d ms with a perfect clock", cc, tick/us, loss, got/ms, perfect/ms)
				}
			}
		}
	}
}

// TestCoarseClockIsNoLoss: a tick is more than the reordering window, and still hardly anything is taken
// for lost once reordering has been seen. With these seeds up to 41 segments were.
func TestCoarseClockIsNoLoss(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic"} {
		if _, resent := onClock(t, cc, 15600*us, 0, 3000000, 3, 4, 9, 10); resent > 4 {
			t.Errorf("%s: %d resent", cc, resent)
		}
	}
}

func TestTinySegments(t *testing.T) { // bug class 34: a peer that offers an MSS of nothing
	for seed := range uint64(10) {
		cfg := &Config{MTU: 1420, Memory: &poolMemory{}}
		tiny := &Config{MTU: 128, Memory: &poolMemory{}, RcvBufInit: 3000, RcvBufMax: 3000}
		p := newPair(t, seed, linkModel{delay: 5 * ms, loss: 0.03}, cfg, tiny)
		p.transfer(randomData(p.rng, 15000), 3600*Second)
		if n := p.a.c.win.smss; n > 88 {
			t.Fatalf("segments of %d", n)
		}
	}
}

// TestPolicer is bug class 9: a token bucket without a queue drops what exceeds its rate.
func TestPolicer(t *testing.T) {
	const rate = 10e6 / 8 // octets a second
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		cfg := &Config{MTU: 1420, CongestionControl: cc, Memory: &poolMemory{}}
		p := newPair(t, 1, linkModel{delay: 10 * ms}, cfg, cfg)
		p.establish()
		tokens, last := 30000.0, p.now
		p.fate = func(from *pairEnd, b []byte) (int, Duration) {
			if from != &p.a {
				return 1, 0
			}
			tokens = min(30000, tokens+rate*float64(p.now.Sub(last))/1e9)
			last = p.now
			if tokens < float64(len(b)) {
				return 0, 0
			}
			tokens -= float64(len(b))
			return 1, 0
		}
		start := p.now
		p.burst(&p.a, &p.b, 6000000, 600*Second)
		goodput := 6000000 / (float64(p.now.Sub(start)) / 1e9)
		if goodput < rate*0.5 || p.a.c.counters.Timeouts > 3 {
			t.Errorf("%s: %.0f %% of the policed rate, %d timeouts", cc, goodput*100/rate, p.a.c.counters.Timeouts)
		}
	}
}

// TestSlowReader: the window closes and opens many times, and every octet arrives.
func TestSlowReader(t *testing.T) {
	for seed := range uint64(20) {
		mem := &poolMemory{}
		cfg := &Config{MTU: 1420, Memory: mem, RcvBufMax: 20000 + int(seed)*1000}
		p := newPair(t, seed, linkModel{delay: 5 * ms, loss: float64(seed%3) / 50}, cfg, cfg)
		p.establish()
		data := randomData(p.rng, 200000)
		sent := 0
		var got []byte
		buf := make([]byte, 1+p.rng.IntN(6000))
		next, end := p.now, p.now.Add(3600*Second)
		for eof := false; !eof && p.now < end; p.step(max(next, p.now+1)) {
			if sent < len(data) {
				k, _ := p.a.c.Write(p.now, data[sent:])
				if sent += k; sent == len(data) {
					_ = p.a.c.CloseWrite(p.now)
				}
			}
			if p.now < next {
				continue
			}
			next = p.now.Add(Duration(p.rng.Int64N(int64(200 * ms))))
			k, err := p.b.c.Read(p.now, buf)
			got = append(got, buf[:k]...)
			eof = err == io.EOF
		}
		if !bytes.Equal(got, data) {
			t.Fatalf("seed %d: %d of %d octets", seed, len(got), len(data))
		}
	}
}

// TestIdleRestart is RFC 5681 §4.1: after a pause of an RTO, not more than the initial window at once.
func TestIdleRestart(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.c.win.cwnd = 40000
		s.write(1000)
		s.sends("small", "0")
		s.pass(ms)
		s.acks(1)
		s.wait(10 * Second)
		s.write(40000)
		if n := len(s.drain()); n != 10 {
			s.fatalf("%d segments at once after a pause", n)
		}
	})
}

func TestRandomDataIsRandom(t *testing.T) { // the transfers of the tests compare something
	rng := rand.New(rand.NewPCG(1, 1))
	if bytes.Equal(randomData(rng, 100), randomData(rng, 100)) {
		t.Fatal("always the same")
	}
}
