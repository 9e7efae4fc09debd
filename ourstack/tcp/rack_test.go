package tcp

import "testing"

// A single SACKed segment is no proof of a loss: the others may come a little later.
func TestRACKWaitsForReordering(t *testing.T) { // RFC 8985 §6.2 steps 4 and 5
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 4)
		s.acks(0, [2]int{1, 2})
		s.sends("limited transmit", "4")
		if at := s.c.timers.at[timerReorder]; at == 0 || at > s.now.Add(ms/2) {
			s.fatalf("reordering timer in %d us", at.Sub(s.now)/us)
		}
		s.pass(100 * us)
		s.c.HandleTimeout(s.now)
		s.acks(2) // it came
		s.sends("the next", "5")
		if s.c.timers.at[timerReorder] != 0 || s.c.counters.Lost != 0 || s.c.counters.Retransmits != 0 {
			s.fatalf("%+v", s.c.counters)
		}
	})
}

func TestRACKTimerFindsTheLoss(t *testing.T) { // RFC 8985 §6.2 step 5, §6.3
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 4)
		s.acks(0, [2]int{1, 2})
		s.sends("limited transmit", "4")
		d := s.waitTimer()
		if d < 200*us || d > 300*us {
			s.fatalf("the reordering window of %d us is not a quarter of the round trip", d/us)
		}
		s.sends("lost", "0")
		if s.c.rec.phase != recFast || s.c.counters.FastRecoveries != 1 {
			s.fatalf("no recovery: %d", s.c.rec.phase)
		}
	})
}

func TestRACKWithThreeSACKedDoesNotWait(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		s.acks(0, [2]int{1, 4})
		if s.c.rec.phase != recFast || s.c.counters.Lost != 1 {
			s.fatalf("phase %d, %d lost", s.c.rec.phase, s.c.counters.Lost)
		}
	})
}

// TestRACKLearnsReordering: once an original was seen to arrive late, three SACKed segments are no
// proof any more; only time is.
func TestRACKLearnsReordering(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		s.c.win.ssthresh = 1 << 30 // slow start
		s.acks(0, [2]int{1, 3})
		s.acks(3) // 0 came after 1 and 2, and was sent once
		if !s.c.rack.reorderingSeen {
			s.fatalf("reordering not seen")
		}
		s.drain()
		s.pass(ms)
		s.acks(6, [2]int{7, 10})
		if s.c.rec.phase != recOpen || s.c.timers.at[timerReorder] == 0 {
			s.fatalf("phase %d: it does not wait", s.c.rec.phase)
		}
		s.drain()
		s.acks(10)
		if c := s.c.counters; c.Retransmits != 0 || c.FastRecoveries != 0 {
			s.fatalf("%+v", c)
		}
	})
}

// TestRACKWindowFollowsDSACK: (N+1)·min_RTT/4 after N round trips with a DSACK, SRTT at most; back after
// 16 recoveries without one.
func TestRACKWindowFollowsDSACK(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 4)
		r := &s.c.rack
		s.c.counters.Retransmits = 100 // which the DSACKs are about
		s.acks(4)
		for n := 2; n <= 5; n++ {
			s.drain()
			una := int(s.c.sndUna - s.iss)
			for range 3 { // three in one round trip count once
				s.recv(". 1:1(0) ack " + itoa(una) + " <nop,nop,sack " + itoa(una-1000) + ":" + itoa(una) + ">")
			}
			if want := min(Duration(n)*s.c.rtt.minRTT()/4, s.c.rtt.srtt) + us; r.reoWnd(s.c) != want {
				s.fatalf("window %d us after %d round trips with DSACK, want %d", r.reoWnd(s.c)/us, n-1, want/us)
			}
			s.pass(ms)
			s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
		}
		for i := range reoWndPersistRounds {
			if r.reoWndMult == 1 {
				s.fatalf("narrowed after %d recoveries", i)
			}
			r.onExitRecovery()
		}
		if r.reoWndMult != 1 {
			s.fatalf("not narrowed after 16 recoveries")
		}
	})
}

func TestRACKHearsDSACKGigabytesLater(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.bulk(withSACK, 4)
	dsack := func() {
		una := int(s.c.sndUna - s.iss)
		s.recv(". 1:1(0) ack " + itoa(una) + " <nop,nop,sack " + itoa(una-100) + ":" + itoa(una) + ">")
	}
	s.c.counters.Retransmits = 100
	dsack()
	s.ackAll()
	s.skipSent(3 << 30)
	before := s.c.rack.reoWndMult
	dsack()
	if s.c.rack.reoWndMult != before+1 {
		t.Fatalf("multiplier %d after a DSACK of a new round trip, %d before", s.c.rack.reoWndMult, before)
	}
}

// TestRACKExample is figure 1 of RFC 8985: P1 to P3 are lost, then the retransmission of P1 as well.
func TestRACKExample(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		s.write(4000)
		s.sends("1", "0 1 2 3")
		s.pass(ms)
		s.acks(1)
		s.wantIdle("2")
		start := s.now
		s.waitTimer()
		if d := s.now.Sub(start); d > 5*ms {
			s.fatalf("loss probe after %d us", d/us)
		}
		s.sends("3: the loss probe", "3")
		s.pass(ms)
		s.acks(1, [2]int{3, 4})
		if s.c.counters.Lost != 2 {
			s.fatalf("5b: %d marked lost", s.c.counters.Lost)
		}
		s.sends("5c: one for the one delivered (RFC 6937)", "1")
		s.pass(ms)
		s.acks(2, [2]int{3, 4})
		s.sends("the other", "2")
		s.pass(ms)
		s.acks(4)
		if c := s.c.counters; c.Timeouts != 0 || c.Retransmits != 3 || s.c.rec.phase != recOpen {
			s.fatalf("%+v", c)
		}
		s.wait(Second)
	})
}

// TestRACKFindsLostRetransmission is event 7 of the figure: what was sent after the retransmission
// has arrived, the retransmission has not.
func TestRACKFindsLostRetransmission(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 10)
		s.acks(0, [2]int{1, 10})
		s.sends("the first is lost; one for each delivered", "0 10 11 12 13")
		s.pass(ms)
		s.acks(0, [2]int{1, 11}) // of what was sent after it
		if s.c.counters.Lost == 1 {
			s.drain()
			s.waitTimer()
		}
		if s.c.counters.Lost != 2 {
			s.fatalf("%d marked lost", s.c.counters.Lost)
		}
		segs := s.drain()
		if len(segs) == 0 || segs[0].Seq != s.c.sndUna {
			s.fatalf("not resent: %d segments", len(segs))
		}
		s.pass(ms)
		s.acks(14)
		if c := s.c.counters; c.Timeouts != 0 || c.FastRecoveries != 1 {
			s.fatalf("%+v", c)
		}
	})
}

// TestRetransmissionRestartsTheTimer: each transmission of the first segment has a whole RTO in which
// its loss can be found otherwise (RFC 6675 §6); one of a later segment says nothing of the first.
func TestRetransmissionRestartsTheTimer(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 10)
		s.pass(100 * ms) // of the 200 that there are
		s.acks(0, [2]int{1, 3}, [2]int{4, 10})
		if segs := s.drain(); len(segs) < 2 || s.c.counters.Retransmits != 2 {
			s.fatalf("%d segments, %d of them again", len(segs), s.c.counters.Retransmits)
		}
		first := s.c.rec.rtoAt
		if want := s.now.Add(s.c.rtt.rto()); first != want {
			s.fatalf("the timer expires %d ms too early", want.Sub(first)/ms)
		}
		s.pass(100 * ms)
		s.acks(0, [2]int{1, 10}) // the first retransmission is lost, the second arrived
		s.drain()
		if s.c.counters.Retransmits == 2 {
			s.waitTimer()
			s.drain()
		}
		if want := s.now.Add(s.c.rtt.rto()); s.c.counters.Retransmits == 2 || s.c.rec.rtoAt != want {
			s.fatalf("after %d retransmissions the timer expires %d ms too early", s.c.counters.Retransmits, want.Sub(s.c.rec.rtoAt)/ms)
		}
		if s.c.counters.Timeouts != 0 {
			s.fatalf("%d timeouts", s.c.counters.Timeouts)
		}
	})
}

// TestRACKFindsTheTail is example 1 of RFC 8985 §9.1: of P1 to P3 the first and the last are lost.
func TestRACKFindsTheTail(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin(withSACK)
		for i := range 3 {
			s.c.SetNoDelay(true)
			s.write(1000)
			s.sends("one by one", itoa(i))
			s.pass(400 * us)
			s.c.HandleTimeout(s.now)
		}
		s.acks(0, [2]int{1, 2})
		if s.c.Pending() && s.c.counters.Lost == 0 {
			s.drain()
			s.waitTimer()
		}
		s.sends("R1", "0")
		s.pass(ms)
		s.acks(2)
		if s.c.counters.Lost < 2 {
			s.drain()
			s.waitTimer()
		}
		s.sends("R3", "2")
		if s.c.counters.Timeouts != 0 {
			s.fatalf("a timeout was needed")
		}
	})
}

// TestRACKIgnoresSpuriousRetransmissions: the ACK of an original that arrives right after the segment
// was resent says nothing about the segments sent before the retransmission.
func TestRACKIgnoresSpuriousRetransmissions(t *testing.T) { // RFC 8985 §6.2 step 2
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		s.acks(0, [2]int{1, 4})
		s.drain() // 0 again, and perhaps new text
		xmit := s.c.rack.xmitTime
		s.pass(10 * us)
		s.acks(4) // the original: less than the least round trip after the retransmission
		if s.c.rack.xmitTime != xmit {
			s.fatalf("taken for the ACK of the retransmission")
		}
	})
}

func TestRACKOnACoarseClock(t *testing.T) { // bug class 3: whole flights have one time
	for _, tick := range []Duration{500 * us, ms, 15600 * us} {
		cfg := &Config{MTU: 1420, ClockGranularity: tick}
		p := newPair(t, 1, linkModel{delay: 20 * ms, jitter: 0}, cfg, cfg)
		p.tick = tick
		p.transfer(randomData(p.rng, 2000000), 600*Second)
		if c := p.a.c.counters; c.Retransmits > 0 || c.Timeouts > 0 {
			t.Errorf("tick %d us: %d retransmissions without a loss", tick/us, c.Retransmits)
		}
	}
}
