package tcp

import (
	"fmt"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// Scenarios in which one end is flooded, or the two answer each other for ever.

// Bug class 27: more duplicate ACKs than any small counter holds. The retransmission timer is not put off
// by them, cwnd stays within its bounds, and the connection goes on.
func TestDuplicateAckStorm(t *testing.T) {
	for _, options := range []string{"mss 1000", "mss 1000,sackOK"} {
		run(t, Config{}, func(s *script) {
			s.passive(options)
			s.write(20000)
			sent := len(s.drain())
			if sent < 4 {
				s.fatalf("%d segments in flight", sent)
			}
			end := s.now.Add(2 * s.c.rtt.rto())
			seg := s.parse(". 1:1(0) ack 1")
			for range 70_000 {
				s.now = s.now.Add(s.c.rtt.rto() / 50_000)
				s.c.HandleTimeout(s.now)
				s.c.HandleSegment(s.now, &seg, 0)
				for s.c.Pending() {
					s.c.PollSegment(s.now, s.buf[:])
				}
			}
			s.check()
			if s.now > end || s.c.counters.Timeouts == 0 {
				s.fatalf("no timeout after %d ms: duplicates have put it off", s.now/Instant(ms))
			}
			s.ackAll()
		})
	}
}

// Bug class 28: two ends that do not know each other's numbers, in any two states, each with something to
// say, exchange a bounded number of packets at once and a trickle afterwards.
func TestDesynchronisedEndsAreQuiet(t *testing.T) {
	states := []string{"ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT"}
	for _, first := range states {
		for _, second := range states {
			for _, shift := range []uint32{0, 1, 100, 40000, 70000, 1 << 30, 1 << 31, 3 << 30} {
				a := newScript(t, &Config{}, 0xFFFFFF00, 5000)
				b := newScript(t, &Config{}, 5000+seqnum.Value(shift), 0xFFFFFF00-seqnum.Value(shift/2))
				stateOpeners[first](a)
				stateOpeners[second](b)
				desynchronised(t, fmt.Sprintf("%s and %s by %d", first, second, shift), a, b)
			}
		}
	}
}

// desynchronised lets both ends send text if they may, and carries everything between them: at
// once, and then for twenty seconds.
func desynchronised(t *testing.T, name string, a, b *script) {
	t.Helper()
	for _, s := range []*script{a, b} {
		s.c.SetNoDelay(true)
		if st := s.c.State(); st == StateEstablished || st == StateCloseWait {
			s.write(10)
		}
	}
	packets := 0
	carry := func(limit int, when string) {
		for n := 0; ; n++ {
			fromA, fromB := a.drain(), b.drain()
			if packets += len(fromA) + len(fromB); len(fromA)+len(fromB) == 0 {
				return
			}
			for i := range fromA {
				b.c.HandleSegment(b.now, &fromA[i], 0)
			}
			for i := range fromB {
				a.c.HandleSegment(a.now, &fromB[i], 0)
			}
			if packets > limit {
				t.Fatalf("%s: %d packets %s", name, packets, when)
			}
		}
	}
	carry(6*challengeBurst, "at once")
	for range 200 {
		for _, s := range []*script{a, b} {
			s.now = s.now.Add(100 * ms)
			s.c.HandleTimeout(s.now)
			s.check()
		}
		// One challenge is earned in each 100 ms; what retransmissions draw comes out of the same budget.
		carry(200*3+6*challengeBurst, "in twenty seconds")
	}
}

// Bug class 28: a RST and text cross. The end that was reset answers the text by nothing, the other
// is gone.
func TestResetCrossesText(t *testing.T) {
	p := newPair(t, 1, linkModel{delay: 10 * ms}, &Config{MTU: 1420}, &Config{MTU: 1420})
	p.establish()
	packets := p.n
	if _, err := p.a.c.Write(p.now, make([]byte, 3000)); err != nil {
		t.Fatal(err)
	}
	p.b.c.Abort(p.now)
	for end := p.now.Add(600 * Second); p.step(end); {
	}
	if a, b := p.a.c.State(), p.b.c.State(); a != StateClosed || b != StateClosed || p.a.c.Err() != ErrReset {
		t.Errorf("%v (%v) and %v", a, p.a.c.Err(), b)
	}
	if n := p.n - packets; n > 6 {
		t.Errorf("%d packets for a crossed reset", n)
	}
}

// Bug class 39 (CVE-2019-11477, -11478, -11479): a peer with the smallest MSS that reports every second
// octet of what is in flight. Neither segments nor records of them grow in number by it.
func TestHostileSACKs(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 8,sackOK")
		s.c.win.cwnd = 60000
		s.write(60000)
		segs := s.drain()
		for _, seg := range segs[:len(segs)-1] {
			if len(seg.Payload) < minEffectiveMSS-20 {
				s.fatalf("a segment of %d octets", len(seg.Payload))
			}
		}
		records := s.c.sb.len()
		for i := 100; i < 60000; i += 6 {
			s.recv(fmt.Sprintf(". 1:1(0) ack 1 <nop,nop,sack %d:%d %d:%d %d:%d>", i, i+1, i+2, i+3, i+4, i+5))
			if n := s.c.sb.len(); n > records {
				s.fatalf("%d records, %d before", n, records)
			}
		}
		s.drain()
		s.ackAll()
	})
}

// Bug class 39 (CVE-2018-5390): a flood of islands of one octet in a large window. The list that each
// segment walks stays bounded, and the missing head still arrives.
func TestFloodOfIslands(t *testing.T) {
	flood := 100_000
	if testing.Short() {
		flood = 10_000
	}
	s := newScript(t, &Config{RcvBufInit: 1 << 20, RcvBufMax: 1 << 20}, 0xFFFFFFF0, 0xFFFFFFF0)
	s.passive("mss 1000,sackOK,wscale 7")
	seg := wire.TCP{SrcPort: scriptTuple.Remote.Port, DstPort: scriptTuple.Local.Port, Flags: wire.FlagACK, Wnd: 65535, Ack: s.c.sndNxt, Payload: []byte{1}}
	most := 0
	for i := range flood {
		seg.Seq = s.irs.Add(seqnum.Size(3 + i*7919%(1<<20-4)))
		s.c.HandleSegment(s.now, &seg, 0)
		most = max(most, len(s.c.rcvBuf.ranges))
	}
	s.check()
	if limit := max(maxOutOfOrderRanges, s.c.rcvBuf.maxRanges); most != limit {
		t.Errorf("%d ranges are held, the limit is %d", most, limit)
	}
	s.drain()
	s.recv(". 1:3(2) ack 1")
	if got := s.c.rcvNxt - s.irs; got < 3 {
		t.Errorf("the head of the stream is not taken: RCV.NXT is %d", got)
	}
}

// TestShortSegmentsAreBounded: bytes that are written one by one, to a peer that takes them selectively
// but never the first, cost a bounded number of records, and go together once it does.
func TestShortSegmentsAreBounded(t *testing.T) {
	run(t, Config{NoDelay: true, CongestionControl: "cubic"}, func(s *script) {
		s.passive("mss 1460,sackOK,wscale 7")
		const n = 5000
		for i := range n {
			s.write(1)
			s.drain()
			if i%100 == 99 {
				seg := s.parse(". 1:1(0) ack 1")
				seg.Opts.SACK[0], seg.Opts.NumSACK = wire.SACKBlock{Left: s.c.sndUna.Add(1), Right: s.c.sndNxt}, 1
				s.c.HandleSegment(s.now, &seg, 0)
				s.drain()
			}
		}
		if got, most := s.c.sb.len(), maxShortSegments+n/shortSegmentShare+1; got > most {
			s.fatalf("%d segments of %d bytes are outstanding, at most %d may be", got, s.c.outstanding(), most)
		}
		for range 10 {
			seg := s.parse(". 1:1(0) ack 1")
			seg.Ack = s.c.sndNxt
			s.c.HandleSegment(s.now, &seg, 0)
			s.pump(100 * ms)
		}
		if s.c.Unsent() != 0 {
			s.fatalf("%d bytes are left", s.c.Unsent())
		}
	})
}

// TestRenegingIsNoWork: a peer that takes its selective acknowledgments back with each ACK makes us
// forget the scoreboard once in a while, not each time; and one that has really forgotten the text
// gets it again from the timer, also behind a closed window.
func TestRenegingIsNoWork(t *testing.T) {
	for _, wnd := range []uint16{65535, 0} {
		run(t, Config{}, func(s *script) {
			s.passive("mss 1000,sackOK")
			s.write(8000)
			s.drain()
			s.now = s.now.Add(20 * ms)
			s.peerWnd = wnd
			for range 50 {
				seg := s.parse(". 1:1(0) ack 1")
				seg.Opts.SACK[0], seg.Opts.NumSACK = wire.SACKBlock{Left: s.c.sndUna, Right: s.c.sndNxt}, 1
				s.c.HandleSegment(s.now, &seg, 0)
				s.drain()
			}
			if n := s.c.counters.Reneges; n != 1 {
				s.fatalf("%d times", n)
			}
			if len(s.pump(3*Second)) == 0 {
				s.fatalf("nothing is resent")
			}
			s.peerWnd = 65535
			s.recv(". 1:1(0) ack 1")
			s.drain()
			s.ackAll()
		})
	}
}
