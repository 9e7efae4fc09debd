package tcp

import (
	"fmt"
	"strings"
	"testing"
)

// The scripts of this file and of rack_test.go, tlp_test.go and undo_test.go count in segments of 1000
// octets: segment i is the octets from 101+1000·i on. The round trip is 1 ms, below what is paced.

// bulk opens, takes one RTT sample and sends a window of n segments of a long write.
func (s *script) bulk(options string, n int) {
	s.t.Helper()
	s.begin(options)
	s.c.win.cwnd = uint32(n * 1000)
	s.c.win.ssthresh = s.c.win.cwnd // in congestion avoidance: slow start reduces otherwise
	s.write(50000)
	s.sends("the window", counting(0, n))
	s.pass(ms)
}

// begin opens, with a round trip of 1 ms measured, and sends and acknowledges 100 octets.
func (s *script) begin(options string) {
	s.t.Helper()
	s.passive(options)
	s.sampleRTT()
	s.c.SetNoDelay(false)
	s.c.rtt.init(us) // the handshake of passive took no time
	s.c.rtt.onEstablished()
	s.c.rtt.onSample(s.now, ms)
}

// counting is "first first+1 …", n numbers.
func counting(first, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d ", first+i)
	}
	return strings.TrimSpace(b.String())
}

// sends expects exactly the given segments to be sent now, by their numbers.
func (s *script) sends(why, want string) {
	s.t.Helper()
	var got []string
	for _, seg := range s.drain() {
		n := int(s.iss.Size(seg.Seq)) - 101
		if n%1000 != 0 || len(seg.Payload) != 1000 {
			s.fatalf("%s: %d octets at %d", why, len(seg.Payload), n+101)
		}
		got = append(got, itoa(n/1000))
	}
	if g := strings.Join(got, " "); g != want {
		s.fatalf("%s: sent [%s], want [%s]", why, g, want)
	}
}

// acks gives an ACK of everything before segment ack, with SACK blocks of segments [from, to).
func (s *script) acks(ack int, blocks ...[2]int) {
	s.t.Helper()
	text := ". 1:1(0) ack " + itoa(101+1000*ack)
	if len(blocks) > 0 {
		text += " <nop,nop,sack"
		for _, b := range blocks {
			text += " " + itoa(101+1000*b[0]) + ":" + itoa(101+1000*b[1])
		}
		text += ">"
	}
	s.recv(text)
}

// TestFastRetransmit is RFC 5681 §3.2 with limited transmit (RFC 3042) and without SACK.
func TestFastRetransmit(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk("mss 1000", 10)
		s.acks(0)
		s.sends("limited transmit", "10")
		s.acks(0)
		s.sends("limited transmit", "11")
		s.acks(0)
		s.sends("the third duplicate resends the first", "0")
		if s.c.rec.phase != recFast || s.c.win.ssthresh != 5000 {
			s.fatalf("phase %d, ssthresh %d", s.c.rec.phase, s.c.win.ssthresh)
		}
		new := 12
		for range 8 { // the other segments that arrived: 4 to 9, 10, 11
			s.acks(0)
			for _, seg := range s.drain() {
				if seg.Seq != s.iss.Add(101).Add(1000*12) && len(seg.Payload) != 1000 {
					s.fatalf("%+v", seg)
				}
				new++
			}
		}
		if new < 14 || new > 17 {
			s.fatalf("%d new segments for 8 duplicates while the window is halved", new-12)
		}
		s.acks(12)
		if s.c.rec.phase != recOpen || s.c.win.cwnd > 5000 {
			s.fatalf("phase %d, cwnd %d after recovery", s.c.rec.phase, s.c.win.cwnd)
		}
		if c := s.c.counters; c.Retransmits != 1 || c.FastRecoveries != 1 || c.Timeouts != 0 {
			s.fatalf("%+v", c)
		}
	})
}

// TestPartialAcks is RFC 6582 §3.2 step 5: several losses in one window, one per round trip.
func TestPartialAcks(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.begin("mss 1000")
		s.write(8000) // and nothing else, so that every sent segment is a retransmission
		s.sends("the window", counting(0, 8))
		for range 3 {
			s.acks(0)
		}
		s.sends("the first", "0")
		s.acks(0)
		s.acks(0)
		s.sends("more duplicates", "")
		s.acks(2)
		s.sends("partial ACK: the next hole at once", "2")
		if n := s.c.inFlight(); n != 2000 { // 2 again, and 5; 3, 4, 6 and 7 were announced
			s.fatalf("%d octets in flight", n)
		}
		if s.c.rec.phase != recFast {
			s.fatalf("recovery ended")
		}
		s.acks(5)
		s.sends("partial ACK: the last hole", "5")
		s.acks(8)
		if s.c.rec.phase != recOpen || s.c.counters.FastRecoveries != 1 || s.c.counters.Retransmits != 3 {
			s.fatalf("%+v", s.c.counters)
		}
		s.wait(Second)
	})
}

func TestWhatIsNoDuplicateAck(t *testing.T) { // RFC 5681 §2
	for _, seg := range []string{
		"P. 1:1(0) ack 101 win 65535", // control: this one is
		". 1:11(10) ack 101",          // (b) carries text
		"F. 1:1(0) ack 101",           // (c) FIN
		". 1:1(0) ack 100",            // (d) another ACK
		". 1:1(0) ack 101 win %d",     // (e) another window
	} {
		s := newScript(t, &Config{}, 0xFFFFFFF0, 7)
		s.bulk("mss 1000", 5)
		for i := range 6 {
			text := seg
			if strings.Contains(seg, "%") {
				text = fmt.Sprintf(seg, 60000+i)
			}
			s.recv(text)
		}
		if fast := s.c.counters.FastRecoveries > 0; fast != strings.HasPrefix(seg, "P.") {
			t.Errorf("%q: fast retransmit %v", seg, fast)
		}
	}
}

// TestDuplicatesAfterATimeout: those that our own retransmissions cause start no fast retransmit
// (RFC 6582 §4); those for text sent later do, also gigabytes later.
func TestDuplicatesAfterATimeout(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk("mss 1000", 6)
		s.untilTimeout()
		s.sends("the head", "0")
		s.acks(0) // the originals 1 … 5 arrive late
		for range 4 {
			s.acks(0)
		}
		s.drain()
		if s.c.counters.FastRecoveries != 0 {
			s.fatalf("fast retransmit of old duplicates")
		}
		s.ackAll()
		for _, far := range []bool{true, false} {
			if far {
				s.skipSent(3 << 30)
			}
			s.write(6000)
			una := s.c.sndUna
			s.drain()
			s.dupNow(3)
			if s.c.counters.FastRecoveries == 0 {
				s.fatalf("no fast retransmit after recovery (far %v)", far)
			}
			if seg, ok := s.poll(); !ok || seg.Seq != una {
				s.fatalf("%+v", seg)
			}
			s.ackAll()
			s.c.counters.FastRecoveries = 0
		}
	})
}

// dupNow gives n duplicates of the present ACK.
func (s *script) dupNow(n int) {
	s.t.Helper()
	s.recv(". 1:1(0) ack "+itoa(int(s.c.sndUna-s.iss)), n)
}

func TestOnlyTheHolesAreResent(t *testing.T) { // RFC 6675, RFC 2018 §5
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 10) // 0, 2, 5 and 6 are lost
		s.acks(0, [2]int{1, 2})
		s.sends("limited transmit", "10")
		s.acks(0, [2]int{3, 4}, [2]int{1, 2})
		s.sends("limited transmit", "11")
		s.acks(0, [2]int{3, 5}, [2]int{1, 2})
		s.sends("three segments were SACKed: the first hole", "0")
		s.acks(0, [2]int{7, 8}, [2]int{3, 5}, [2]int{1, 2})
		s.acks(0, [2]int{7, 9}, [2]int{3, 5}, [2]int{1, 2})
		s.acks(0, [2]int{7, 10}, [2]int{3, 5}, [2]int{1, 2})
		s.acks(0, [2]int{7, 11}, [2]int{3, 5}, [2]int{1, 2})
		s.acks(0, [2]int{7, 12}, [2]int{3, 5}, [2]int{1, 2})
		var got []string
		for range 8 { // the ACKs of what is resent let the rest go
			for _, seg := range s.drain() {
				got = append(got, itoa((int(s.iss.Size(seg.Seq))-101)/1000))
			}
		}
		if g := strings.Join(got, " "); !strings.HasPrefix(g, "2 5 6") {
			s.fatalf("sent %s", g)
		}
		s.acks(12)
		if c := s.c.counters; c.Retransmits != 4 || c.Lost != 4 || c.FastRecoveries != 1 {
			s.fatalf("%+v", c)
		}
	})
}

// TestProportionalRateSingleLoss is the first figure of RFC 6937 §3.1 in octets, where half a segment
// does not round up: 20 segments in flight, the first is lost. At the end pipe is
// ssthresh, and the bound "ssthresh - pipe" decides.
func TestProportionalRateSingleLoss(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 20)
		next := 20
		var row []string
		for ack := 1; ack <= 19; ack++ {
			s.acks(0, [2]int{1, ack + 1})
			what := "-"
			for _, seg := range s.drain() {
				switch n := (int(s.iss.Size(seg.Seq)) - 101) / 1000; n {
				case 0:
					what = "R"
				case next:
					what = "N"
					next++
				default:
					s.fatalf("sent %d", n)
				}
			}
			row = append(row, what)
		}
		if got, want := strings.Join(row, " "), "N N R - - N - N - N - N - N - N - - N"; got != want {
			s.fatalf("sent %s\nwant %s", got, want)
		}
		if s.c.win.ssthresh != 10000 || s.c.inFlight() != 10000 {
			s.fatalf("ssthresh %d, pipe %d", s.c.win.ssthresh, s.c.inFlight())
		}
		s.acks(20)
		if s.c.rec.phase != recOpen && s.c.sndUna == s.c.rec.point {
			s.fatalf("recovery goes on")
		}
	})
}

// TestProportionalRateBurstLoss is the second figure: 15 segments are lost. The bound is the
// conservative one until the first retransmission is acknowledged (RFC 6937's successor).
func TestProportionalRateBurstLoss(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 20)
		s.acks(0, [2]int{15, 16})
		s.sends("15", "20")
		s.acks(0, [2]int{15, 17})
		s.sends("16", "21")
		for i, want := range []string{"0", "1", "2"} {
			s.acks(0, [2]int{15, 18 + i})
			s.sends(itoa(17+i), want)
			if s.c.inFlight() != 5000 {
				s.fatalf("pipe %d after ACK %d", s.c.inFlight(), 17+i)
			}
		}
		s.acks(0, [2]int{15, 21})
		s.sends("20: one for one", "3")
		s.acks(0, [2]int{15, 22})
		s.sends("21", "4")
		s.acks(1, [2]int{15, 22})
		s.sends("a good ACK: growth towards ssthresh", "5 6")
		s.acks(2, [2]int{15, 22})
		s.sends("again", "7 8")
	})
}

func TestRenegingReceiverIsServed(t *testing.T) { // RFC 2018 §8
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		s.acks(0, [2]int{1, 6}) // everything but the first
		s.drain()
		s.acks(1) // and now the receiver has thrown away all that it had only SACKed
		s.drain()
		for i := 0; s.c.sndUna != s.c.sndBuf.end; i++ {
			if i > 2000 {
				s.fatalf("stuck at %d", s.c.sndUna-s.iss)
			}
			if !s.c.Pending() {
				s.waitTimer()
			}
			for _, seg := range s.drain() {
				if len(seg.Payload) > 0 && seg.Seq == s.c.sndUna { // the receiver keeps nothing out of order
					s.recv(". 1:1(0) ack " + itoa(int(seg.Seq-s.iss)+len(seg.Payload)))
				}
			}
		}
	})
}

func TestReceiverThatSACKsWhatItDoesNotAck(t *testing.T) { // RFC 2018 §8: it reneged, beyond doubt
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		s.acks(0, [2]int{2, 4})
		s.drain()
		s.acks(2) // not 4
		if s.c.counters.Reneges != 1 || s.c.sb.sackedCount != 0 {
			s.fatalf("%d SACKs kept", s.c.sb.sackedCount)
		}
		s.sends("what it threw away", "2")
		s.ackAll()
	})
}

// TestSACKNonsense: blocks that say nothing true change nothing.
func TestSACKNonsense(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.bulk(withSACK, 6)
		una, nxt := int(s.c.sndUna-s.iss), int(s.c.sndNxt-s.iss)
		for _, b := range [][2]int{
			{nxt, nxt + 1000},
			{una, nxt + 1},
			{nxt + 5000, nxt + 9000},
			{una + 2000, una + 1000},
			{una + 1000, una + 1000},
			{una + 1, una + 999},
			{una + 500, una + 1500},
			{1, una - 1},
			{una + (1 << 30), una + (1 << 30) + 1000},
		} {
			s.recv(". 1:1(0) ack " + itoa(una) + fmt.Sprintf(" <nop,nop,sack %d:%d>", uint32(b[0]), uint32(b[1])))
		}
		if s.c.sb.sackedCount != 0 || s.c.rec.phase != recOpen {
			s.fatalf("%d segments SACKed", s.c.sb.sackedCount)
		}
	})
}

// TestFlightNeverExceedsCwnd (bug class 31): new text leaves only into the congestion window, but for
// one loss probe; over lossy links, with every control.
func TestFlightNeverExceedsCwnd(t *testing.T) {
	for _, cc := range []string{"newreno", "cubic", "bbr"} {
		for seed := range uint64(20) {
			cfg := &Config{MTU: 1420, CongestionControl: cc}
			p := newPair(t, seed, linkModel{delay: 5 * ms, jitter: ms, loss: float64(seed%4) / 100}, cfg, cfg)
			p.sent = func(c *Conn, before sentBefore) {
				if c.cc == nil || before.nxt == c.sndNxt || before.probe {
					return
				}
				if c.inFlight() > max(before.cwnd, c.win.smss)+1 && before.inFlight > 0 {
					t.Fatalf("%s seed %d: %d in flight, cwnd %d", cc, seed, c.inFlight(), before.cwnd)
				}
			}
			p.transfer(randomData(p.rng, 200000), 600*Second)
		}
	}
}
