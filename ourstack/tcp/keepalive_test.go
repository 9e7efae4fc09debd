package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

var quickKeepAlive = KeepAliveConfig{Enabled: true, Idle: 60 * Second, Interval: 10 * Second, Count: 3}

func TestKeepAliveIsOffByDefault(t *testing.T) { // MUST-25, MAY-5
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.wait(30 * 24 * 3600 * Second)
		if s.c.Deadline() != 0 {
			s.fatalf("an idle connection waits for something")
		}
	})
}

func TestKeepAliveDefaults(t *testing.T) { // SHLD-12, MUST-28: "no less than two hours"
	run(t, Config{KeepAlive: KeepAliveConfig{Enabled: true}}, func(s *script) {
		s.passive("mss 1000")
		if d := s.waitTimer(); d != 7200*Second {
			s.fatalf("first probe after %d s", d/Second)
		}
		s.want("probe: no text, SND.NXT-1 (SHLD-12)", ". 0:0(0) ack 1")
		s.wantIdle("one")
		for i := range 8 {
			if d := s.waitTimer(); d != 75*Second {
				s.fatalf("probe %d after %d s", i+2, d/Second)
			}
			s.want("probe", ". 0:0(0) ack 1") // one lost probe is no death: MUST-29
		}
		s.waitTimer()
		s.want("reset", "R. 1:1(0) ack 1")
		if s.c.State() != StateClosed || s.c.Err() != ErrTimeout {
			s.fatalf("%v %v", s.c.State(), s.c.Err())
		}
	})
}

func TestAnsweredKeepAliveGoesOn(t *testing.T) {
	run(t, Config{KeepAlive: quickKeepAlive}, func(s *script) {
		s.passive("mss 1000")
		for range 10 {
			if d := s.waitTimer(); d != 60*Second {
				s.fatalf("probe after %d s", d/Second)
			}
			s.want("probe", ". 0:0(0) ack 1")
			if d := s.waitTimer(); d != 10*Second {
				s.fatalf("second probe after %d s", d/Second)
			}
			s.want("probe", ". 0:0(0) ack 1")
			s.recv(". 1:1(0) ack 1")
			s.wantIdle("the answer needs none")
		}
	})
}

func TestKeepAliveOnlyWhenIdle(t *testing.T) { // MUST-26
	run(t, Config{KeepAlive: quickKeepAlive}, func(s *script) {
		s.passive("mss 1000")
		for range 20 { // text from the peer
			s.wait(50 * Second)
			s.recv("P. " + itoa(int(s.c.rcvNxt-s.irs)) + ":" + itoa(int(s.c.rcvNxt-s.irs)+1) + "(1) ack 1")
			s.waitTimer()
			if seg := s.drain(); len(seg) != 1 || seg[0].Seq-s.iss != 1 {
				s.fatalf("%+v", seg)
			}
		}
		s.write(10) // text of ours, unacknowledged: the retransmission timer watches
		s.want("text", "P. 1:11(10) ack 21")
		for range 8 {
			s.waitTimer()
			for _, seg := range s.drain() {
				if len(seg.Payload) == 0 {
					s.fatalf("a keep-alive while text is outstanding")
				}
			}
		}
		if s.c.counters.KeepAlives != 0 {
			s.fatalf("%d keep-alives", s.c.counters.KeepAlives)
		}
	})
}

func TestKeepAliveWithClosedWindow(t *testing.T) { // MUST-26: window probes do the work
	run(t, Config{KeepAlive: quickKeepAlive}, func(s *script) {
		s.passive("mss 1000")
		s.recv(". 1:1(0) ack 1 win 0")
		s.write(10)
		for range 30 {
			s.waitTimer()
			s.drain()
			s.recv(". 1:1(0) ack 1 win 0")
		}
		if s.c.counters.KeepAlives != 0 || s.c.State() != StateEstablished {
			s.fatalf("%d keep-alives, %v", s.c.counters.KeepAlives, s.c.State())
		}
	})
}

func TestKeepAliveIsSwitched(t *testing.T) { // MUST-24, MUST-27
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.c.SetKeepAlive(s.now, quickKeepAlive)
		if d := s.waitTimer(); d != 60*Second {
			s.fatalf("%d s", d/Second)
		}
		s.want("probe", ". 0:0(0) ack 1")
		s.c.SetKeepAlive(s.now, KeepAliveConfig{Enabled: true, Idle: 5 * Second, Interval: Second, Count: 1})
		if d := s.waitTimer(); d != 5*Second {
			s.fatalf("%d s", d/Second)
		}
		s.want("probe", ". 0:0(0) ack 1")
		s.c.SetKeepAlive(s.now, KeepAliveConfig{})
		s.wait(1000 * Second)
	})
}

func TestKeepAliveEndsHalfOpenConnection(t *testing.T) { // bug class 24
	run(t, Config{KeepAlive: quickKeepAlive}, func(s *script) {
		s.passive("mss 1000")
		s.waitTimer()
		s.want("probe", ". 0:0(0) ack 1")
		s.recv("R 1:1(0)") // the peer has rebooted
		if s.c.State() != StateClosed || s.c.Err() != ErrReset {
			s.fatalf("%v %v", s.c.State(), s.c.Err())
		}
	})
}

func TestKeepAliveOfEachState(t *testing.T) {
	for _, name := range []string{"ESTABLISHED", "FIN-WAIT-2", "CLOSE-WAIT"} {
		s := newScript(t, &Config{KeepAlive: quickKeepAlive}, 1, 1)
		stateOpeners[name](s)
		s.waitTimer()
		if segs := s.drain(); len(segs) != 1 || segs[0].Seq != s.c.sndNxt-1 || len(segs[0].Payload) != 0 {
			t.Errorf("%s: %+v", name, segs)
		}
	}
	s := newScript(t, &Config{KeepAlive: quickKeepAlive}, 1, 1)
	stateOpeners["TIME-WAIT"](s)
	s.wait(59 * Second)
}

func TestPeersKeepAliveIsAnswered(t *testing.T) { // also one with a garbage octet: MAY-6
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:11(10) ack 1")
		s.waitTimer()
		s.drain()
		for i := range 100 {
			s.pass(60 * Second)
			s.c.HandleTimeout(s.now)
			if i%2 == 0 {
				s.recv(". 10:10(0) ack 1")
			} else {
				s.recv(". 10:11(1) ack 1")
			}
			s.want("answer", ". 1:1(0) ack 11")
			s.wantIdle("one")
		}
		s.read(10)
		s.wantRead("the octet is not text", nil)
	})
}

// TestKeepAlivePeerWithTimestamps: the probe is an old segment to the peer and ours to it alike,
// and still carries what PAWS asks for.
func TestKeepAliveCarriesTimestamps(t *testing.T) {
	run(t, Config{KeepAlive: quickKeepAlive}, func(s *script) {
		s.passive(withTS)
		s.waitTimer()
		seg := s.want("probe", ". 0:0(0) ack 1")
		if !seg.Opts.HasTimestamps || seg.Flags&wire.FlagACK == 0 {
			s.fatalf("%+v", seg)
		}
	})
}
