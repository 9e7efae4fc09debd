package tcp

import "testing"

// A slow start that ran into loss ends at a part of what the path has carried: what was lost is
// subtracted before the reduction (RFC 7661 §4.4.1), but never more than half of the flight.
func TestSlowStartOvershootCountsWhatArrived(t *testing.T) {
	const mss, flight = 1000, 400_000
	for _, c := range []struct {
		name string
		lost uint32
		want map[string]uint32
	}{
		{"one segment", mss, map[string]uint32{"cubic": (flight - mss) * 7 / 10, "newreno": (flight - mss) / 2}},
		{"a quarter", 100_000, map[string]uint32{"cubic": 210_000, "newreno": 150_000}},
		{"half", 200_000, map[string]uint32{"cubic": 140_000, "newreno": 100_000}},
		{"more than half", 300_000, map[string]uint32{"cubic": 140_000, "newreno": 100_000}},
	} {
		for cc, want := range c.want {
			w := window{smss: mss, cwnd: flight, ssthresh: 1 << 30, initial: 10 * mss, pacingRate: 1}
			control := newCongestionControl(cc)
			lose := func(n uint32) {
				for range n / mss {
					control.onLost(&w, &lossSample{bytes: mss})
				}
			}
			lose(mss)
			control.onCongestionEvent(&w, Instant(Second), congestionLoss, flight)
			lose(c.lost - mss)
			if w.ssthresh < want-1 || w.ssthresh > want+1 {
				t.Errorf("%s, %s lost: ssthresh %d, want %d", cc, c.name, w.ssthresh, want)
			}
			control.onExitRecovery(&w, Instant(2*Second))
			if w.cwnd != w.ssthresh {
				t.Errorf("%s, %s lost: cwnd %d after recovery, ssthresh %d", cc, c.name, w.cwnd, w.ssthresh)
			}
		}
	}
}

// TestOvershootOfAFlowThatWasHeld: when the scheduler held the flow back between the overshoot and the
// news of it, the flight has fallen, and what was lost was no part of what is left of it.
func TestOvershootOfAFlowThatWasHeld(t *testing.T) {
	const mss, sent, left, lost = 1000, 600_000, 350_000, 200_000
	for cc, want := range map[string]uint32{"cubic": left * 7 / 10, "newreno": left / 2} {
		w := window{smss: mss, cwnd: sent, ssthresh: 1 << 30, initial: 10 * mss, pacingRate: 1}
		control := newCongestionControl(cc)
		control.onAck(&w, &ackSample{now: Instant(Second), rtt: -1, srtt: Second / 10, delivered: mss, ackedCum: mss, priorInFlight: sent, inFlight: sent - mss, sndNxt: sent})
		control.onCongestionEvent(&w, Instant(Second+Second/10), congestionLoss, left)
		for range lost / mss {
			control.onLost(&w, &lossSample{bytes: mss})
		}
		if w.ssthresh < want-1 || w.ssthresh > want+1 {
			t.Errorf("%s: ssthresh %d, want %d", cc, w.ssthresh, want)
		}
	}
}

// In congestion avoidance the whole flight is reduced, and an undo forgets the losses.
func TestOvershootIsOfSlowStartOnly(t *testing.T) {
	const mss, flight = 1000, 400_000
	for _, cc := range []string{"cubic", "newreno"} {
		w := window{smss: mss, cwnd: flight, ssthresh: flight / 2, initial: 10 * mss, pacingRate: 1}
		control := newCongestionControl(cc)
		control.onLost(&w, &lossSample{bytes: mss})
		control.onCongestionEvent(&w, Instant(Second), congestionLoss, flight)
		before := w.ssthresh
		control.onLost(&w, &lossSample{bytes: 100_000})
		if w.ssthresh != before || before < flight/2 {
			t.Errorf("%s: ssthresh %d, then %d", cc, before, w.ssthresh)
		}
		w.ssthresh, w.cwnd = 1<<30, flight
		control.onExitRecovery(&w, Instant(2*Second))
		w.ssthresh, w.cwnd = 1<<30, flight
		control.onCongestionEvent(&w, Instant(3*Second), congestionLoss, flight)
		control.onUndo(&w, Instant(4*Second))
		before = w.ssthresh
		control.onLost(&w, &lossSample{bytes: 100_000})
		if w.ssthresh != before {
			t.Errorf("%s: a loss after the undo reduced ssthresh from %d to %d", cc, before, w.ssthresh)
		}
	}
}

// A window full of holes: every other segment is missing, and each that arrives is kept.
func TestEverySecondSegmentOfALargeWindowIsKept(t *testing.T) {
	cfg := Config{RcvBufMax: 1 << 20, RcvBufInit: 1 << 20}
	s := newScript(t, &cfg, 1000, 50000)
	s.passive("mss 1000,sackOK,wscale 7")
	s.c.rcvBuf.maxRanges = 1 << 20 / 2000
	for i := range 400 {
		s.recv(seqRangeText("", 1001+2000*i, 1000) + " ack 1")
		s.drain()
	}
	if n := len(s.c.rcvBuf.ranges); n != 400 {
		t.Errorf("%d ranges are held of 400", n)
	}
}

// TestSlowStartOvershootOnAConnection: what is lost of the flight that ended slow start is taken off
// before the reduction, also what recovery finds later; then proportional rate reduction leads to
// the lower ssthresh. In congestion avoidance FlightSize alone counts (RFC 5681 §3.1 equation 4).
func TestSlowStartOvershootOnAConnection(t *testing.T) {
	for _, c := range []struct {
		slowStart   bool
		first, both uint32 // ssthresh when 4 of 20 segments are lost, and when 8 are
	}{{true, 8000, 6000}, {false, 10000, 10000}} {
		run(t, Config{CongestionControl: "newreno"}, func(s *script) {
			s.bulk(withSACK, 20)
			if c.slowStart {
				s.c.win.ssthresh = 1 << 30
			}
			s.acks(0, [2]int{4, 10})
			if got := s.c.win.ssthresh; got != c.first {
				s.fatalf("slow start %v: ssthresh %d after 4 lost of 20, want %d", c.slowStart, got, c.first)
			}
			s.drain()
			s.acks(0, [2]int{4, 10}, [2]int{14, 20})
			if got := s.c.win.ssthresh; got != c.both {
				s.fatalf("slow start %v: ssthresh %d after 8 lost of 20, want %d", c.slowStart, got, c.both)
			}
			if n := s.c.counters.FastRecoveries; n != 1 {
				s.fatalf("%d recoveries of one flight", n)
			}
		})
	}
}
