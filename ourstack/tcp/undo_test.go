package tcp

import "testing"

// Spurious retransmissions. See recovery_test.go for the counting in segments.

const withAll = "mss 1012,sackOK,TS val 100 ecr 0" // 1000 octets a segment

func TestDSACKForEverythingUndoesRecovery(t *testing.T) { // RFC 3708 §3
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 10)
		cwnd, ssthresh := s.c.win.cwnd, s.c.win.ssthresh
		s.acks(0, [2]int{1, 10})
		s.drain()
		if s.c.win.cwnd >= cwnd {
			s.fatalf("cwnd %d", s.c.win.cwnd)
		}
		s.pass(ms)
		nxt := (int(s.c.sndNxt-s.iss) - 101) / 1000
		s.acks(nxt) // the original came after all
		s.recv(". 1:1(0) ack " + itoa(101+1000*nxt) + " <nop,nop,sack 101:1101>")
		if s.c.counters.Undos != 1 || s.c.win.cwnd < cwnd || s.c.win.ssthresh < ssthresh {
			s.fatalf("cwnd %d of %d, ssthresh %d", s.c.win.cwnd, cwnd, s.c.win.ssthresh)
		}
	})
}

func TestDSACKForAPartUndoesNothing(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 10)
		s.acks(0, [2]int{2, 10}) // 0 and 1 are missing
		for s.c.counters.Retransmits < 2 {
			s.drain()
			s.acks(0, [2]int{2, (int(s.c.sndNxt-s.iss) - 101) / 1000})
		}
		nxt := (int(s.c.sndNxt-s.iss) - 101) / 1000
		s.pass(ms)
		s.acks(nxt)
		s.recv(". 1:1(0) ack " + itoa(101+1000*nxt) + " <nop,nop,sack 101:1101>") // 1 was really lost
		if s.c.counters.Undos != 0 {
			s.fatalf("undone")
		}
		s.recv(". 1:1(0) ack " + itoa(101+1000*nxt) + " <nop,nop,sack 1:101>") // a network duplicate of older text
		if s.c.counters.Undos != 0 {
			s.fatalf("undone by a duplicate from before the episode")
		}
	})
}

func TestEifel(t *testing.T) { // RFC 3522 §3.2, RFC 4015
	run(t, Config{}, func(s *script) {
		s.bulk(withAll, 10)
		cwnd := s.c.win.cwnd
		first := s.tsecr // on the originals
		s.pass(10 * ms)
		s.acks(0, [2]int{1, 4})
		s.drain()
		if s.c.rec.phase != recFast {
			s.fatalf("no recovery")
		}
		s.pass(5 * ms)
		s.tsecr = first // the ACK of the original of segment 0
		s.acks(4)
		if s.c.counters.Undos != 1 || s.c.rec.phase != recOpen || s.c.win.cwnd < cwnd {
			s.fatalf("%d undos, phase %d, cwnd %d of %d", s.c.counters.Undos, s.c.rec.phase, s.c.win.cwnd, cwnd)
		}
	})
}

func TestEifelNeedsTheEchoOfAnOriginal(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withAll, 10)
		s.pass(10 * ms)
		s.acks(0, [2]int{1, 4})
		s.drain() // tsecr is now that of the retransmission
		s.pass(5 * ms)
		s.acks(4)
		if s.c.counters.Undos != 0 {
			s.fatalf("a real loss was undone")
		}
	})
}

func TestEifelAfterATimeout(t *testing.T) { // RFC 4015 §3.2: also the RTO adapts
	run(t, Config{}, func(s *script) {
		s.begin(withAll)
		s.write(4000)
		s.drain()
		first := s.tsecr
		cwnd := s.c.win.cwnd
		s.untilTimeout()
		s.drain()
		if s.c.win.cwnd != 1000 {
			s.fatalf("cwnd %d after a timeout", s.c.win.cwnd)
		}
		s.pass(5 * ms)
		s.tsecr = first
		s.recv(". 1:1(0) ack 1101")
		if s.c.counters.Undos != 1 || s.c.win.cwnd < cwnd || s.c.sb.lostHead != noSegment {
			s.fatalf("%d undos, cwnd %d of %d", s.c.counters.Undos, s.c.win.cwnd, cwnd)
		}
		s.wantIdle("nothing is resent")
		s.acks(4)
		s.write(1000)
		s.drain()
		s.pass(100 * ms)
		s.acks(5)
		if s.c.rtt.backoffs != 0 || s.c.rtt.rto() < 150*ms {
			s.fatalf("back-off %d, RTO %d ms", s.c.rtt.backoffs, s.c.rtt.rto()/ms)
		}
	})
}

func TestECNEchoForbidsUndo(t *testing.T) { // RFC 4015 §3.4
	run(t, Config{ECN: true}, func(s *script) {
		s.peerTS = true
		s.recvSYN("SEW 0:0(0) win 65535 <" + withAll + ">")
		s.drain()
		s.recv(". 1:1(0) ack 1")
		s.c.ack.quick = 0
		s.write(10000)
		s.drain()
		first := s.tsecr
		s.pass(10 * ms)
		s.recv(". 1:1(0) ack 1 <sack 1001:4001>")
		s.drain()
		if s.c.rec.phase != recFast {
			s.fatalf("no recovery")
		}
		s.pass(5 * ms)
		s.tsecr = first
		s.recv(".E 1:1(0) ack 4001")
		if s.c.counters.Undos != 0 {
			s.fatalf("undone though the path is congested")
		}
	})
}

func TestUndoneFlightIsStillWatched(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withAll, 10)
		first := s.tsecr
		s.pass(10 * ms)
		s.acks(0, [2]int{3, 6}) // 0, 1 and 2 are taken for lost
		s.drain()
		s.pass(5 * ms)
		s.tsecr = first
		s.acks(1)
		if s.c.counters.Undos != 1 {
			s.fatalf("%d undos", s.c.counters.Undos)
		}
		for i := 0; s.c.sndUna == s.iss.Add(1101); i++ { // 1 was lost after all
			if i > 50 {
				s.fatalf("never resent")
			}
			if !s.c.Pending() {
				s.waitTimer()
			}
			for _, seg := range s.drain() {
				if seg.Seq == s.iss.Add(1101) {
					s.tsecr = seg.Opts.TSVal
					s.acks(2)
				}
			}
		}
	})
}
