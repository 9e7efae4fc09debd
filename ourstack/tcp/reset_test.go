package tcp

import "testing"

// RFC 5961: blind attacks. The window of the peer is irs+1 … irs+65536 here.

func TestResetOnlyAtRcvNxt(t *testing.T) {
	for _, tc := range []struct {
		name, seg string
		drop      DropReason
		challenge bool
		reset     bool
	}{
		{"left of the window", "R 0:0(0)", DropSequence, false, false},
		{"left edge", "R 1:1(0)", DropNone, false, true},
		{"inside", "R 2:2(0)", DropRST, true, false},
		{"right edge", "R 65535:65535(0)", DropRST, true, false},
		{"outside", "R 70000:70000(0)", DropSequence, false, false},
		{"with ACK at the left edge", "R. 1:1(0) ack 1", DropNone, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, Config{}, func(s *script) {
				s.passive("mss 1460")
				s.wantDrop(s.recv(tc.seg), tc.drop)
				if tc.challenge {
					s.want("challenge ACK", ". 1:1(0) ack 1")
				}
				s.wantIdle("no more")
				if got := s.c.State() == StateClosed; got != tc.reset {
					s.fatalf("reset %v", got)
				}
				if tc.reset && s.c.Err() != ErrReset {
					s.fatalf("%v", s.c.Err())
				}
			})
		})
	}
}

func TestResetWithZeroWindow(t *testing.T) { // MUST-66
	run(t, Config{RcvBufInit: 1000, RcvBufMax: 1000}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:1001(1000) ack 1")
		s.want("window closed", ". 1:1(0) ack 1001 win 0")
		s.recv("R 1001:1001(0)")
		s.wantState(StateClosed)
	})
}

func TestResetWithText(t *testing.T) { // SHLD-2
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv("R 1:20(19)")
		s.wantState(StateClosed)
		s.wantRead("the text of a RST is for people", ErrReset)
	})
}

func TestSynOnEstablishedIsChallenged(t *testing.T) {
	for _, seg := range []string{"S 0:0(0)", "S 1:1(0)", "S 1000:1000(0)", "S 100000:100000(0)", "S. 1:1(0) ack 1"} {
		run(t, Config{}, func(s *script) {
			s.passive("mss 1460")
			s.recv(seg)
			s.want("challenge ACK", ". 1:1(0) ack 1")
			s.wantState(StateEstablished)
		})
	}
}

func TestAckAcceptability(t *testing.T) { // RFC 5961 §5.2, MAY-12
	for _, tc := range []struct {
		ack  string
		drop DropReason
	}{
		{"1", DropNone},
		{"101", DropNone},
		{"102", DropACK},
		{"50", DropNone},
		{"2147483000", DropACK},
		{"4294900000", DropACK},  // far ahead; further behind than any window
		{"4294967290", DropNone}, // old, but within the largest window
	} {
		run(t, Config{}, func(s *script) {
			s.passive("mss 1460")
			s.write(100)
			s.want("text", "P. 1:101(100) ack 1")
			s.wantDrop(s.recv("P. 1:11(10) ack "+tc.ack), tc.drop)
			if tc.drop == DropACK {
				s.want("challenge ACK", ". 101:101(0) ack 1")
				s.wantRead("the text of it is not taken", nil)
			} else {
				s.read(10)
			}
		})
	}
}

func TestChallengeAcksAreLimited(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		sent := 0
		for range 1000 {
			s.recv("R 2:2(0)")
			for {
				if _, ok := s.poll(); !ok {
					break
				}
				sent++
			}
		}
		if sent > challengeBurst {
			s.fatalf("%d challenge ACKs at once", sent)
		}
		s.wait(Second)
		s.recv("R 2:2(0)")
		s.want("the budget recovers", ". 1:1(0) ack 1")
	})
}

func TestAcksOfTextAreNeverLimited(t *testing.T) { // bug class 29
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv("P. 1:101(100) ack 1")
		s.waitTimer()
		s.want("ACK", ". 1:1(0) ack 101")
		for range 100 {
			s.recv("P. 1:101(100) ack 1") // our ACK was lost each time
			s.want("ACK again", ". 1:1(0) ack 101")
		}
	})
}

func TestNoAckLoopWithDesynchronisedPeer(t *testing.T) { // bug class 28
	a := newScript(t, &Config{}, 1000, 5000)
	a.passive("mss 1460")
	b := newScript(t, &Config{}, 900000, 800000)
	b.passive("mss 1460")
	count := 0
	a.write(1)
	seg, ok := a.poll()
	for ok && count < 1000 {
		count++
		b.c.HandleSegment(b.now, &seg, 0)
		seg, ok = b.poll()
		if ok {
			a.c.HandleSegment(a.now, &seg, 0)
			seg, ok = a.poll()
		}
	}
	if count > 3*challengeBurst {
		t.Fatalf("%d segments between two ends that do not know each other", count)
	}
}

func TestSegmentWithoutAckIsDropped(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.passive("mss 1460")
	s.wantDrop(s.recv("P 1:11(10)"), DropNoACK)
	s.wantIdle("not even acknowledged")
}

// TestChallengeAfterYears: what challenge ACKs are earned in eight years of a clock does not fit 32 bits.
func TestChallengeAfterYears(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.now = Instant(8 * 365 * 24 * 3600 * Second)
	s.passive("")
	s.recv("S 1:1(0) win 1")
	s.want("a challenge", ". 1:1(0) ack 1")
}
