package tcp

import (
	"fmt"
	"strings"
	"testing"
)

// Scenarios about windows in which other stacks have failed.

// Bug class 7: with ten segments in flight the right edge retreats by one of them, two, … all. Nothing new
// leaves beyond it and nothing old but a single probe; the peer has thrown away what did not fit, and all of
// it arrives in the time of one timeout after the window is back.
func TestWindowRetreatsBySteps(t *testing.T) {
	for retreat := 1; retreat <= 10; retreat++ {
		for _, options := range []string{"mss 1000", "mss 1000,sackOK"} {
			run(t, Config{}, func(s *script) {
				s.passive(options)
				s.write(12000)
				if n := len(s.drain()); n != 10 {
					s.fatalf("%d segments", n)
				}
				wnd := (10 - retreat) * 1000
				s.recv(". 1:1(0) ack 1 win " + itoa(wnd))
				begin := s.now
				for _, seg := range s.pump(150 * ms) {
					if end := int(seg.Seq-s.iss) + len(seg.Payload) - 1; len(seg.Payload) > 0 && end > max(wnd, 1000) {
						s.fatalf("octet %d leaves, the window ends at %d", end, wnd)
					}
				}
				s.recv(". 1:1(0) ack " + itoa(wnd+1) + " win 0") // what fitted is taken
				s.drain()
				s.recv(". 1:1(0) ack " + itoa(wnd+1) + " win 60000")
				s.takeAll(wnd+1, 12000, strings.Contains(options, "sack"))
				if d := s.now.Sub(begin); d > 500*ms {
					s.fatalf("everything took %d ms", d/ms)
				}
			})
		}
	}
}

// takeAll is a peer that has everything before octet next, takes what comes up to octet last, in any order,
// and acknowledges each segment.
func (s *script) takeAll(next, last int, sack bool) {
	s.t.Helper()
	held := map[int]int{} // out of order: first octet, end
	for next <= last {
		segs := s.drain()
		if len(segs) == 0 {
			s.waitTimer()
		}
		for _, seg := range segs {
			first := int(seg.Seq - s.iss)
			held[first] = max(held[first], first+len(seg.Payload))
			for again := true; again; {
				again = false
				for first, end := range held {
					if first <= next {
						next, again = max(next, end), true
						delete(held, first)
					}
				}
			}
			option := ""
			if end, ok := held[first]; ok && sack {
				option = fmt.Sprintf(" <nop,nop,sack %d:%d>", first, end)
			}
			s.recv(fmt.Sprintf(". 1:1(0) ack %d win 60000%s", next, option))
		}
	}
}

// Bug class 31: a congestion window that is full delays neither a fast retransmission nor a probe of a
// closed window.
func TestRepairsAndProbesIgnoreCwnd(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.write(10000)
		s.drain()
		s.c.win.cwnd = 1000 // far below what is in flight
		s.recv(". 1:1(0) ack 1 <nop,nop,sack 1001:4001>")
		s.pump(50 * ms)
		if !strings.Contains(strings.Join(s.log, "\n"), "> . 1:1001(1000)") || s.c.counters.Retransmits == 0 {
			s.fatalf("the lost segment is not resent")
		}
	})
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.write(1000)
		s.drain()
		s.recv(". 1:1(0) ack 1001 win 0")
		s.write(1000)
		s.c.win.cwnd = s.c.win.smss
		for range 3 {
			s.waitTimer()
			if segs := s.drain(); len(segs) != 1 || len(segs[0].Payload) == 0 {
				s.fatalf("no probe: %d segments", len(segs))
			}
			s.recv(". 1:1(0) ack 1001 win 0")
		}
	})
}
