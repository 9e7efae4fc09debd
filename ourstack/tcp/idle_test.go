package tcp

import (
	"reflect"
	"testing"
	"unsafe"
)

// TestThawedConnectionIsEqual: what Info shows survives, and text flows again both ways.
func TestThawedConnectionIsEqual(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic"} {
		mem := &poolMemory{}
		cfg := &Config{MTU: 1420, Memory: mem, CongestionControl: cc, NoDelay: true, KeepAlive: KeepAliveConfig{Enabled: true}}
		a, b, exchange := established(t, cfg, cfg)
		now := Instant(Second)
		p := make([]byte, 30000)
		talk := func() {
			for _, d := range [2][2]*Conn{{a, b}, {b, a}} {
				for range 30 {
					now = now.Add(10 * Millisecond)
					if _, err := d[0].Write(now, p[:10000]); err != nil {
						t.Fatal(err)
					}
					for n := 0; n < 10000; now = now.Add(Millisecond) { // it may be paced
						exchange(now)
						k, err := d[1].Read(now, p)
						if n += k; err != nil || now > 3600*Instant(Second) {
							t.Fatalf("read %d bytes, %v", n, err)
						}
					}
					exchange(now)
				}
			}
		}
		talk()
		var f Idle
		a.TakeEvents()
		b.TakeEvents()
		now = now.Add(delayedAckMax)
		exchange(now) // timers
		exchange(now) // and what they made due
		if a.AtRest() || !a.Freeze(&f) {
			t.Fatalf("at rest too early, or not to be frozen at all: %+v", a)
		}
		now = now.Add(idleShrink)
		for range 3 {
			a.HandleTimeout(now)
			now = now.Add(idleShrink)
		}
		if !a.AtRest() {
			t.Fatal("not at rest")
		}
		for i, n := range a.counters.rare() {
			*n = uint64(i) + 1
		}
		a.counters.DSACKsIn, a.counters.IllegalTransitions = 0, 0
		before, deadline := a.Info(now), a.timers.at[timerKeepAlive]
		if !a.Freeze(&f) {
			t.Fatal("not frozen")
		}
		*a = Conn{}
		a.Thaw(cfg, Tuple{Local: b.tuple.Remote, Remote: b.tuple.Local}, &f)
		after := a.Info(now)
		before.PacingRate = 0
		if after != before {
			t.Errorf("%s: before %+v\nafter %+v", cc, before, after)
		}
		if err := a.Check(); err != nil {
			t.Error(err)
		}
		if a.timers.at[timerKeepAlive] != deadline || deadline == 0 {
			t.Error("the keep-alive timer is lost")
		}
		talk()
	}
}

// TestRareCountersAreAll: a counter that is added to Counters must survive as well.
func TestRareCountersAreAll(t *testing.T) {
	var n Counters
	v := reflect.ValueOf(&n).Elem()
	if v.NumField() != numRareCounters+4 {
		t.Fatalf("%d counters, of which Idle knows %d", v.NumField(), numRareCounters+4)
	}
	seen := map[*uint64]bool{&n.SegmentsIn: true, &n.SegmentsOut: true, &n.BytesIn: true, &n.BytesOut: true}
	for _, p := range n.rare() {
		seen[p] = true
	}
	if len(seen) != v.NumField() {
		t.Error("a counter is listed twice")
	}
}

// TestBusyConnectionIsNotFrozen: anything on its way, due or held prevents it.
func TestBusyConnectionIsNotFrozen(t *testing.T) {
	quiet := func(t *testing.T) (a, b *Conn, exchange func(Instant)) {
		cfg := &Config{MTU: 1420, Memory: &poolMemory{}}
		a, b, exchange = established(t, cfg, cfg)
		a.TakeEvents()
		b.TakeEvents()
		exchange(Instant(Second))
		return a, b, exchange
	}
	if a, _, _ := quiet(t); !a.Freeze(new(Idle)) {
		t.Fatal("a quiet connection is not frozen")
	}
	now := Instant(2 * Second)
	for name, disturb := range map[string]func(a, b *Conn, exchange func(Instant)){
		"text to send":   func(a, _ *Conn, _ func(Instant)) { _, _ = a.Write(now, []byte("x")) },
		"unread text":    func(a, b *Conn, x func(Instant)) { _, _ = b.Write(now, []byte("x")); x(now) },
		"room lent out":  func(a, _ *Conn, _ func(Instant)) { _, _ = a.WriteSpace(make([][]byte, 0, 1)) },
		"half closed":    func(a, _ *Conn, _ func(Instant)) { _ = a.CloseWrite(now) },
		"nobody reads":   func(a, _ *Conn, _ func(Instant)) { a.CloseRead(now) },
		"aborted":        func(a, _ *Conn, _ func(Instant)) { a.Abort(now) },
		"peer closed":    func(_, b *Conn, x func(Instant)) { _ = b.CloseWrite(now); x(now) },
		"an ACK is due":  func(a, _ *Conn, _ func(Instant)) { a.ackNow() },
		"a soft error":   func(a, _ *Conn, _ func(Instant)) { a.noteSoftError(now, ErrUnresponsive); a.TakeEvents() },
		"an event":       func(a, _ *Conn, _ func(Instant)) { a.events = EventReadable },
		"a writer waits": func(a, _ *Conn, _ func(Instant)) { a.user.wantWrite = true },
		"a timer runs":   func(a, _ *Conn, _ func(Instant)) { a.timers.set(timerDelayedACK, now) },
	} {
		a, b, exchange := quiet(t)
		disturb(a, b, exchange)
		if a.Freeze(new(Idle)) {
			t.Errorf("%s: frozen", name)
		}
	}
}

// TestPastDifficultyDoesNotKeepFromRest: a phone that slept while text was on its way, and has long taken it.
func TestPastDifficultyDoesNotKeepFromRest(t *testing.T) {
	cfg := &Config{MTU: 1420}
	a, b, exchange := established(t, cfg, cfg)
	now := Instant(2 * Second)
	if _, err := a.Write(now, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for a.SoftError() == nil {
		for a.Pending() {
			a.PollSegment(now, make([]byte, 2000)) // it is lost
		}
		now = a.Deadline()
		a.HandleTimeout(now)
	}
	now = now.Add(20 * ms)
	exchange(now)
	if _, err := b.Read(now, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		now = now.Add(idleShrink)
		a.HandleTimeout(now)
		b.HandleTimeout(now)
		exchange(now)
	}
	a.TakeEvents()
	if !a.AtRest() || !a.Freeze(new(Idle)) {
		t.Error("not frozen")
	}
}

func TestIdleIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Idle{}); n > 512 {
		t.Errorf("%d bytes", n)
	}
}

// TestThawedConnectionRepairsAsBefore: as many ranges may be out of order as its window asks for, and the
// first tail has its probe.
func TestThawedConnectionRepairsAsBefore(t *testing.T) {
	cfg := &Config{MTU: 1420, RcvBufInit: 4 << 20}
	a, _, _ := established(t, cfg, cfg)
	before := a.rcvBuf.maxRanges
	if before <= maxOutOfOrderRanges || !a.rack.sampled {
		t.Fatalf("%d ranges, a sample: %v", before, a.rack.sampled)
	}
	a.TakeEvents()
	for now := Instant(2 * Second); !a.AtRest(); now = now.Add(idleShrink) {
		a.HandleTimeout(now)
	}
	var f Idle
	if !a.Freeze(&f) {
		t.Fatal("not frozen")
	}
	*a = Conn{}
	a.Thaw(cfg, scriptTuple, &f)
	if a.rcvBuf.maxRanges != before || !a.rack.sampled {
		t.Errorf("%d ranges instead of %d, a sample: %v", a.rcvBuf.maxRanges, before, a.rack.sampled)
	}
}

// TestThawedConnectionStillOwesCWR: a loss of the last text before the rest is announced with the first after it.
func TestThawedConnectionStillOwesCWR(t *testing.T) {
	run(t, Config{ECN: true}, func(s *script) {
		seg := s.parse("SEW 0:0(0) win 65535 <mss 1000,sackOK>")
		s.c.OpenPassive(s.now, &seg, 0)
		s.want("SYN-ACK", "S.E 0:0(0) ack 1")
		s.recv(". 1:1(0) ack 1")
		s.write(100)
		s.want("text", "P. 1:101(100) ack 1")
		for s.c.counters.Timeouts == 0 {
			s.waitTimer()
			s.drain()
		}
		s.recv(". 1:1(0) ack 101")
		s.pump(3 * idleShrink)
		s.c.TakeEvents()
		var f Idle
		if !s.c.Freeze(&f) {
			s.fatalf("not frozen")
		}
		s.c.Thaw(s.c.cfg, scriptTuple, &f)
		s.write(100)
		s.want("CWR", "P.W 101:201(100) ack 1")
	})
}

// TestThawedConnectionHasDoneItsFirstSlowStart: HyStart++ is for the first one only (RFC 9406 §4.3).
func TestThawedConnectionHasDoneItsFirstSlowStart(t *testing.T) {
	for _, over := range []bool{false, true} {
		cfg := &Config{MTU: 1420}
		a, _, _ := established(t, cfg, cfg)
		if over {
			a.cc.onCongestionEvent(&a.win, Instant(Second), congestionLoss, 20000)
			a.cc.onExitRecovery(&a.win, Instant(Second))
		}
		a.TakeEvents()
		for now := Instant(2 * Second); !a.AtRest(); now = now.Add(idleShrink) {
			a.HandleTimeout(now)
		}
		var f Idle
		if !a.Freeze(&f) {
			t.Fatal("not frozen")
		}
		a.Thaw(cfg, scriptTuple, &f)
		if got := a.cc.(*cubic).hy.stopped; got != over {
			t.Errorf("slow start is over: %v, HyStart++ is: %v", over, got)
		}
	}
}

// TestKeepAliveDoesNotKeepFromRest: the connection that sends one, which comes due on what was frozen, rests again
// once it is answered.
func TestKeepAliveDoesNotKeepFromRest(t *testing.T) {
	cfg := &Config{MTU: 1420, KeepAlive: KeepAliveConfig{Enabled: true, Idle: 60 * Second}}
	a, b, exchange := established(t, cfg, &Config{MTU: 1420})
	now := Instant(10 * Second)
	for range 3 {
		a.HandleTimeout(now)
		exchange(now)
		now = now.Add(idleShrink)
	}
	var f Idle
	a.TakeEvents()
	if !a.AtRest() || !a.Freeze(&f) {
		t.Fatal("not frozen before the keep-alive")
	}
	a.Thaw(cfg, a.tuple, &f)
	now = a.timers.at[timerKeepAlive]
	a.HandleTimeout(now)
	exchange(now)
	if a.counters.KeepAlives != 1 || b.counters.SegmentsIn == 0 {
		t.Fatalf("%d keep-alives", a.counters.KeepAlives)
	}
	if a.Deadline() > now.Add(idleShrink) {
		t.Error("nothing puts it to rest before the next keep-alive")
	}
	for range 3 {
		now = now.Add(idleShrink)
		a.HandleTimeout(now)
	}
	if !a.AtRest() || !a.Freeze(&f) {
		t.Error("not frozen after the keep-alive")
	}
}

// TestThawedConnectionStillEchoesCE: the peer answers an ECE with its next text, which may be long in coming.
func TestThawedConnectionStillEchoesCE(t *testing.T) {
	run(t, Config{ECN: true}, func(s *script) {
		seg := s.parse("SEW 0:0(0) win 65535 <mss 1000,sackOK>")
		s.c.OpenPassive(s.now, &seg, 0)
		s.want("SYN-ACK", "S.E 0:0(0) ack 1")
		s.recv(". 1:1(0) ack 1")
		s.c.ack.ece = true // CE came with text that has long been read
		s.pump(3 * idleShrink)
		s.c.TakeEvents()
		var f Idle
		if !s.c.Freeze(&f) {
			s.fatalf("not frozen")
		}
		s.c.Thaw(s.c.cfg, scriptTuple, &f)
		s.write(100)
		s.want("ECE", "P.E 1:101(100) ack 1")
	})
}

// TestRestWithACoarseClock: the last retransmission and what answered it may come at the same reading of the clock.
func TestRestWithACoarseClock(t *testing.T) {
	cfg := &Config{MTU: 1420}
	a, _, exchange := established(t, cfg, cfg)
	now := Instant(10 * Second)
	for range 3 {
		a.HandleTimeout(now)
		exchange(now)
		now = now.Add(idleShrink)
	}
	a.user.progressAt = now
	a.noteSoftError(now, ErrUnresponsive)
	a.TakeEvents()
	if !a.Freeze(new(Idle)) {
		t.Error("not frozen")
	}
}

// TestPacingKeepsNobodyFromRest: a retransmission that waited for its turn for seconds, at the rate that many
// timeouts leave, was not needed in the end. When the silence is long enough nothing is to be due.
func TestPacingKeepsNobodyFromRest(t *testing.T) {
	run(t, Config{CongestionControl: "newreno"}, func(s *script) {
		s.passive("mss 1000,sackOK,wscale 7")
		s.write(100)
		s.want("text", "P. 1:101(100) ack 1")
		s.c.timers.set(timerPacing, s.now.Add(2*idleShrink))
		s.recv(". 1:1(0) ack 101")
		s.pump(idleShrink)
		s.c.TakeEvents()
		if !s.c.AtRest() || !s.c.Freeze(new(Idle)) {
			s.fatalf("not frozen")
		}
	})
}
