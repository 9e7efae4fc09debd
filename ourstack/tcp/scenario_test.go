package tcp

import (
	"bytes"
	"io"
	"testing"

	"vpngw/ourstack/wire"
)

// Scenarios in which other stacks have failed, by their number in SCENARIOS.md, as far
// as they concern one connection and have no place in a file of their own theme.

// dropNth makes the link drop the first n segments that have all of the given flags, from either end.
func (p *pair) dropFirst(n int, flags wire.Flags, from *pairEnd) {
	p.fate = func(sender *pairEnd, b []byte) (int, Duration) {
		if sender == from && wire.Flags(b[13])&flags == flags && n > 0 {
			n--
			return 0, 0
		}
		return 1, 0
	}
}

// Bug class 38: a FIN, the ACK of a FIN, and the last ACK are lost, once or several times.
func TestLostPartsOfTheClose(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for name, arrange := range map[string]func(p *pair){
			"FIN of the first":  func(p *pair) { p.dropFirst(n, wire.FlagFIN, &p.a) },
			"FIN of the second": func(p *pair) { p.dropFirst(n, wire.FlagFIN, &p.b) },
			"ACK of a FIN": func(p *pair) {
				dropped := 0
				p.fate = func(from *pairEnd, b []byte) (int, Duration) {
					if from == &p.b && p.b.c.finIn && dropped < n {
						dropped++
						return 0, 0
					}
					return 1, 0
				}
			},
			"last ACK": func(p *pair) {
				dropped := 0
				p.fate = func(from *pairEnd, b []byte) (int, Duration) {
					if from == &p.a && p.a.c.State() == StateTimeWait && dropped < n {
						dropped++
						return 0, 0
					}
					return 1, 0
				}
			},
		} {
			p := newPair(t, 1, linkModel{delay: 10 * ms}, &Config{MTU: 1420}, &Config{MTU: 1420})
			arrange(p)
			p.transfer(make([]byte, 5000), 300*Second)
			if t.Failed() {
				t.Fatalf("%s lost %d times", name, n)
			}
		}
	}
}

// Bug class 26: both orders of a half close with text on its way in the other direction end both
// connections orderly.
func TestHalfCloseBothOrders(t *testing.T) {
	for _, first := range []string{"client", "server"} {
		p := newPair(t, 5, linkModel{delay: 10 * ms, loss: 0.05}, &Config{MTU: 1420}, &Config{MTU: 1420})
		p.establish()
		one, other := &p.a.c, &p.b.c
		if first == "server" {
			one, other = other, one
		}
		data := randomData(p.rng, 60000)
		if err := one.CloseWrite(p.now); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		sent, eof, theirs := 0, false, false
		buf := make([]byte, 10000)
		for i := 0; i < 20000 && (one.State() != StateTimeWait || other.State() != StateClosed); i++ {
			if sent < len(data) {
				n, err := other.Write(p.now, data[sent:])
				if err != nil {
					t.Fatal(err)
				}
				sent += n
			} else {
				_ = other.CloseWrite(p.now)
			}
			n, err := one.Read(p.now, buf)
			got.Write(buf[:n])
			eof = eof || err == io.EOF
			if _, err := other.Read(p.now, buf); err == io.EOF {
				theirs = true
			}
			p.step(p.now.Add(Second))
		}
		if !bytes.Equal(got.Bytes(), data) || !eof || !theirs {
			t.Fatalf("%s first: %d octets, EOF %v %v, %v %v", first, got.Len(), eof, theirs, one.State(), other.State())
		}
		if one.State() != StateTimeWait && one.State() != StateClosed || other.State() != StateClosed || one.Err() != nil || other.Err() != nil {
			t.Fatalf("%s first: %v %v", first, one.State(), other.State())
		}
	}
}

// establish runs until both ends are established.
func (p *pair) establish() {
	p.t.Helper()
	for i := 0; p.a.c.State() != StateEstablished || p.b.c.State() != StateEstablished; i++ {
		if i > 1000 {
			p.t.Fatalf("%v %v", p.a.c.State(), p.b.c.State())
		}
		p.step(p.now.Add(10 * Second))
	}
}

// Bug class 19: the client gives up at each step of the handshake. The server must not keep a
// half-open connection.
func TestDialIsCancelledAtEachStep(t *testing.T) {
	for step := range 8 {
		for _, abort := range []bool{false, true} {
			p := newPair(t, 1, linkModel{delay: 10 * ms}, &Config{MTU: 1420}, &Config{MTU: 1420})
			for range step {
				p.step(p.now.Add(10 * Second))
			}
			if abort {
				p.a.c.Abort(p.now)
			} else {
				p.a.c.Close(p.now)
			}
			for range 1000 {
				if p.b.c.finIn && !p.b.c.user.closed {
					p.b.c.Close(p.now)
				}
				p.step(p.now.Add(200 * Second))
			}
			if p.a.c.State() != StateClosed || p.b.c.State() != StateClosed {
				t.Errorf("step %d, abort %v: %v %v", step, abort, p.a.c.State(), p.b.c.State())
			}
		}
	}
}

// Bug class 37: the window is smaller than the segment at the head of the queue, and the update that
// opens it is lost.
func TestWindowSmallerThanTheHeadSegment(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.write(1000)
		s.drain()
		s.recv(". 1:1(0) ack 1 win 300") // the segment is on its way and will not fit
		for i := 0; s.c.sndUna != s.c.sndNxt; i++ {
			if i > 20 {
				s.fatalf("stuck")
			}
			s.waitTimer()
			for _, seg := range s.drain() {
				if n := int(seg.Seq-s.iss) + len(seg.Payload); len(seg.Payload) > 0 {
					s.recv(". 1:1(0) ack " + itoa(min(n, int(s.c.sndUna-s.iss)+300)) + " win 300")
				}
			}
		}
		s.write(1000) // unsent text behind a window that closes; its opening is lost
		s.recv(". 1:1(0) ack 1001 win 0")
		s.drain()
		for range 3 {
			s.waitTimer()
			s.want("probe", ". 1001:1002(1) ack 1")
		}
		s.recv(". 1:1(0) ack 1002 win 5000") // the answer to the probe tells
		if segs := s.drain(); len(segs) != 1 || len(segs[0].Payload) != 999 {
			s.fatalf("%+v", segs)
		}
	})
}

// Bug class 5: arithmetic of the congestion window over a week that is limited by the application and
// without a loss.
func TestCwndAfterAWeekWithoutLoss(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		s := newScript(t, &Config{CongestionControl: cc}, 0xFFFFF000, 1)
		s.passiveRTT("mss 1000,sackOK,wscale 7", 20*ms)
		last := s.c.win.cwnd
		for i := range 7 * 24 * 60 / 5 { // every five minutes
			s.write(3000)
			for s.c.sndUna != s.c.sndBuf.end {
				s.pump(20 * ms)
				s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
			}
			s.pump(300 * Second)
			if w := s.c.win.cwnd; w > 1<<20 || w < last/2 && w < 4000 {
				t.Fatalf("%s: cwnd %d after %d rounds, %d before", cc, w, i, last)
			}
			last = s.c.win.cwnd
		}
		if s.c.counters.Retransmits > 0 {
			t.Errorf("%s: %d retransmissions", cc, s.c.counters.Retransmits)
		}
	}
}

// Bug class 18: what TIME-WAIT, SYN-RECEIVED and SYN-SENT answer to wrong segments.
func TestAnswersToWrongSegments(t *testing.T) {
	for _, tc := range []struct{ state, seg, answer string }{
		{"SYN-RECEIVED", ". 1:1(0) ack 2", "R 2:2(0)"},
		{"SYN-RECEIVED", ". 1:1(0) ack 0", "R 0:0(0)"},
		{"SYN-RECEIVED", "R 5:5(0)", ". 1:1(0) ack 1"}, // a challenge, no reset
		{"SYN-SENT", ". 1:1(0) ack 7", "R 7:7(0)"},
		{"SYN-SENT", "S. 0:0(0) ack 0 win 5", "R 0:0(0)"},
		{"SYN-SENT", "R. 0:0(0) ack 7", ""},
		{"SYN-SENT", "F 0:0(0)", ""},
		{"TIME-WAIT", "F. 1:1(0) ack 2", ". 2:2(0) ack 2"},
		{"TIME-WAIT", "R 2:2(0)", ""},
		{"TIME-WAIT", ". 2:2(0) ack 2", ""},
		{"TIME-WAIT", "S 500:500(0) win 9", ". 2:2(0) ack 2"}, // what the stack above does not take for a new connection
		{"LAST-ACK", "F. 1:1(0) ack 1", ". 2:2(0) ack 2"},
		{"CLOSE-WAIT", "P. 1:2(1) ack 1", ". 1:1(0) ack 2"},
		{"FIN-WAIT-2", "R 1:1(0)", ""},
	} {
		s := newScript(t, &Config{}, 0xFFFFFFFF, 0xFFFFFFF0)
		stateOpeners[tc.state](s)
		s.recv(tc.seg)
		if tc.answer != "" {
			s.want(tc.state+" "+tc.seg, tc.answer)
		}
		s.wantIdle(tc.state + " " + tc.seg)
	}
}
