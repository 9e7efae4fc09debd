package tcp

import "testing"

// timedOut opens a connection with the given options, sends n full segments and lets the
// retransmission timer expire: the head goes out again and nothing else.
func (s *script) timedOut(options string, n int) {
	s.t.Helper()
	s.passive(options)
	s.sampleRTT()
	s.write(1000 * n)
	for i := range n {
		s.wantText("segment", 101+1000*i)
	}
	s.untilTimeout()
	s.wantText("the timeout resends the head", 101)
	s.wantIdle("one segment is the loss window")
}

// sampleRTT sends 100 octets and acknowledges them after 1 ms: below pacingMinRTT.
func (s *script) sampleRTT() {
	s.t.Helper()
	s.c.SetNoDelay(true)
	s.write(100)
	s.want("text", "P. 1:101(100)")
	s.wait(1 * ms)
	s.recv(". 1:1(0) ack 101")
	s.wantIdle("everything is acknowledged")
}

// untilTimeout drops what is sent until the retransmission timer has expired.
func (s *script) untilTimeout() {
	s.t.Helper()
	for before := s.c.counters.Timeouts; s.c.counters.Timeouts == before; {
		s.waitTimer()
		if s.c.counters.Timeouts == before {
			s.drain() // a tail loss probe
		}
	}
}

// wantText expects the 1000 octets from seq on, pushed or not.
func (s *script) wantText(why string, seq int) {
	s.t.Helper()
	seg, ok := s.poll()
	if got := int(s.iss.Size(seg.Seq)); !ok || got != seq || len(seg.Payload) != 1000 {
		s.fatalf("%s: want %d:%d, got %d:%d", why, seq, seq+1000, got, got+len(seg.Payload))
	}
}

const withSACK = "mss 1000,sackOK"

// The originals arrive late: RFC 5682 §3.1 (3b).
func TestFRTOFindsSpuriousTimeout(t *testing.T) {
	for _, options := range []string{withSACK, "mss 1000"} {
		t.Run(options, func(t *testing.T) {
			run(t, Config{}, func(s *script) {
				s.timedOut(options, 6)
				cwnd := s.c.cc.(*newReno).undo.cwnd
				s.write(10000)
				s.recv(". 1:1(0) ack 1101")
				// Step 2b: new text, no retransmission of 1101.
				first := s.c.sndNxt
				segs := s.drain()
				if len(segs) != 2 || segs[0].Seq != first {
					s.fatalf("step 2b sent %d segments", len(segs))
				}
				s.recv(". 1:1(0) ack 2101")
				if s.c.counters.SpuriousTimeouts != 1 || s.c.rec.phase != recOpen || s.c.win.cwnd < cwnd {
					s.fatalf("not found spurious: phase %d, cwnd %d of %d", s.c.rec.phase, s.c.win.cwnd, cwnd)
				}
				for _, seg := range s.drain() {
					if seg.Seq.Less(first) {
						s.fatalf("resends %d", seg.Seq)
					}
				}
			})
		})
	}
}

// After a real loss step 3 sees the two new segments arrive above the hole: (3a).
func TestFRTORevertsAfterRealLoss(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.timedOut(withSACK, 6)
		s.write(5000)
		s.recv(". 1:1(0) ack 1101")
		s.wantText("new", 6101)
		s.wantText("new", 7101)
		s.wantIdle("the rest waits for the verdict")
		s.recv(". 1:1(0) ack 1101 <sack 6101:7101>")
		s.wantText("the loss was real", 1101)
		if s.c.counters.SpuriousTimeouts != 0 || s.c.rec.frto.step != frtoOff {
			s.fatalf("step %d", s.c.rec.frto.step)
		}
	})
}

// Without SACK a duplicate ACK says the same: §2.1 (2a), (3a).
func TestFRTOWithoutSACKRevertsOnDuplicates(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.timedOut("mss 1000", 6)
		s.write(5000)
		s.recv(". 1:1(0) ack 101") // (2a)
		s.recv(". 1:1(0) ack 1101")
		s.wantText("conventional recovery", 1101)
	})
	run(t, Config{}, func(s *script) {
		s.timedOut("mss 1000", 6)
		s.write(5000)
		s.recv(". 1:1(0) ack 1101")
		s.wantText("new", 6101)
		s.wantText("new", 7101)
		s.recv(". 1:1(0) ack 1101") // (3a)
		s.wantText("conventional recovery", 1101)
	})
}

// "If the Cumulative Acknowledgment field covers RecoveryPoint but not more": (2a). One ACK of
// everything does not tell which transmission of the head arrived.
func TestFRTOAckOfEverythingIsNoProof(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.timedOut(withSACK, 3)
		s.write(5000)
		s.recv(". 1:1(0) ack 3101")
		if s.c.counters.SpuriousTimeouts != 0 || s.c.rec.phase != recOpen {
			s.fatalf("phase %d, %d spurious", s.c.rec.phase, s.c.counters.SpuriousTimeouts)
		}
		s.wantText("new", 3101)
	})
}

// An original that is selectively acknowledged after the timeout shows that it came too
// early; if the head is lost it is repaired by fast recovery.
func TestFRTOTakesASackedOriginalAsProof(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.timedOut(withSACK, 6)
		s.write(5000)
		s.recv(". 1:1(0) ack 101 <sack 6101:6101>")
		s.wantIdle("only the head may be resent in step 2")
		s.recv(". 1:1(0) ack 101 <sack 5101:6101>") // the tail loss probe: perhaps the resent one
		s.wantIdle("only the head may be resent in step 2")
		s.recv(". 1:1(0) ack 101 <sack 3101:4101 5101:6101>")
		if s.c.counters.SpuriousTimeouts != 1 {
			s.fatalf("not found spurious")
		}
	})
}

// Without new text, or without room for it in the peer's window, recovery is the conventional one.
func TestFRTONeedsNewText(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.timedOut(withSACK, 4)
		s.recv(". 1:1(0) ack 1101")
		s.wantText("nothing new to send", 1101)
	})
	run(t, Config{}, func(s *script) {
		s.timedOut(withSACK, 4)
		s.write(5000)
		s.recv(". 1:1(0) ack 1101 win 3000")
		s.wantText("the window is full", 1101)
	})
}

// The timer expires again for the same segment: step 1 anew (§3.2). A timeout in a recovery
// that goes on is not examined.
func TestFRTORepeatedTimeout(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.timedOut(withSACK, 4)
		s.untilTimeout()
		s.wantText("again", 101)
		s.write(5000)
		s.recv(". 1:1(0) ack 1101")
		s.wantText("new", 4101)
		s.wantText("new", 5101)
		s.untilTimeout() // both lost
		s.wantText("conventional", 1101)
		if s.c.rec.frto.step != frtoOff {
			s.fatalf("F-RTO in a recovery that goes on")
		}
	})
	run(t, Config{}, func(s *script) {
		s.passive(withSACK)
		s.sampleRTT()
		s.write(5000)
		s.drain()
		s.recv(". 1:1(0) ack 101 <sack 1101:4101>")
		s.wantText("fast retransmit", 101)
		s.drain()
		s.untilTimeout()
		if s.c.rec.frto.step != frtoOff {
			s.fatalf("F-RTO after a fast recovery")
		}
	})
}
