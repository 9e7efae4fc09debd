package tcp

import (
	"errors"
	"testing"

	"vpngw/ourstack/wire"
)

// passiveRTT opens like passive, over a path with the given round trip.
func (s *script) passiveRTT(options string, rtt Duration) {
	s.t.Helper()
	s.synIn(options)
	s.want("SYN-ACK", "S. 0:0(0) ack 1")
	s.now = s.now.Add(rtt)
	s.tsval += uint32(rtt / ms)
	s.recv(". 1:1(0) ack 1")
	s.wantIdle("the handshake is complete")
	s.c.TakeEvents()
	s.c.ack.quick = 0
}

// pass lets time pass without looking at what timers make due.
func (s *script) pass(d Duration) {
	s.now = s.now.Add(d)
	s.tsval += uint32(d / ms)
}

func TestRTOFollowsTheFirstSample(t *testing.T) { // MUST-18, RFC 6298 §2.2, MUST-19
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 400*ms)
		s.write(100)
		s.want("text", "P. 1:101(100) ack 1")
		// SRTT 400, RTTVAR 200: RTO = 400 + 4*200.
		for i, want := range []Duration{1200, 2400, 4800, 9600, 19200, 38400, 76800, 120000, 120000} {
			if d := s.waitTimer(); d != want*ms {
				s.fatalf("retransmission %d after %d ms, want %d", i, d/ms, want)
			}
			s.want("the text again", "P. 1:101(100) ack 1")
			s.wantIdle("one segment")
		}
	})
}

func TestRTOHasAFloorAboveTheRoundTrip(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 20*ms)
		for range 30 { // RTTVAR goes to 0
			s.write(100)
			s.drain()
			s.pass(20 * ms)
			s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
		}
		s.write(100)
		s.drain()
		if d := s.waitTimer(); d < 220*ms || d > 225*ms {
			s.fatalf("RTO %d ms", d/ms)
		}
	})
}

func TestR2EndsTheConnection(t *testing.T) { // MUST-20, SHLD-11
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 100*ms)
		s.write(100)
		s.want("text", "P. 1:101(100) ack 1")
		start := s.now
		n := 0
		for s.c.State() == StateEstablished {
			s.waitTimer()
			n += len(s.drain())
		}
		if d := s.now.Sub(start); d != DefaultUserTimeout || d < 100*Second {
			s.fatalf("given up after %d s", d/Second)
		}
		if s.c.Err() != ErrTimeout || n < 10 || !s.c.Released() {
			s.fatalf("%v after %d segments, released %v", s.c.Err(), n, s.c.Released())
		}
		s.wantRead("the user hears", ErrTimeout)
	})
}

func TestUserSetsR2(t *testing.T) { // MUST-21
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 100*ms)
		s.c.SetUserTimeout(5 * Second)
		s.write(100)
		s.drain()
		start := s.now
		for s.c.State() == StateEstablished {
			s.waitTimer()
			s.drain()
		}
		if d := s.now.Sub(start); d != 5*Second {
			s.fatalf("given up after %d ms", d/ms)
		}
	})
	run(t, Config{}, func(s *script) { // while retransmissions are already far apart
		s.passiveRTT("mss 1000", 100*ms)
		s.write(100)
		s.drain()
		start := s.now
		for s.now.Sub(start) < 100*Second {
			s.waitTimer()
			s.drain()
		}
		s.c.SetUserTimeout(s.now.Sub(start) + 2*Second)
		d := s.waitTimer()
		s.drain()
		if s.c.State() != StateClosed || d != 2*Second {
			s.fatalf("%v after %d ms", s.c.State(), d/ms)
		}
	})
}

func TestUserHearsOfR1(t *testing.T) { // SHLD-9, SHLD-10, MUST-47
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 100*ms)
		s.write(100)
		s.drain()
		for i := 1; i <= 5; i++ {
			s.waitTimer()
			s.drain()
			told := s.c.TakeEvents()&EventSoftError != 0
			if told != (i == 3) {
				s.fatalf("retransmission %d: told %v", i, told)
			}
		}
		if s.c.SoftError() != ErrUnresponsive {
			s.fatalf("%v", s.c.SoftError())
		}
		for s.c.State() == StateEstablished {
			s.waitTimer()
			s.drain()
		}
		if s.c.Err() != ErrTimeout {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestSoftErrorExplainsATimeout(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 100*ms)
		s.write(100)
		s.drain()
		s.c.HandleICMP(s.now, ICMPError{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableHost, Seq: s.c.sndUna})
		for s.c.State() == StateEstablished {
			s.waitTimer()
			s.drain()
		}
		if !errors.Is(s.c.Err(), ErrHostUnreachable) {
			s.fatalf("%v", s.c.Err())
		}
	})
	run(t, Config{}, func(s *script) { // but not one from before the peer was heard of again
		s.passiveRTT("mss 1000", 100*ms)
		s.write(100)
		s.drain()
		s.c.HandleICMP(s.now, ICMPError{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableHost, Seq: s.c.sndUna})
		s.pass(Second)
		s.recv(". 1:1(0) ack 101")
		s.pass(Second)
		s.write(100)
		s.drain()
		for s.c.State() == StateEstablished {
			s.waitTimer()
			s.drain()
		}
		if !errors.Is(s.c.Err(), ErrTimeout) {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestKarn(t *testing.T) { // RFC 6298 §3, §5: a retransmitted segment gives no sample; the back-off stays
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 400*ms)
		s.write(100)
		s.drain()
		s.waitTimer()
		s.want("again", "P. 1:101(100) ack 1")
		s.pass(5 * ms)
		s.recv(". 1:1(0) ack 101")
		if s.c.rtt.srtt != 400*ms {
			s.fatalf("SRTT %d ms: an ambiguous sample was taken", s.c.rtt.srtt/ms)
		}
		s.write(100)
		s.drain()
		if d := s.waitTimer(); d != 2400*ms {
			s.fatalf("RTO %d ms: the back-off must last until a new sample", d/ms)
		}
		s.drain()
		s.recv(". 1:1(0) ack 201")
		s.write(100)
		s.drain()
		s.pass(400 * ms)
		s.recv(". 1:1(0) ack 301")
		s.write(100)
		s.drain()
		if d := s.waitTimer(); (d+us)/ms != 400+4*150 {
			s.fatalf("RTO %d ms after a sample", d/ms)
		}
	})
}

func TestTimerRestartsOnNewAcksOnly(t *testing.T) { // RFC 6298 §5.3, bug class 27
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.write(2500)
		if n := len(s.drain()); n != 2 {
			s.fatalf("%d segments, Nagle holds the third", n)
		}
		s.wait(150 * ms)
		s.recv(". 1:1(0) ack 1001")
		s.wantIdle("two segments outstanding would be too many for Nagle")
		rto := s.c.rtt.rto()
		for range 5 { // duplicates do not prolong the wait; without text in flight for them two do no harm
			s.wait(rto / 20)
			s.recv(". 1:1(0) ack 1001 win 60000")
			s.recv(". 1:1(0) ack 1001 win 60001")
		}
		s.drain()
		start := s.now
		s.waitTimer()
		if d := s.now.Sub(start) + 5*(rto/20); d != rto {
			s.fatalf("timeout after %d ms, RTO %d ms", d/ms, rto/ms)
		}
	})
}

func TestTimerDoesNotRestartOnSending(t *testing.T) { // RFC 6298 §5.1
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 400*ms)
		s.write(1000)
		s.drain()
		for range 3 {
			s.wait(300 * ms)
			s.write(1000)
			if len(s.drain()) != 1 {
				s.fatalf("not sent")
			}
		}
		if d := s.waitTimer(); d != 300*ms {
			s.fatalf("timeout %d ms after the last segment, want 1200 ms after the first", d/ms)
		}
		s.want("the first", ". 1:1001(1000) ack 1")
	})
}

func TestTimerStopsWhenAllIsAcked(t *testing.T) { // RFC 6298 §5.2
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 400*ms)
		s.write(500)
		s.drain()
		s.pass(400 * ms)
		s.recv(". 1:1(0) ack 501")
		s.wait(1000 * Second)
	})
}

// TestTimeoutResendsOneSegmentAndStartsSlowly is RFC 5681 §3.1 and RFC 6298 §5.4.
func TestTimeoutResendsOneSegmentAndStartsSlowly(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.write(20000)
		if n := len(s.drain()); n != 10 {
			s.fatalf("initial window of %d segments", n)
		}
		s.waitTimer()
		s.want("the earliest", ". 1:1001(1000) ack 1")
		s.wantIdle("cwnd is one segment")
		if s.c.win.cwnd != 1000 || s.c.win.ssthresh != 5000 {
			s.fatalf("cwnd %d ssthresh %d", s.c.win.cwnd, s.c.win.ssthresh)
		}
		s.recv(". 1:1(0) ack 1001")
		if n := len(s.drain()); n != 2 {
			s.fatalf("%d segments after the first ACK", n)
		}
	})
}

func TestLostSynMakesTheFirstTimeoutLong(t *testing.T) { // RFC 6298 §5.7, RFC 6928 §2
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.waitTimer()
		s.want("SYN", "S 0:0(0)")
		s.pass(10 * ms)
		s.recv("S. 0:0(0) ack 1 win 65535 <mss 1000>")
		s.want("ACK", ". 1:1(0) ack 1")
		s.write(5000)
		s.want("one segment", ". 1:1001(1000) ack 1")
		s.wantIdle("the initial window is one segment")
		if d := s.waitTimer(); d != 3*Second {
			s.fatalf("RTO %d ms", d/ms)
		}
	})
}

// TestTimeoutSparesRecentSegments is the example of RFC 8985 §3.5: segments sent just before a
// timeout are not taken for lost with the first one.
func TestTimeoutSparesRecentSegments(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000,sackOK", 100*ms)
		s.write(1000)
		s.drain()
		s.pass(100 * ms)
		s.recv(". 1:1(0) ack 1001")
		s.write(1000)
		s.want("first", "P. 1001:2001(1000) ack 1")
		s.waitTimer()
		s.want("loss probe", "P. 1001:2001(1000) ack 1")
		at := s.c.Deadline()
		s.now = at.Add(-10 * ms)
		s.write(2000)
		s.want("second", ". 2001:3001(1000) ack 1")
		s.want("third", "P. 3001:4001(1000) ack 1")
		s.waitTimer()
		s.want("timeout: the first", ". 1001:2001(1000) ack 1")
		s.wantIdle("only it")
		if s.c.sb.lostHead != noSegment || s.c.counters.Timeouts != 1 {
			s.fatalf("more than the first is taken for lost; %d timeouts", s.c.counters.Timeouts)
		}
		s.pass(20 * ms)
		s.recv(". 1:1(0) ack 4001")
		s.wantIdle("nothing else was resent")
	})
}

func TestAckInsideASegment(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000", 100*ms)
		s.write(1000)
		s.drain()
		s.recv(". 1:1(0) ack 301")
		s.waitTimer()
		s.want("the rest", "P. 301:1001(700) ack 1")
		s.recv(". 1:1(0) ack 1000")
		s.waitTimer()
		s.want("the last octet", "P. 1000:1001(1) ack 1")
	})
}

func TestFinIsWatchedByTheTimer(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000,sackOK", 100*ms)
		_ = s.c.CloseWrite(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		for range 5 {
			s.waitTimer()
			s.want("FIN again", "F. 1:1(0) ack 1")
			s.wantIdle("once")
		}
	})
}

// TestRoundTripIsTakenAtArrival: what a slow program does with an ACK later does not
// count (bug class 4).
func TestRoundTripIsTakenAtArrival(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passiveRTT("mss 1000,sackOK", 50*ms)
		for range 20 {
			s.write(1000)
			s.drain()
			arrived := s.now.Add(50 * ms)
			s.now = arrived.Add(30 * ms) // processed late
			seg := s.parse(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
			s.c.HandleSegment(arrived, &seg, 0)
			s.check()
		}
		if got := s.c.rtt.srtt; got != 50*ms {
			s.fatalf("SRTT %d us", got/us)
		}
	})
}

func TestZeroRoundTrip(t *testing.T) { // bug class 2: no time passes at all
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		for range 50 {
			s.write(10000)
			for _, seg := range s.drain() {
				_ = seg
			}
			s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
		}
		if !s.c.rtt.hasSample() || s.c.rtt.srtt > ms || s.c.rtt.rto() > 300*ms {
			s.fatalf("SRTT %d RTO %d ms", s.c.rtt.srtt, s.c.rtt.rto()/ms)
		}
	})
}
