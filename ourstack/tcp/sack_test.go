package tcp

import (
	"strings"
	"testing"
)

// TestOverlapGeometry: two ranges are held out of order, A = [201,301) and B = [401,501), B
// the newer; a segment arrives in every position relative to them. RFC 2018 §4: the block of the
// newest segment first, then the most recently reported. RFC 2883 §4: a duplicate before it all.
func TestOverlapGeometry(t *testing.T) {
	for _, tc := range []struct{ name, seg, ack, sack string }{
		{"left of A", "51:101(50)", "1", "51:101 401:501 201:301"},
		{"left of A, adjacent", "101:201(100)", "1", "101:301 401:501"},
		{"over the left edge of A", "151:251(100)", "1", "201:251 151:301 401:501"},
		{"A up to its last octet", "151:300(149)", "1", "201:300 151:301 401:501"},
		{"first octet of A", "201:202(1)", "1", "201:202 201:301 401:501"},
		{"left part of A", "201:251(50)", "1", "201:251 201:301 401:501"},
		{"inside A", "221:251(30)", "1", "221:251 201:301 401:501"},
		{"right part of A", "251:301(50)", "1", "251:301 201:301 401:501"},
		{"last octet of A", "300:301(1)", "1", "300:301 201:301 401:501"},
		{"exactly A", "201:301(100)", "1", "201:301 201:301 401:501"},
		{"exactly B", "401:501(100)", "1", "401:501 401:501 201:301"},
		{"over the right edge of A", "251:351(100)", "1", "251:301 201:351 401:501"},
		{"right of A, adjacent", "301:351(50)", "1", "201:351 401:501"},
		{"covering A", "151:351(200)", "1", "201:301 151:351 401:501"},
		{"covering A, same left edge", "201:351(150)", "1", "201:301 201:351 401:501"},
		{"covering A, same right edge", "151:301(150)", "1", "201:301 151:301 401:501"},
		{"between A and B", "321:381(60)", "1", "321:381 401:501 201:301"},
		{"left of B, adjacent", "351:401(50)", "1", "351:501 201:301"},
		{"A to B, exactly", "301:401(100)", "1", "201:501"},
		{"A to B, overlapping both", "251:451(200)", "1", "251:301 201:501"},
		{"covering the left part of B from A", "301:451(150)", "1", "401:451 201:501"},
		{"covering both", "151:551(400)", "1", "201:301 151:551"},
		{"exactly from A to B", "201:501(300)", "1", "201:301 201:501"},
		{"right of B, adjacent", "501:551(50)", "1", "401:551 201:301"},
		{"right of B", "601:651(50)", "1", "601:651 401:501 201:301"},
		{"in order, short of A", "1:51(50)", "51", "401:501 201:301"},
		{"in order, one octet short of A", "1:200(199)", "200", "401:501 201:301"},
		{"in order, up to A", "1:201(200)", "301", "401:501"},
		{"in order, into A", "1:251(250)", "301", "201:251 401:501"},
		{"in order, up to the end of A", "1:301(300)", "301", "201:301 401:501"},
		{"in order, over A", "1:351(350)", "351", "201:301 401:501"},
		{"in order, over A up to B", "1:401(400)", "501", "201:301"},
		{"in order, into B", "1:451(450)", "501", "201:301"},
		{"in order, over both", "1:551(550)", "551", "201:301"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, Config{}, func(s *script) {
				s.passive("mss 1000,sackOK")
				s.recv(". 201:301(100) ack 1")
				s.want("A", ". 1:1(0) ack 1 <nop,nop,sack 201:301>")
				s.recv(". 401:501(100) ack 1")
				s.want("B", ". 1:1(0) ack 1 <nop,nop,sack 401:501 201:301>")
				s.recv(". " + tc.seg + " ack 1")
				s.want(tc.name, ". 1:1(0) ack "+tc.ack+" <nop,nop,sack "+tc.sack+">")
				s.wantIdle("one ACK")
				s.finishStream(700)
			})
		})
	}
}

// TestOverlapGeometryWithOldText is the same for segments that begin before RCV.NXT = 51.
func TestOverlapGeometryWithOldText(t *testing.T) {
	for _, tc := range []struct{ name, seg, ack, sack string }{
		{"old", "1:51(50)", "51", "1:51 401:501 201:301"},
		{"first old octet", "1:2(1)", "51", "1:2 401:501 201:301"},
		{"last old octet", "50:51(1)", "51", "50:51 401:501 201:301"},
		{"before the stream", "0:1(1)", "51", "0:1 401:501 201:301"},
		{"old and new", "21:101(80)", "101", "21:51 401:501 201:301"},
		{"old, up to A", "21:201(180)", "301", "21:51 401:501"},
		{"old, into A", "21:251(230)", "301", "21:51 401:501"}, // the first duplicate only (RFC 2883 §4.2.2)
		{"old, over A", "1:351(350)", "351", "1:51 401:501"},
		{"old, over both", "50:551(501)", "551", "50:51"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, Config{}, func(s *script) {
				s.passive("mss 1000,sackOK")
				s.recv(". 1:51(50) ack 1")
				s.recv(". 201:301(100) ack 1")
				s.recv(". 401:501(100) ack 1")
				s.want("A and B", ". 1:1(0) ack 51 <nop,nop,sack 401:501 201:301>")
				s.recv(". " + tc.seg + " ack 1")
				s.want(tc.name, ". 1:1(0) ack "+tc.ack+" <nop,nop,sack "+tc.sack+">")
				s.wantIdle("one ACK")
				s.finishStream(700)
			})
		})
	}
}

// finishStream sends all of the stream up to end at once, with a FIN, and reads it.
func (s *script) finishStream(end int) {
	s.t.Helper()
	s.recv(seqRangeText("F", 1, end-1) + " ack 1")
	s.want("everything", ". 1:1(0) ack "+itoa(end+1))
	s.read(end - 1)
	s.wantEOF("all of it")
}

// TestDSACKExamples runs the figures of RFC 2883 §4. Their first octet is 0, so sequence
// numbers here are one more.
func TestDSACKExamples(t *testing.T) {
	type step struct{ seg, ack string } // ack "": the ACK is not looked at
	for _, tc := range []struct {
		name  string
		steps []step
	}{
		{"4.1.1 duplicate", []step{
			{"1:3001(3000)", ""},
			{"3001:3501(500)", ""},
			{"3501:4001(500)", ""},
			{"3001:3501(500)", "4001 <nop,nop,sack 3001:3501>"},
		}},
		{"4.1.2 out of order and duplicate", []step{
			{"1:3001(3000)", ""},
			{"3001:3501(500)", ""},
			{"3501:4001(500)", ""},
			{"4501:5001(500)", "4001 <nop,nop,sack 4501:5001>"},
			{"3001:3501(500)", "4001 <nop,nop,sack 3001:3501 4501:5001>"},
		}},
		{"4.1.3 duplicate out of order", []step{
			{"1:4001(4000)", ""},
			{"4501:5001(500)", "4001 <nop,nop,sack 4501:5001>"},
			{"5001:5501(500)", "4001 <nop,nop,sack 4501:5501>"},
			{"5001:5501(500)", "4001 <nop,nop,sack 5001:5501 4501:5501>"},
		}},
		{"4.2.1 one duplicate subsegment", []step{
			{"1:1001(1000)", ""},
			{"2001:2501(500)", "1001 <nop,nop,sack 2001:2501>"},
			{"1001:1501(500)", "1501 <nop,nop,sack 2001:2501>"},
			{"1001:2001(1000)", "2501 <nop,nop,sack 1001:1501>"},
		}},
		{"4.2.2 two below the cumulative ACK", []step{
			{"1:1001(1000)", ""},
			{"3001:3501(500)", "1001 <nop,nop,sack 3001:3501>"},
			{"1001:1501(500)", "1501 <nop,nop,sack 3001:3501>"},
			{"2001:2501(500)", "1501 <nop,nop,sack 2001:2501 3001:3501>"},
			{"1001:2501(1500)", "2501 <nop,nop,sack 1001:1501 3001:3501>"},
		}},
		{"4.2.3 two above the cumulative ACK", []step{
			{"1:1001(1000)", ""},
			{"3501:4001(500)", "1001 <nop,nop,sack 3501:4001>"},
			{"1501:2001(500)", "1001 <nop,nop,sack 1501:2001 3501:4001>"},
			{"2501:3001(500)", "1001 <nop,nop,sack 2501:3001 1501:2001 3501:4001>"},
			{"1501:3001(1500)", "1001 <nop,nop,sack 1501:2001 1501:3001 3501:4001>"},
		}},
		{"5.1 replication", []step{
			{"1:1001(1000)", ""},
			{"1001:1501(500)", ""},
			{"1001:1501(500)", "1501 <nop,nop,sack 1001:1501>"},
		}},
		{"5.2 false retransmission", []step{
			{"1:1001(1000)", ""},
			{"1501:2001(500)", "1001 <nop,nop,sack 1501:2001>"},
			{"2001:2501(500)", "1001 <nop,nop,sack 1501:2501>"},
			{"2501:3001(500)", "1001 <nop,nop,sack 1501:3001>"},
			{"1001:1501(500)", "3001 <>"},
			{"1001:1501(500)", "3001 <nop,nop,sack 1001:1501>"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, Config{}, func(s *script) {
				s.passive("mss 1460,sackOK")
				for _, step := range tc.steps {
					s.recv(". " + step.seg + " ack 1")
					if step.ack == "" {
						s.drain()
						continue
					}
					s.want(step.seg, ". 1:1(0) ack "+step.ack)
					s.wantIdle("one ACK")
				}
			})
		})
	}
}

func TestDuplicateIsReportedOnce(t *testing.T) { // RFC 2883 §4 (2)
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.recv("P. 1:101(100) ack 1")
		s.recv("P. 1:101(100) ack 1")
		s.want("D-SACK", ". 1:1(0) ack 101 <nop,nop,sack 1:101>")
		s.recv(". 201:301(100) ack 1")
		s.want("not again", ". 1:1(0) ack 101 <nop,nop,sack 201:301>")
		s.recv(". 201:301(100) ack 1")
		s.want("of a range", ". 1:1(0) ack 101 <nop,nop,sack 201:301 201:301>")
		s.recv(". 401:501(100) ack 1")
		s.want("not again", ". 1:1(0) ack 101 <nop,nop,sack 401:501 201:301>")
	})
}

func TestNoSACKWithoutPermission(t *testing.T) { // RFC 2018 §4: "MUST NOT send SACK options"
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.recv(". 201:301(100) ack 1")
		s.want("plain duplicate ACK", ". 1:1(0) ack 1 <>")
		s.recv(". 201:301(100) ack 1")
		s.want("no D-SACK", ". 1:1(0) ack 1 <>")
	})
}

func TestSACKBlocksThatFit(t *testing.T) { // RFC 2018 §3: four, or three with timestamps
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		for i := range 6 {
			s.recv(seqRangeText("", 101+200*i, 100) + " ack 1")
		}
		s.want("four of six", ". 1:1(0) ack 1 <nop,nop,sack 1101:1201 901:1001 701:801 101:201>")
	})
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0")
		for i := range 6 {
			s.recv(seqRangeText("", 101+200*i, 100) + " ack 1")
		}
		if seg := s.drain()[0]; seg.Opts.NumSACK != 3 || seg.Opts.SACK[0].Left-s.irs != 1101 || seg.HeaderLen() > 60 {
			s.fatalf("%+v", seg.Opts)
		}
	})
}

// TestBlocksAreRepeatedThreeTimes: "any segment remaining part of a non-contiguous block … is
// reported in at least three successive SACK options" (RFC 2018 §4), also when the peer alternates
// between ranges.
func TestBlocksAreRepeatedThreeTimes(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0")
		for i := range 8 { // ranges in falling order, so that the fallback would show others
			s.recv(seqRangeText("", 3001-200*i, 100) + " ack 1")
			s.drain()
		}
		s.recv(". 3101:3111(10) ack 1") // grows the highest
		first := s.drain()[0]
		s.recv(". 1701:1711(10) ack 1") // grows the lowest
		s.drain()
		s.recv(". 3111:3121(10) ack 1") // and the highest again
		third := s.drain()[0]
		if b := first.Opts.SACK; b[0].Left-s.irs != 3001 || b[1].Left-s.irs != 1601 || b[2].Left-s.irs != 1801 {
			s.fatalf("first %+v", b)
		}
		if b := third.Opts.SACK; b[0].Left-s.irs != 3001 || b[1].Left-s.irs != 1601 || b[2].Left-s.irs != 1801 {
			s.fatalf("third %+v", b)
		}
	})
}

func TestSACKCoversAFinThatWaits(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.recv("F. 301:301(0) ack 1")
		s.want("a FIN alone", ". 1:1(0) ack 1 <nop,nop,sack 301:302>")
		s.recv(". 101:201(100) ack 1")
		s.want("text before it", ". 1:1(0) ack 1 <nop,nop,sack 101:201 301:302>")
		s.recv(". 201:301(100) ack 1")
		s.want("adjacent text", ". 1:1(0) ack 1 <nop,nop,sack 101:302>")
		s.recv("FP. 251:301(50) ack 1")
		s.want("the FIN again, with text", ". 1:1(0) ack 1 <nop,nop,sack 251:301 101:302>")
		s.recv(". 1:101(100) ack 1")
		s.want("all", ". 1:1(0) ack 302 <>")
		s.read(300)
		s.wantEOF("the FIN counts once")
	})
}

// TestTextBeyondTheWindowIsCut: what does not fit the window is not stored, however it arrives.
func TestTextBeyondTheWindowIsCut(t *testing.T) {
	run(t, Config{RcvBufInit: 1000, RcvBufMax: 1000}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.recv(". 901:1101(200) ack 1")
		s.want("up to the right edge", ". 1:1(0) ack 1 win 1000 <nop,nop,sack 901:1001>")
		s.wantDrop(s.recv(". 1001:1101(100) ack 1"), DropSequence)
		s.want("outside", ". 1:1(0) ack 1 <nop,nop,sack 901:1001>")
		s.recv("F. 801:1101(300) ack 1")
		s.want("a FIN beyond the edge is not believed", ". 1:1(0) ack 1 <nop,nop,sack 901:1001 801:1001>")
		s.recv(". 1:1101(1100) ack 1")
		s.want("full", ". 1:1(0) ack 1001 win 0 <nop,nop,sack 801:1001>")
		s.read(1000)
		s.want("open again", ". 1:1(0) ack 1001 win 1000")
		s.recv("F. 801:1101(300) ack 1")
		s.want("and now the FIN", ". 1:1(0) ack 1102")
		s.read(100)
		s.wantEOF("end")
	})
}

func TestRangesAreBounded(t *testing.T) { // bug class 39, CVE-2018-5390
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		for i := range maxOutOfOrderRanges {
			s.wantDrop(s.recv(seqRangeText("", 101+4*i, 1)+" ack 1"), DropNone)
		}
		s.wantDrop(s.recv(seqRangeText("", 101+4*maxOutOfOrderRanges, 1)+" ack 1"), DropMemory)
		if n := len(s.c.rcvBuf.ranges); n != maxOutOfOrderRanges {
			s.fatalf("%d ranges", n)
		}
		s.wantDrop(s.recv(". 102:103(1) ack 1"), DropNone) // one that extends a range still goes
		s.wantDrop(s.recv(". 103:104(1) ack 1"), DropNone)
		s.recv(". 1:700(699) ack 1")
		s.want("and text in order", ". 1:1(0) ack 700")
		s.read(699)
	})
}

func TestSACKOrderIsStableOverARandomWalk(t *testing.T) {
	const window = 4000
	for seed := range uint64(200) {
		m := newReceiverModel(t, seed, window)
		for range 60 {
			m.step()
		}
	}
}

func TestSACKNotation(t *testing.T) { // the harness compares options: it must see a wrong one
	s := newScript(t, &Config{}, 1, 1)
	s.passive("mss 1000,sackOK")
	s.recv(". 201:301(100) ack 1")
	seg, _ := s.poll()
	if len(strings.TrimSpace(s.log[len(s.log)-1])) == 0 || seg.Opts.NumSACK != 1 {
		t.Fatal("no SACK to compare")
	}
}
