package tcp

import "testing"

// Tail loss probes, RFC 8985 §7. See recovery_test.go for the counting in segments.

func TestLossProbeOfNewText(t *testing.T) { // §7.3: "transmit a previously unsent data segment"
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 4)
		d := s.waitTimer() + ms // bulk has waited one already
		if d < 4*ms || d > 5*ms {
			s.fatalf("probe after %d us, want 2·SRTT and a margin", d/us)
		}
		s.sends("one segment beyond cwnd", "4")
		if s.c.counters.LossProbes != 1 || s.c.counters.Retransmits != 0 {
			s.fatalf("%+v", s.c.counters)
		}
		if !s.c.timers.isSet(timerRexmit) || s.c.timers.isSet(timerLossProbe) {
			s.fatalf("after a probe the retransmission timer runs (§7.3)")
		}
		s.pass(ms)
		s.acks(0, [2]int{4, 5})
		if s.c.counters.Lost != 4 {
			s.fatalf("%d marked lost by the ACK of the probe (§7.4.1)", s.c.counters.Lost)
		}
	})
}

func TestLossProbeRepeatsTheLast(t *testing.T) { // §7.3: "retransmit the highest-sequence segment"
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.write(3000)
		s.sends("all", "0 1 2")
		s.waitTimer()
		s.sends("the last again", "2")
		s.waitTimer()
		if s.c.counters.Timeouts != 1 || s.c.counters.LossProbes != 1 {
			s.fatalf("%+v", s.c.counters)
		}
		s.sends("then a timeout", "0")
	})
}

func TestLossProbeRespectsTheWindowOfThePeer(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.recv(". 1:1(0) ack 101 win 2500")
		s.write(5000)
		s.sends("as much as fits", "0 1")
		s.waitTimer()
		s.sends("new text does not fit: the last again", "1")
	})
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.write(3000)
		s.sends("all", "0 1 2")
		s.recv(". 1:1(0) ack 101 win 1500") // shrunk (SHLD-16)
		s.waitTimer()
		s.sends("the last is beyond the edge now: the first", "0")
	})
}

func TestLossProbeOfASingleSegment(t *testing.T) { // §7.2: TLP.max_ack_delay, and the RTO as a bound
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.write(1000)
		s.sends("one", "0")
		rto := s.c.rtt.rto()
		if d := s.waitTimer(); d != rto || d < 200*ms {
			s.fatalf("probe after %d ms, RTO %d ms", d/ms, rto/ms)
		}
		s.sends("probe, not a timeout", "0")
		if c := s.c.counters; c.LossProbes != 1 || c.Timeouts != 0 {
			s.fatalf("%+v", c)
		}
		s.pass(ms)
		s.acks(1)
		if s.c.win.cwnd < s.c.win.initial {
			s.fatalf("cwnd %d collapsed", s.c.win.cwnd)
		}
	})
}

func TestLossProbeOfAFin(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.write(1000)
		_ = s.c.CloseWrite(s.now)
		s.want("text and FIN", "FP. 101:1101(1000) ack 1")
		s.waitTimer()
		s.want("probe", "FP. 101:1101(1000) ack 1")
		s.recv(". 1:1(0) ack 1102")
		s.wantState(StateFinWait2)
	})
}

// TestOneLossProbeAtATime: a second one needs the ACK of the first and a new RTT sample (§7.3).
func TestOneLossProbeAtATime(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 4)
		s.waitTimer()
		s.sends("probe", "4")
		s.recv("P. 1:11(10) ack 101") // something else arrives meanwhile
		s.recv("P. 11:21(10) ack 101")
		s.pass(ms)
		s.c.HandleTimeout(s.now)
		if s.c.timers.isSet(timerLossProbe) {
			s.fatalf("a second probe is scheduled")
		}
	})
	run(t, Config{}, func(s *script) { // no sample: Karn
		s.begin(withSACK)
		s.write(1000)
		s.sends("one", "0")
		s.waitTimer()
		s.sends("probe", "0")
		s.acks(1)
		s.recv(". 1:1(0) ack 1101 <nop,nop,sack 101:1101>") // both arrived: the episode is over
		s.write(1000)
		s.sends("next", "1")
		if s.c.timers.isSet(timerLossProbe) {
			s.fatalf("a probe without an RTT sample since the last")
		}
		s.pass(ms)
		s.acks(2)
		s.write(1000)
		s.sends("next", "2")
		if !s.c.timers.isSet(timerLossProbe) {
			s.fatalf("no probe though there is a sample")
		}
	})
}

func TestNoLossProbeWithoutSACKOrInRecovery(t *testing.T) { // §7.2
	run(t, Config{}, func(s *script) {
		s.begin("mss 1000")
		s.write(1000)
		s.drain()
		if s.c.timers.isSet(timerLossProbe) {
			s.fatalf("no SACK")
		}
	})
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		s.acks(0, [2]int{1, 4})
		s.drain()
		if s.c.rec.phase != recFast || s.c.timers.isSet(timerLossProbe) {
			s.fatalf("in recovery")
		}
		s.untilTimeout()
		s.drain()
		if s.c.timers.isSet(timerLossProbe) {
			s.fatalf("after a timeout")
		}
	})
}

// probed sends one segment and, when its ACK fails to come, a probe of it.
func (s *script) probed() {
	s.t.Helper()
	s.begin(withSACK)
	s.write(3000)
	s.sends("a flight", "0 1 2")
	s.pass(ms)
	s.acks(2)
	s.waitTimer()
	s.sends("probe", "2")
	s.pass(ms)
}

// The cases of §7.4.2.

func TestProbeThatRepairedALoss(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.probed()
		cwnd := s.c.win.cwnd
		s.acks(3) // of the original, or of the probe
		if s.c.counters.ProbeRecoveries != 0 || s.c.win.cwnd < cwnd {
			s.fatalf("too early to tell")
		}
		s.write(1000)
		s.sends("next", "3")
		s.pass(ms)
		s.acks(4) // no duplicate came: one of the two was lost
		if s.c.counters.ProbeRecoveries != 1 || s.c.win.cwnd >= cwnd {
			s.fatalf("cwnd %d of %d, %d repairs", s.c.win.cwnd, cwnd, s.c.counters.ProbeRecoveries)
		}
		s.write(1000)
		s.sends("next", "4")
		s.pass(ms)
		s.acks(5)
		if s.c.counters.ProbeRecoveries != 1 {
			s.fatalf("counted twice")
		}
	})
}

func TestNeedlessProbe(t *testing.T) {
	for name, second := range map[string]string{
		"case 1, DSACK":         ". 1:1(0) ack 3101 <nop,nop,sack 2101:3101>",
		"case 2, duplicate ACK": ". 1:1(0) ack 3101",
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(s *script) {
				s.probed()
				cwnd := s.c.win.cwnd
				s.acks(3)
				s.recv(second)
				s.write(1000)
				s.sends("next", "3")
				s.pass(ms)
				s.acks(4)
				if s.c.counters.ProbeRecoveries != 0 || s.c.win.cwnd < cwnd || s.c.rack.reorderingSeen {
					s.fatalf("cwnd %d of %d, %d repairs, reordering %v", s.c.win.cwnd, cwnd, s.c.counters.ProbeRecoveries, s.c.rack.reorderingSeen)
				}
			})
		})
	}
}

func TestProbeOfNewTextIsNoLoss(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 4)
		s.waitTimer()
		s.sends("probe", "4")
		cwnd := s.c.win.cwnd
		s.pass(ms)
		s.acks(5)
		s.drain()
		if s.c.counters.ProbeRecoveries != 0 || s.c.win.cwnd < cwnd || s.c.rack.probeOut {
			s.fatalf("%+v", s.c.counters)
		}
	})
}

func TestLossProbeIsForgottenInRecovery(t *testing.T) { // §7.1
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.write(4000)
		s.sends("a flight", "0 1 2 3")
		s.waitTimer()
		s.sends("probe", "3")
		s.pass(ms)
		s.acks(0, [2]int{3, 4})
		if s.c.rack.probeOut || s.c.rec.phase != recFast {
			s.fatalf("probe %v, phase %d", s.c.rack.probeOut, s.c.rec.phase)
		}
		s.ackAll()
		if s.c.counters.ProbeRecoveries != 0 {
			s.fatalf("one loss, two reductions")
		}
	})
}

// TestLossProbeIsNotPutOffForEver: each transmission starts the probe timer anew, but not beyond the
// retransmission timeout of the oldest segment.
func TestLossProbeIsNotPutOffForEver(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.c.SetNoDelay(true)
		rto := s.c.rtt.rto()
		start := s.now
		for s.c.counters.LossProbes == 0 {
			s.write(10)
			s.drain()
			s.pass(ms)
			s.c.HandleTimeout(s.now)
			s.drain()
			if s.now.Sub(start) > rto+2*ms {
				s.fatalf("no probe after %d ms, RTO %d ms", s.now.Sub(start)/ms, rto/ms)
			}
		}
	})
}
