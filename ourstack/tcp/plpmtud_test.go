package tcp

import (
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// passPath answers everything that the connection sends as a peer behind a path that drops
// packets of more than mtu bytes: it acknowledges in order and selectively. It runs until
// nothing is left to acknowledge or limit has passed, and returns the largest packet seen.
func (s *script) passPath(mtu int, limit Duration) (largest int) {
	s.t.Helper()
	var have []seqRange // above una, sorted by arrival
	una := s.c.sndUna
	end := s.now.Add(limit)
	for s.now < end {
		for _, seg := range s.drain() {
			size := 20 + seg.HeaderLen() + len(seg.Payload)
			largest = max(largest, size)
			if size > mtu || len(seg.Payload) == 0 {
				continue
			}
			have = append(have, seqRange{seg.Seq, seg.Seq.Add(seg.Len())})
			newest := len(have) - 1
			una = s.advance(una, have)
			s.now = s.now.Add(Duration(500 * us))
			s.c.HandleTimeout(s.now)
			s.ackFrom(una, have[newest])
		}
		if s.c.sndUna == s.c.sndBuf.end {
			return largest
		}
		if !s.c.Pending() {
			s.waitTimer()
		}
	}
	return largest
}

// advance returns how far the ranges reach without a hole.
func (s *script) advance(una seqnum.Value, have []seqRange) seqnum.Value {
	for again := true; again; {
		again = false
		for _, r := range have {
			if r.left.LessEq(una) && una.Less(r.right) {
				una, again = r.right, true
			}
		}
	}
	return una
}

// ackFrom acknowledges una, and r selectively if it lies beyond.
func (s *script) ackFrom(una seqnum.Value, r seqRange) {
	s.t.Helper()
	seg := s.parse(". 1:1(0) ack 1")
	seg.Ack = una
	if una.Less(r.left) && s.c.opts.sack {
		seg.Opts.SACK[0], seg.Opts.NumSACK = wire.SACKBlock{Left: r.left, Right: r.right}, 1
	}
	s.c.HandleSegment(s.now, &seg, 0)
	s.check()
}

const wideMSS = "mss 1460,sackOK"

// A black hole shows as timeouts; the size falls to the base, the text passes, and the search
// finds what the path carries, without a reduction for the probes it lost.
func TestBlackHole(t *testing.T) {
	for _, mtu := range []int{1300, 1064, 1100, 1499, 600, 576} {
		run(t, Config{}, func(s *script) {
			s.passive(wideMSS)
			s.sampleRTT()
			s.write(60000)
			start := s.now
			s.passPath(mtu, 10*Second)
			if s.c.sndUna != s.c.sndBuf.end {
				s.fatalf("mtu %d: not everything has arrived", mtu)
			}
			if s.c.counters.BlackHoles == 0 || s.now.Sub(start) > 5*Second {
				s.fatalf("mtu %d: %d black holes, %d ms", mtu, s.c.counters.BlackHoles, s.now.Sub(start)/ms)
			}
			for range 10 { // room for the search
				s.write(60000)
				s.passPath(mtu, 10*Second)
			}
			if s.c.pmtu > mtu || s.c.pmtu <= mtu-pmtuSearchStep {
				s.fatalf("path MTU %d, the path carries %d", s.c.pmtu, mtu)
			}
			if s.c.plp.searching || s.c.plp.raiseAt == 0 {
				s.fatalf("the search goes on, or never begins again")
			}
			if s.c.counters.Timeouts > 4 || s.c.counters.FastRecoveries > 1 {
				s.fatalf("mtu %d: %d timeouts, %d recoveries: probes count as congestion", mtu, s.c.counters.Timeouts, s.c.counters.FastRecoveries)
			}
		})
	}
}

// After ten minutes the path is probed again, and what it carries now is used.
func TestPathMTUIsRaisedAfterTenMinutes(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(wideMSS)
		s.sampleRTT()
		for ended := false; !ended; ended = !s.c.plp.searching {
			s.write(60000)
			s.passPath(1200, 10*Second)
		}
		s.now = s.now.Add(599 * Second)
		s.write(60000)
		if n := s.passPath(1500, 10*Second); n > 1200 {
			s.fatalf("packet of %d bytes before the timer", n)
		}
		s.now = s.now.Add(2 * Second)
		s.write(60000)
		s.passPath(1500, 10*Second)
		if s.c.pmtu != 1500 {
			s.fatalf("path MTU %d", s.c.pmtu)
		}
	})
}

// TestRouterPathMTU: what a router reports is taken at once, has a floor, is not congestion, and
// is questioned after ten minutes (RFC 1191 §6.3).
func TestRouterPathMTU(t *testing.T) {
	for _, options := range []string{wideMSS, "mss 1460"} {
		run(t, Config{}, func(s *script) {
			s.passive(options)
			s.sampleRTT()
			s.write(60000)
			segs := s.drain()
			cwnd := s.c.win.cwnd
			e := ICMPError{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableFragNeeded, Seq: segs[0].Seq, MTU: 1200}
			if drop := s.c.HandleICMP(s.now, e); drop != DropNone {
				s.fatalf("dropped for %v", drop)
			}
			s.check()
			if n := s.passPath(1200, 10*Second); n > 1200 || s.c.pmtu != 1200 {
				s.fatalf("packets of %d bytes, path MTU %d", n, s.c.pmtu)
			}
			if s.c.win.cwnd < cwnd || s.c.counters.FastRecoveries+s.c.counters.Timeouts > 0 {
				s.fatalf("cwnd %d of %d", s.c.win.cwnd, cwnd)
			}
			s.now = s.now.Add(600 * Second)
			for range 3 { // cwnd restarts after idle
				s.write(60000)
				s.passPath(1500, 10*Second)
			}
			if s.c.pmtu != 1500 {
				s.fatalf("path MTU %d after ten minutes", s.c.pmtu)
			}
		})
	}
}

// The router answers the probe as well: that ends the search.
func TestRouterAnswersProbe(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(wideMSS)
		s.sampleRTT()
		s.write(60000)
		segs := s.drain()
		e := ICMPError{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableFragNeeded, Seq: segs[0].Seq, MTU: 1200}
		s.c.HandleICMP(s.now, e)
		s.passPath(1200, 10*Second)
		s.now = s.now.Add(600 * Second)
		s.write(1160 * 8)
		sent := s.drain()
		probe, last := sent[0], sent[len(sent)-1]
		if s.c.plp.probe != 1500 || len(probe.Payload) != 1460 {
			s.fatalf("no probe is out")
		}
		e.Seq = probe.Seq
		s.c.HandleICMP(s.now, e)
		s.check()
		if s.c.plp.searching || s.c.plp.probe != 0 || s.c.pmtu != 1200 || s.c.rec.phase != recResend {
			s.fatalf("searching %v, probe %d, path MTU %d", s.c.plp.searching, s.c.plp.probe, s.c.pmtu)
		}
		cwnd := s.c.win.cwnd
		for _, n := range []int{1160, 300} {
			if seg, _ := s.poll(); len(seg.Payload) != n {
				s.fatalf("resends %d bytes of the probe, want %d", len(seg.Payload), n)
			}
		}
		s.ackFrom(probe.Seq, seqRange{sent[1].Seq, last.Seq.Add(last.Len())})
		s.ackFrom(last.Seq.Add(last.Len()), seqRange{})
		if s.c.win.cwnd < cwnd || s.c.rec.phase != recOpen || s.c.plp.raiseAt == 0 {
			s.fatalf("cwnd %d of %d, phase %d", s.c.win.cwnd, cwnd, s.c.rec.phase)
		}
	})
}

// A timeout of small segments, or a single one of a full segment, is no black hole.
func TestNoBlackHole(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(wideMSS)
		s.sampleRTT()
		s.write(500)
		s.drain()
		for range 6 {
			s.untilTimeout()
			s.drain()
		}
		if s.c.counters.BlackHoles != 0 {
			s.fatalf("a segment of 500 bytes fell into a black hole")
		}
	})
	run(t, Config{}, func(s *script) {
		s.passive(wideMSS)
		s.sampleRTT()
		s.write(30000)
		s.drain()
		s.untilTimeout()
		s.passPath(1500, 10*Second)
		if s.c.counters.BlackHoles != 0 || s.c.pmtu != 1500 {
			s.fatalf("one timeout made a black hole")
		}
	})
}

// The pieces of a segment keep its place in the scoreboard whatever became of it.
func TestResegmentKeepsOrderAndAccount(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(wideMSS)
		s.sampleRTT()
		s.c.win.cwnd = 60000
		s.write(14600)
		s.drain()
		s.recv(". 1:1(0) ack 101 <sack 4481:5941 8861:10321>") // loses what is older, by and by
		s.drain()
		for _, mss := range []uint32{1000, 999, 500, 48} {
			before := s.c.sb
			s.c.sb.resegment(mss)
			s.check()
			if s.c.sb.pipe != before.pipe || s.c.sb.lostBytes != before.lostBytes || s.c.sb.sackedBytes != before.sackedBytes {
				s.fatalf("mss %d: pipe %d of %d", mss, s.c.sb.pipe, before.pipe)
			}
		}
	})
}

// The ACK of a SYN-ACK does not ride on queued text, which a black hole would swallow with it.
func TestHandshakeAckGoesAlone(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.write(3000)
		s.recv("S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK>")
		s.want("ACK alone", ". 1:1(0) ack 1")
		s.want("then the text", ". 1:1001(1000) ack 1")
	})
}

// TestWindowWithdrawnFromProbe: the peer closes its window while a probe of a larger path MTU is out. The
// probe, which was lost, is resent in pieces; that one of them arrives says nothing about its size.
func TestWindowWithdrawnFromProbe(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(wideMSS)
		s.c.setPathMTU(minPMTU)
		s.c.plp = pathSearch{searching: true, first: true, high: 1500}
		s.write(20000)
		if probe := s.drain()[0]; len(probe.Payload) != 1460 {
			s.fatalf("no probe, but %d bytes", len(probe.Payload))
		}
		s.recv(". 1:1(0) ack 1 win 0")
		s.waitTimer()
		for s.c.counters.WindowProbes == 0 {
			s.drain()
			s.waitTimer()
		}
		s.want("a piece", ". 1:513(512) ack 1")
		s.recv(". 1:1(0) ack 513 win 65535")
		if s.c.pmtu != minPMTU {
			s.fatalf("path MTU %d", s.c.pmtu)
		}
	})
}
