package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

const withTS = "mss 1000,sackOK,TS val 100 ecr 0"

// wantEcr expects a segment that matches text and echoes ecr.
func (s *script) wantEcr(why, text string, ecr uint32) wire.TCP {
	s.t.Helper()
	seg := s.want(why, text)
	if !seg.Opts.HasTimestamps || seg.Opts.TSEcr != ecr {
		s.fatalf("%s: echoes %d (%v), want %d", why, seg.Opts.TSEcr, seg.Opts.HasTimestamps, ecr)
	}
	return seg
}

// TestEchoOfDelayedAck is the first example of RFC 7323 §4.3: the oldest
// unacknowledged segment is echoed.
func TestEchoOfDelayedAck(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.recv(". 1:301(300) ack 1 <TS val 101 ecr 0>")
		s.recv(". 301:601(300) ack 1 <TS val 102 ecr 0>")
		s.recv(". 601:901(300) ack 1 <TS val 103 ecr 0>")
		s.waitTimer()
		s.wantEcr("ACK of all three", ". 1:1(0) ack 901", 101)
		s.recv(". 901:1201(300) ack 1 <TS val 104 ecr 0>")
		s.waitTimer()
		s.wantEcr("the next", ". 1:1(0) ack 1201", 104)
	})
}

// TestEchoWithHoles is the second example of RFC 7323 §4.3: while there is a hole, the last
// segment that advanced RCV.NXT is echoed, then the one that filled it.
func TestEchoWithHoles(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.c.ack.quick = 100
		for _, step := range []struct {
			seg string
			ack string
			ecr uint32
		}{
			{"1:101(100) ack 1 <TS val 101 ecr 0>", "101", 101},   // A
			{"201:301(100) ack 1 <TS val 103 ecr 0>", "101", 101}, // C
			{"101:201(100) ack 1 <TS val 102 ecr 0>", "301", 102}, // B
			{"401:501(100) ack 1 <TS val 105 ecr 0>", "301", 102}, // E
			{"301:401(100) ack 1 <TS val 104 ecr 0>", "501", 104}, // D
		} {
			s.recv(". " + step.seg)
			s.wantEcr(step.seg, ". 1:1(0) ack "+step.ack, step.ecr)
		}
	})
}

func TestPAWSDropsOldTimestamps(t *testing.T) { // RFC 7323 §5.3 R1
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.recv("P. 1:101(100) ack 1 <TS val 1000 ecr 0>")
		s.waitTimer()
		s.wantEcr("ACK", ". 1:1(0) ack 101", 1000)
		for _, seg := range []string{"P. 101:201(100) ack 1 <TS val 999 ecr 0>", "F. 101:101(0) ack 1 <TS val 999 ecr 0>", "P. 101:201(100) ack 1 <TS val 2147484649 ecr 0>"} {
			s.wantDrop(s.recv(seg), DropPAWS)
			s.wantEcr("an old duplicate is answered", ". 1:1(0) ack 101", 1000)
		}
		s.wantDrop(s.recv("P. 101:201(100) ack 1 <TS val 1000 ecr 0>"), DropNone) // equal is not old
		s.wantDrop(s.recv("R 201:201(0) <TS val 1 ecr 0>"), DropNone)             // "RST segments MUST NOT be subjected to the PAWS check"
		s.wantState(StateClosed)
	})
}

func TestPAWSAnswersToPureAcksAreLimited(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.recv("P. 1:101(100) ack 1 <TS val 1000 ecr 0>")
		s.waitTimer()
		s.drain()
		n := 0
		for range 100 {
			s.wantDrop(s.recv(". 101:101(0) ack 1 <TS val 5 ecr 0>"), DropPAWS)
			n += len(s.drain())
		}
		if n > challengeBurst {
			s.fatalf("%d answers", n)
		}
		for range 100 { // text is answered always: bug class 29
			s.wantDrop(s.recv("P. 101:201(100) ack 1 <TS val 5 ecr 0>"), DropPAWS)
			s.wantEcr("answer", ". 1:1(0) ack 101", 1000)
		}
	})
}

func TestPAWSOfOldTextReportsDuplicate(t *testing.T) { // RFC 2883 §4.3
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.recv("P. 1:101(100) ack 1 <TS val 1000 ecr 0>")
		s.waitTimer()
		s.drain()
		s.wantDrop(s.recv("P. 1:101(100) ack 1 <TS val 900 ecr 0>"), DropPAWS)
		seg := s.wantEcr("D-SACK", ". 1:1(0) ack 101", 1000)
		if seg.Opts.NumSACK != 1 || seg.Opts.SACK[0].Left-s.irs != 1 || seg.Opts.SACK[0].Right-s.irs != 101 {
			s.fatalf("%+v", seg.Opts)
		}
	})
}

func TestTimestampsWrap(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.tsval = 4294967290
		s.passive("mss 1000,TS val 4294967290 ecr 0")
		s.c.ack.quick = 100
		seq := 1
		for _, ts := range []string{"4294967295", "0", "5", "2147483652"} {
			s.wantDrop(s.recv(seqRangeText("P", seq, 10)+" ack 1 <TS val "+ts+" ecr 0>"), DropNone)
			seq += 10
			s.want("accepted", ". 1:1(0) ack "+itoa(seq))
		}
		s.wantDrop(s.recv(seqRangeText("P", seq, 10)+" ack 1 <TS val 5 ecr 0>"), DropPAWS)
	})
}

func TestMissingTimestampIsDropped(t *testing.T) { // RFC 7323 §3.2: "SHOULD silently drop the segment"
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.peerTS = false
		s.wantDrop(s.recv("P. 1:11(10) ack 1"), DropNoTimestamp)
		s.wantIdle("silently")
		s.recv("R 1:1(0)")
		s.wantState(StateClosed) // "except for RST"
	})
}

func TestTimestampsThatWereNotNegotiatedAreIgnored(t *testing.T) { // RFC 7323 §3.2
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:11(10) ack 1 <TS val 500 ecr 1>")
		s.recv("P. 11:21(10) ack 1 <TS val 400 ecr 1>")
		s.waitTimer()
		s.want("no timestamp from us, no PAWS", ". 1:1(0) ack 21 <>")
	})
}

// TestOutdatedTimestamp is RFC 7323 §5.5: after 24 idle days TS.Recent is not trusted, and the
// segment that arrives then gives the new one.
func TestOutdatedTimestamp(t *testing.T) {
	const day = 24 * 3600 * Second
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.c.ack.quick = 100
		s.recv("P. 1:11(10) ack 1 <TS val 1000 ecr 0>")
		s.drain()
		s.wait(23 * day)
		s.wantDrop(s.recv("P. 11:21(10) ack 1 <TS val 900 ecr 0>"), DropPAWS)
		s.drain()
		s.wait(2 * day)
		s.wantDrop(s.recv("P. 11:21(10) ack 1 <TS val 900 ecr 0>"), DropNone)
		s.wantEcr("the clock of the peer has wrapped", ". 1:1(0) ack 21", 900)
		s.wantDrop(s.recv("P. 21:31(10) ack 1 <TS val 899 ecr 0>"), DropPAWS) // protected again
		s.drain()
		s.recv("P. 21:31(10) ack 1 <TS val 901 ecr 0>")
		s.wantEcr("newer", ". 1:1(0) ack 31", 901)
	})
}

func TestEverySegmentCarriesTimestamps(t *testing.T) { // RFC 7323 §3.2
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.c.SetKeepAlive(s.now, KeepAliveConfig{Enabled: true, Idle: 10 * Second})
		s.write(10)
		s.wantEcr("text", "P. 1:11(10) ack 1", 100)
		s.recv("P. 1:11(10) ack 11")
		s.waitTimer()
		first := s.wantEcr("pure ACK", ". 11:11(0) ack 11", 100)
		s.waitTimer()
		second := s.wantEcr("keep-alive", ". 10:10(0) ack 11", 100)
		if d := second.Opts.TSVal - first.Opts.TSVal; d < 9000 || d > 11000 {
			s.fatalf("timestamp clock: %d ticks in 10 s", d) // RFC 7323 §5.4: 1 ms to 1 s each
		}
		s.recv(". 11:11(0) ack 11")
		_ = s.c.CloseWrite(s.now)
		s.wantEcr("FIN", "F. 11:11(0) ack 11", s.c.tsRecent)
	})
}

func TestSynTimestamps(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		syn := s.want("SYN", "S 0:0(0)")
		if !syn.Opts.HasTimestamps || syn.Opts.TSEcr != 0 {
			s.fatalf("%+v", syn.Opts)
		}
		future := syn.Opts.TSVal + 5000
		bad := s.parse("S. 0:0(0) ack 1 win 1000 <mss 1000>")
		bad.Opts.HasTimestamps, bad.Opts.TSVal, bad.Opts.TSEcr = true, 1, future
		s.wantDrop(s.c.HandleSegment(s.now, &bad, 0), DropPAWS) // an echo of what we never sent
		s.wantState(StateSynSent)
		s.peerTS = true
		s.recv("S. 0:0(0) ack 1 win 1000 <mss 1000>")
		s.wantEcr("ACK", ". 1:1(0) ack 1", s.tsval)
	})
}

func TestSynAckWithoutEcho(t *testing.T) { // some middleboxes leave TSecr 0
	run(t, Config{}, func(s *script) {
		s.c.tsOffset = 1 << 31 // so that 0 lies in the future of our clock
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.recv("S. 0:0(0) ack 1 win 1000 <mss 1000,TS val 50 ecr 0>")
		s.wantState(StateEstablished)
	})
}

func TestRTTOfRetransmissionByTimestamp(t *testing.T) { // RFC 7323 §4.1: no ambiguity with timestamps
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.write(100)
		s.want("text", "P. 1:101(100) ack 1")
		s.waitTimer() // loss probe or timeout
		s.want("again", "P. 1:101(100) ack 1")
		s.now = s.now.Add(50 * ms)
		before := s.c.rtt.srtt
		s.recv(". 1:1(0) ack 101")
		if got := s.c.rtt.latest; got != 50*ms {
			s.fatalf("sample %d ms, want 50 (SRTT %d before)", got/ms, before/ms)
		}
	})
}

func TestTimestampOfAnAckThatAdvancesNothingIsNoSample(t *testing.T) { // RFC 7323 §4.1
	run(t, Config{}, func(s *script) {
		s.passive(withTS)
		s.write(100)
		s.want("text", "P. 1:101(100) ack 1")
		s.now = s.now.Add(20 * ms)
		s.recv(". 1:1(0) ack 101")
		srtt := s.c.rtt.srtt
		s.now = s.now.Add(70 * ms)
		for range 10 {
			s.recv(". 1:1(0) ack 101")
		}
		if s.c.rtt.srtt != srtt {
			s.fatalf("SRTT moved from %d to %d", srtt, s.c.rtt.srtt)
		}
	})
}

// TestTextOvertakenByARetransmission is the example of RFC 7323 §5.3 of segments that are
// discarded unnecessarily: they are kept, and nothing older is.
func TestTextOvertakenByARetransmission(t *testing.T) {
	begin := func(s *script) {
		s.passive(withTS)
		s.c.ack.quick = 100
		s.recv("P. 1:101(100) ack 1 <TS val 1000 ecr 0>")
		s.drain()                                           // TS.Recent follows what was acknowledged
		s.recv("P. 201:301(100) ack 1 <TS val 1002 ecr 0>") // 101:201 is lost, 301:401 late
		s.recv("P. 401:501(100) ack 1 <TS val 1004 ecr 0>")
		s.recv("P. 101:201(100) ack 1 <TS val 1030 ecr 0>") // resent
		s.drain()
	}
	run(t, Config{}, func(s *script) {
		begin(s)
		s.wantDrop(s.recv("P. 301:401(100) ack 1 <TS val 999 ecr 0>"), DropPAWS) // older than what came before the hole
		s.drain()
		s.wantDrop(s.recv("P. 301:401(100) ack 1 <TS val 1003 ecr 0>"), DropNone)
		s.wantEcr("the late text closes the gap; TS.Recent stays", ". 1:1(0) ack 501", 1030)
		s.recv("P. 501:601(100) ack 1 <TS val 1031 ecr 0>")
		s.drain()
		s.wantDrop(s.recv("P. 601:701(100) ack 1 <TS val 1030 ecr 0>"), DropPAWS) // nothing is missing any more
	})
	run(t, Config{}, func(s *script) {
		begin(s)
		s.c.ack.beforeHole.rcvNxt = s.c.rcvNxt.Sub(tsHoleSpan)
		s.wantDrop(s.recv("P. 301:401(100) ack 1 <TS val 1003 ecr 0>"), DropPAWS) // sequence numbers may have turned
	})
}

// TestRepeatedSYNIsEchoed: the peer, whose SYN-ACK was lost, measures its first round trip from the SYN
// that the next one answers.
func TestRepeatedSYNIsEchoed(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.synIn("mss 1460,TS val 1000 ecr 0")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.now = s.now.Add(Second)
		s.recv("S 0:0(0) win 65535 <mss 1460,TS val 2000 ecr 0>")
		for _, seg := range s.drain() {
			if seg.Flags&wire.FlagSYN == 0 || seg.Opts.TSEcr != 2000 {
				s.fatalf("echoes %d", seg.Opts.TSEcr)
			}
		}
		s.recv("S 0:0(0) win 65535 <mss 1460,TS val 1000 ecr 0>") // delayed in the network
		if seg := s.drain()[0]; seg.Opts.TSEcr != 2000 {
			s.fatalf("echoes %d", seg.Opts.TSEcr)
		}
	})
}
