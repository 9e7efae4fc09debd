package tcp

import "testing"

func TestAckIsDelayed(t *testing.T) { // SHLD-18, MUST-40
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:101(100) ack 1")
		s.wantIdle("a small segment may be followed by another, or by an answer")
		if d := s.waitTimer(); d != delayedAckMax || d >= 500*ms {
			s.fatalf("delayed by %d ms", d/ms)
		}
		s.want("delayed ACK", ". 1:1(0) ack 101")
		s.wantIdle("once")
		s.wait(10 * Second)
	})
}

func TestAckEverySecondFullSegment(t *testing.T) { // SHLD-19
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,wscale 7")
		for i := 1; i < 40000; i += 2000 {
			s.recv(seqRangeText("", i, 1000) + " ack 1")
			s.wantIdle("the first of two")
			s.recv(seqRangeText("", i+1000, 1000) + " ack 1")
			s.want("the second", ". 1:1(0) ack "+itoa(i+2000))
			s.wantIdle("one ACK for both")
			s.read(2000)
			s.wait(ms)
		}
		s.wait(delayedAckMax)
		s.wantIdle("the timer was stopped by the last ACK")
	})
}

func TestAckEveryTwoSegmentsWorthOfSmallOnes(t *testing.T) { // SHLD-19: "or 2*RMSS bytes of new data"
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,wscale 7")
		for i := range 3 {
			s.recv(seqRangeText("P", 1+500*i, 500) + " ack 1")
			s.wantIdle("less than two full segments")
		}
		s.recv(seqRangeText("P", 1501, 500) + " ack 1")
		s.want("2000 octets", ". 1:1(0) ack 2001")
	})
}

func TestDelayIsNotProlongedByMoreText(t *testing.T) { // MUST-40
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:2(1) ack 1")
		start := s.now
		for i := 2; !s.c.Pending(); i++ {
			s.now = s.now.Add(5 * ms)
			s.c.HandleTimeout(s.now)
			if s.c.Pending() {
				break
			}
			s.recv(seqRangeText("P", i, 1) + " ack 1")
			if s.now.Sub(start) >= 500*ms {
				s.fatalf("ACK held back for half a second")
			}
		}
		s.poll()
		if s.now.Sub(start) > delayedAckMax {
			s.fatalf("after %d ms", s.now.Sub(start)/ms)
		}
	})
}

func TestBatchOfSegmentsGetsOneAck(t *testing.T) { // MUST-58, MUST-59
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,wscale 7")
		for i := range 50 {
			s.recv(seqRangeText("", 1+1000*i, 1000) + " ack 1")
		}
		s.want("one ACK for fifty segments", ". 1:1(0) ack 50001")
		s.wantIdle("one")
		s.recv(". 51001:52001(1000) ack 1")
		s.recv(". 53001:54001(1000) ack 1")
		s.recv(". 50001:51001(1000) ack 1")
		s.want("out of order or not", ". 1:1(0) ack 52001")
		s.wantIdle("one")
	})
}

func TestDisorderIsAckedAtOnce(t *testing.T) { // RFC 5681 §4.2, MAY-13, SHLD-31
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv(". 1001:2001(1000) ack 1")
		s.want("out of order", ". 1:1(0) ack 1")
		s.recv(". 3001:3002(1) ack 1")
		s.want("again", ". 1:1(0) ack 1")
		s.recv(". 1:501(500) ack 1")
		s.want("a part of the hole", ". 1:1(0) ack 501")
		s.recv(". 501:1001(500) ack 1")
		s.want("the rest of it, another remains", ". 1:1(0) ack 2001")
		s.recv(". 2001:3001(1000) ack 1")
		s.want("the last hole", ". 1:1(0) ack 3002")
		for i := range quickAcks {
			s.recv("P. " + itoa(3002+i) + ":" + itoa(3003+i) + "(1) ack 1")
			s.want("in order again, the peer has just repaired a loss", ". 1:1(0) ack "+itoa(3003+i))
		}
		s.recv("P. 3018:3019(1) ack 1")
		s.wantIdle("long in order: delayed")
		s.read(3018)
	})
}

func TestDuplicateIsAckedAtOnce(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:101(100) ack 1")
		s.waitTimer()
		s.want("delayed ACK", ". 1:1(0) ack 101")
		for _, seg := range []string{"P. 1:101(100) ack 1", "P. 51:101(50) ack 1", ". 100:101(1) ack 1", ". 0:1(1) ack 1"} {
			s.recv(seg)
			s.want("our ACK was lost, or it is a probe: "+seg, ". 1:1(0) ack 101")
		}
		s.recv("P. 51:151(100) ack 1")
		s.wantIdle("half of it is new")
		s.waitTimer()
		s.want("delayed", ". 1:1(0) ack 151")
	})
}

func TestFinIsAckedAtOnce(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.recv("F. 1:1(0) ack 1")
		s.want("FIN", ". 1:1(0) ack 2")
	})
}

func TestRepeatedFinBeforeHoleIsAcked(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv("F. 101:101(0) ack 1")
		s.want("FIN out of order", ". 1:1(0) ack 1")
		s.recv("F. 101:101(0) ack 1")
		s.want("the peer sends it again: it lacks an answer", ". 1:1(0) ack 1")
		s.recv(". 1:101(100) ack 1")
		s.want("all", ". 1:1(0) ack 102")
		s.wantState(StateCloseWait)
	})
}

func TestQuickAcksAtTheStart(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,wscale 7")
		s.c.ack.quick = quickAcks
		i := 1
		for range quickAcks {
			s.recv(seqRangeText("", i, 1000) + " ack 1")
			i += 1000
			s.want("slow start is not held back", ". 1:1(0) ack "+itoa(i))
		}
		s.recv(seqRangeText("", i, 1000) + " ack 1")
		s.wantIdle("then ACKs are delayed")
	})
}

// TestQuickAcksAfterEstablish looks that every way into ESTABLISHED grants them.
func TestQuickAcksAfterEstablish(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.synIn("mss 1000")
	s.want("SYN-ACK", "S. 0:0(0) ack 1")
	s.recv(". 1:1(0) ack 1")
	s.wantIdle("")
	s.recv("P. 1:2(1) ack 1")
	s.want("at once", ". 1:1(0) ack 2")
}

func TestTextCarriesTheAck(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.recv("P. 1:101(100) ack 1")
		s.write(50)
		s.want("the answer acknowledges the request", "P. 1:51(50) ack 101")
		s.recv(". 101:101(0) ack 51")
		s.wait(Second)
		s.wantIdle("no ACK besides")
	})
}

func TestTextDoesNotReplaceSACK(t *testing.T) { // RFC 2018 §4: SACK "SHOULD be included in all ACKs"
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.write(100)
		s.recv("P. 101:201(100) ack 1")
		s.want("the SACK first", ". 1:1(0) ack 1 <nop,nop,sack 101:201>")
		s.want("then text", "P. 1:101(100) ack 1")
		s.wantIdle("no more")
	})
}

func TestPureAcksAreNotAcked(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.write(10)
		s.want("text", "P. 1:11(10) ack 1")
		for _, seg := range []string{". 1:1(0) ack 11", ". 1:1(0) ack 11", ". 1:1(0) ack 1", ". 1:1(0) ack 11 win 9", ". 500:500(0) ack 11"} {
			s.recv(seg)
			s.wantIdle(seg)
		}
	})
}

func TestAckAfterHalfOfASmallBuffer(t *testing.T) {
	run(t, Config{RcvBufInit: 2000, RcvBufMax: 2000}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:1001(1000) ack 1")
		s.want("the peer has only as much again to send", ". 1:1(0) ack 1001")
	})
}
