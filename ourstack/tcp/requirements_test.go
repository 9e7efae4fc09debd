package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

// Requirements of RFC 9293 that belong to no theme of another file.

// A RST in SYN-RECEIVED ends a passive open silently and tells the user of an active one.
func TestResetInSynReceived(t *testing.T) { // MUST-11
	run(t, Config{}, func(s *script) {
		s.synIn("mss 1000")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.recv("R 1:1(0)")
		s.wantIdle("back to LISTEN, which is not ours: nothing is sent")
		if e := s.c.TakeEvents(); s.c.State() != StateClosed || !s.c.Released() || e&EventConnected != 0 || !s.c.user.passive {
			s.fatalf("%v, events %b", s.c.State(), e)
		}
	})
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.recv("S 0:0(0) win 65535 <mss 1000>")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.recv("R 1:1(0)")
		if e := s.c.TakeEvents(); s.c.Err() != ErrRefused || e&EventClosed == 0 || s.c.user.passive {
			s.fatalf("%v, events %b: \"connection refused\" is for the user who opened", s.c.Err(), e)
		}
	})
}

// A new SYN in the window of a passive SYN-RECEIVED begins anew; a challenge answers it otherwise.
func TestSynInSynReceived(t *testing.T) { // MUST-11
	s := newScript(t, &Config{}, 5, 5)
	s.synIn("mss 1000")
	s.want("SYN-ACK", "S. 0:0(0) ack 1")
	s.wantDrop(s.recv("S 100:100(0) win 1000"), DropSYN)
	s.wantIdle("the next SYN finds the listener")
	s.wantState(StateClosed)

	s = newScript(t, &Config{}, 5, 5)
	s.c.OpenActive(s.now)
	s.want("SYN", "S 0:0(0)")
	s.recv("S 0:0(0) win 65535 <mss 1000>")
	s.want("SYN-ACK", "S. 0:0(0) ack 1")
	s.recv("S 100:100(0) win 1000")
	s.want("challenge", ". 1:1(0) ack 1")
	s.wantState(StateSynReceived)
}

// A window withdrawn to zero is probed for as long as the probes are answered, whatever R2; when it is
// back what was in flight is resent at once.
func TestWindowWithdrawnToZero(t *testing.T) { // MUST-35, SHLD-17, bug class 7
	run(t, Config{UserTimeout: 100 * Second}, func(s *script) {
		s.passive(withSACK)
		s.write(5000)
		if n := len(s.drain()); n != 5 {
			s.fatalf("%d segments", n)
		}
		s.recv(". 1:1(0) ack 1 win 0")
		s.drain()
		start := s.now
		last := Duration(0)
		for s.now.Sub(start) < 2*3600*Second {
			last = s.waitTimer()
			segs := s.drain()
			if len(segs) == 0 {
				continue // the loss probe that was due before the window closed
			}
			if len(segs) != 1 || segs[0].Seq != s.iss.Add(1) {
				s.fatalf("%d segments, want the first as a probe", len(segs))
			}
			s.recv(". 1:1(0) ack 1 win 0")
			s.wantIdle("closed")
		}
		if last < 30*Second || s.c.counters.FastRecoveries > 0 { // R2 bounds the back-off
			s.fatalf("probes every %d s", last/Second)
		}
		s.recv(". 1:1(0) ack 1 win 20000")
		s.want("at once, not at the backed-off timer", ". 1:1001(1000) ack 1")
		if d := s.c.Deadline().Sub(s.now); d > Second {
			s.fatalf("the next timer is %d s away", d/Second)
		}
		s.ackAll()
		s.wantState(StateEstablished)
	})
}

// TestPushOnTheLastSegment: text is cut into segments as large as possible, whatever the writes were, and
// the last of the queue is pushed.
func TestPushOnTheLastSegment(t *testing.T) { // MUST-61, SHLD-27, SHLD-28, MAY-15
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		for range 35 {
			s.write(100)
		}
		s.c.SetNoDelay(true)
		segs := s.drain()
		if len(segs) != 4 {
			s.fatalf("%d segments for 3500 octets", len(segs))
		}
		for i, seg := range segs {
			last := i == len(segs)-1
			if push := seg.Flags&wire.FlagPSH != 0; push != last || !last && len(seg.Payload) != 1000 {
				s.fatalf("segment %d: %d octets, PSH %v", i, len(seg.Payload), push)
			}
		}
	})
}

// TestReportsAreOnlyNoted: a user who does not ask for reports is not disturbed by them.
func TestReportsAreOnlyNoted(t *testing.T) { // SHLD-20
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.write(100)
		s.drain()
		s.unreachable(3, 1, 1)
		s.unreachable(11, 0, 1)
		s.urgent("P. 1:11(10) ack 1", 5)
		s.read(10)
		s.recv(". 11:11(0) ack 101")
		s.write(100)
		s.drain()
		s.wantState(StateEstablished)
	})
}
