package tcp

import (
	"cmp"
	"testing"
)

// A fixedPath is that of a peer whose connections are all given the same.
type fixedPath struct {
	standing int
	least    Duration // 0: what the connection has measured
}

func (f fixedPath) LeastRTT(own Duration, _ Instant) Duration { return cmp.Or(f.least, own) }

func (f fixedPath) InboundRound(_, _ Instant, _ int) int { return f.standing }

// trickle has perMs bytes come, and be read, in each of n milliseconds.
func (s *script) trickle(n, perMs int) {
	s.t.Helper()
	for range n {
		s.pass(ms)
		s.c.HandleTimeout(s.now)
		s.feed(perMs, true)
	}
}

func (s *script) window() int { return int(s.c.rcvNxt.Size(s.c.rcvAdv)) }

// TestWindowCoversWhatMoves: the window is twice what comes in a round trip, a batch, and what may stand; it
// follows the rate up and down, and its edge never moves to the left (which the script checks).
func TestWindowCoversWhatMoves(t *testing.T) {
	run(t, Config{Path: fixedPath{standing: 100_000}}, func(s *script) {
		s.passiveRTT("mss 1000,sackOK,TS val 100 ecr 0,wscale 7", 10*ms)
		for _, perMs := range []int{10_000, 40_000, 2_000} {
			s.trickle(600, perMs)
			want := 100_000 + 21*perMs
			if got := s.window(); got < want*9/10 || got > want*11/10 {
				s.fatalf("a window of %d at %d bytes per ms, want %d", got, perMs, want)
			}
		}
		if got := s.c.tune.rcvBuf; got < 500_000 {
			s.fatalf("a buffer of %d bytes", got)
		}
	})
}

// TestWindowIsBoundByTheLeastRoundTripOfAll: what this connection has measured may have been a queue.
func TestWindowIsBoundByTheLeastRoundTripOfAll(t *testing.T) {
	run(t, Config{Path: fixedPath{100_000, 2 * ms}}, func(s *script) {
		s.passiveRTT("mss 1000,sackOK,TS val 100 ecr 0,wscale 7", 50*ms)
		s.trickle(1500, 10_000)
		if got := s.window(); got < 140_000 || got > 160_000 {
			s.fatalf("a window of %d", got)
		}
	})
}

// TestSlowStartIsAheadOfTheWindow: the bound does not hold up a sender that doubles per round trip, however
// little may stand; nor one that was slow for a while before.
func TestSlowStartIsAheadOfTheWindow(t *testing.T) {
	for _, slow := range []int{0, 20} {
		run(t, Config{RcvBufMax: 4 << 20, Path: fixedPath{standing: 20_000}}, func(s *script) {
			const rtt = 50 * ms
			s.passiveRTT("mss 1000,sackOK,TS val 100 ecr 0,wscale 7", rtt)
			for range slow {
				s.pass(rtt)
				s.c.HandleTimeout(s.now)
				s.feed(1000, true)
			}
			for flight := 10_000; flight < 1<<20; flight *= 2 {
				if got := s.window(); got < flight {
					s.fatalf("a window of %d for a flight of %d", got, flight)
				}
				s.pass(rtt)
				s.c.HandleTimeout(s.now)
				s.feed(flight, true)
			}
		})
	}
}

// TestSmallestWindow: what nearly nothing comes through is still worth segments in pairs.
func TestSmallestWindow(t *testing.T) {
	run(t, Config{Path: fixedPath{}}, func(s *script) {
		s.passiveRTT("mss 1000,sackOK,TS val 100 ecr 0,wscale 7", 10*ms)
		for range 50 {
			s.pass(100 * ms)
			s.c.HandleTimeout(s.now)
			s.feed(1000, true)
		}
		if got, want := s.c.tune.size(), inboundSegments*int(s.c.rcvMSS()); got != want {
			s.fatalf("a window of %d, want %d", got, want)
		}
	})
}

// TestNoBoundWithoutARoundTrip: who has measured nothing is bound by its buffer alone.
func TestNoBoundWithoutARoundTrip(t *testing.T) {
	run(t, Config{Path: fixedPath{}}, func(s *script) {
		s.synIn("mss 1000,sackOK,wscale 7")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.waitTimer()
		s.want("SYN-ACK again", "S. 0:0(0) ack 1")
		s.recv(". 1:1(0) ack 1") // of which of the two (RFC 6298 §3)?
		s.trickle(100, 10_000)
		if s.c.tune.size() != s.c.tune.rcvBuf {
			s.fatalf("a window of %d of %d", s.c.tune.size(), s.c.tune.rcvBuf)
		}
	})
}

// TestNoBoundWhereALongPathLosesSegments: what comes behind a hole needs room; after repairRounds without another one
// the bound is back. A short path keeps it.
func TestNoBoundWhereALongPathLosesSegments(t *testing.T) {
	for _, rtt := range []Duration{2 * ms, 20 * ms} {
		run(t, Config{Path: fixedPath{standing: 20_000}}, func(s *script) {
			s.passiveRTT("mss 1000,sackOK,TS val 100 ecr 0,wscale 7", rtt)
			rounds := func(n int) {
				for range n {
					s.pass(2 * rtt)
					s.c.HandleTimeout(s.now)
					s.feed(1000, true)
				}
			}
			rounds(20)
			if s.c.tune.bound == 0 {
				s.fatalf("no bound before a loss")
			}
			next := int(s.c.rcvNxt - s.irs)
			s.recv(seqRangeText("", next+1000, 1000) + " ack 1")
			s.recv(seqRangeText("", next, 1000) + " ack 1")
			s.read(2000)
			s.drain()
			rounds(3) // at least one of the receiver's
			if free := s.c.tune.bound == 0; free != (rtt > repairPath) {
				s.fatalf("after a loss the bound is %d", s.c.tune.bound)
			}
			if rounds(3 * repairRounds); s.c.tune.bound == 0 {
				s.fatalf("no bound long after")
			}
		})
	}
}

// TestThawedConnectionRemembersOldDisorder: what came out of order before a rest is no loss after it.
func TestThawedConnectionRemembersOldDisorder(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		s.recv(seqRangeText("", 1001, 1000) + " ack 1")
		s.recv(seqRangeText("", 1, 1000) + " ack 1")
		s.read(2000)
		s.drain()
		s.wait(5 * Second)
		s.c.TakeEvents()
		var f Idle
		if !s.c.Freeze(&f) {
			s.fatalf("it does not freeze")
		}
		var c Conn
		if c.Thaw(&Config{}, scriptTuple, &f); c.counters.OutOfOrder == 0 || c.tune.disorder != c.counters.OutOfOrder {
			s.fatalf("%d of %d segments out of order are known", c.tune.disorder, c.counters.OutOfOrder)
		}
	})
}
