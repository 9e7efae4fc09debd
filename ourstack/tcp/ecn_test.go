package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

const ecnOptions = "mss 1000,sackOK"

// passiveECN opens by an ECN-setup SYN.
func (s *script) passiveECN() {
	s.t.Helper()
	s.recvSYN("SEW 0:0(0) win 65535 <" + ecnOptions + ">")
	s.want("ECN-setup SYN-ACK: ECE, not CWR", "S.E 0:0(0) ack 1")
	if s.out != ecnNotECT {
		s.fatalf("a SYN-ACK is not ECN-capable")
	}
	s.recv(". 1:1(0) ack 1")
	s.wantIdle("established")
	s.c.ack.quick = 0
}

func (s *script) recvSYN(text string) {
	s.t.Helper()
	seg := s.parse(text)
	s.c.OpenPassive(s.now, &seg, 0)
	s.check()
}

func TestECNSetup(t *testing.T) { // RFC 3168 §6.1.1, SHLD-8
	run(t, Config{ECN: true}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("ECN-setup SYN", "SEW 0:0(0)")
		s.waitTimer()
		s.want("a repeated SYN does without (§6.1.1.1)", "S 0:0(0)")
	})
	for _, tc := range []struct {
		synAck string
		on     bool
	}{{"S.E", true}, {"S.", false}, {"S.EW", false}, {"S.W", false}} {
		s := newScript(t, &Config{ECN: true}, 1, 1)
		s.c.OpenActive(s.now)
		s.want("SYN", "SEW 0:0(0)")
		s.recv(tc.synAck + " 0:0(0) ack 1 win 65535 <mss 1000>")
		s.drain()
		if s.c.Info(s.now).ECN != tc.on {
			t.Errorf("%s: ECN %v", tc.synAck, s.c.Info(s.now).ECN)
		}
		s.write(10)
		s.drain()
		if (s.out == ecnECT0) != tc.on {
			t.Errorf("%s: field %d", tc.synAck, s.out)
		}
	}
}

func TestECNOnNewTextOnly(t *testing.T) { // RFC 3168 §6.1.4, §6.1.5, §6.1.6
	run(t, Config{ECN: true}, func(s *script) {
		s.passiveECN()
		s.write(10)
		s.want("new text", "P. 1:11(10) ack 1")
		if s.out != ecnECT0 {
			s.fatalf("new text with field %d", s.out)
		}
		s.waitTimer()
		s.want("retransmission", "P. 1:11(10) ack 1")
		if s.out != ecnNotECT {
			s.fatalf("retransmission with field %d", s.out)
		}
		s.recv("P. 1:11(10) ack 11")
		s.waitTimer()
		s.want("pure ACK", ". 11:11(0) ack 11")
		if s.out != ecnNotECT {
			s.fatalf("pure ACK with field %d", s.out)
		}
		s.recv(". 11:11(0) ack 11 win 0")
		s.write(10)
		s.waitTimer()
		s.poll()
		if s.out != ecnNotECT {
			s.fatalf("window probe with field %d", s.out)
		}
	})
}

func TestCongestionExperiencedIsEchoedUntilCWR(t *testing.T) { // RFC 3168 §6.1.3
	run(t, Config{ECN: true}, func(s *script) {
		s.passiveECN()
		s.ecn = ecnCE
		s.recv("P. 1:101(100) ack 1")
		s.ecn = ecnECT0
		s.want("at once", ".E 1:1(0) ack 101")
		s.recv("P. 101:201(100) ack 1")
		s.waitTimer()
		s.want("still", ".E 1:1(0) ack 201")
		s.write(10)
		s.want("on text too", "P.E 1:11(10) ack 201")
		s.recv(".W 201:201(0) ack 11")
		s.recv("P. 201:301(100) ack 11")
		s.waitTimer()
		s.want("a CWR without text is none", ".E 11:11(0) ack 301")
		s.recv("P.W 301:401(100) ack 11")
		s.waitTimer()
		s.want("CWR ends it", ". 11:11(0) ack 401")
		s.ecn = ecnCE
		s.recv("P.W 401:501(100) ack 11")
		s.want("a new mark on the CWR itself", ".E 11:11(0) ack 501")
	})
}

func TestECNEchoReducesOncePerRoundTrip(t *testing.T) { // RFC 3168 §6.1.2
	run(t, Config{ECN: true}, func(s *script) {
		s.passiveECN()
		s.write(40000)
		s.drain()
		start := s.c.win.cwnd
		s.recv(".E 1:1(0) ack 1001")
		first := s.c.win.cwnd
		if first >= start {
			s.fatalf("cwnd %d, before %d", first, start)
		}
		s.recv(".E 1:1(0) ack 2001")
		s.recv(".E 1:1(0) ack 3001")
		if s.c.win.cwnd != first {
			s.fatalf("cwnd %d after further echoes of the same round trip, want %d", s.c.win.cwnd, first)
		}
		for s.c.inFlight()+1000 > s.c.win.cwnd {
			s.recv(".E 1:1(0) ack " + itoa(int(s.c.sndUna-s.iss)+1000))
		}
		cwr := 0
		for i, seg := range s.drain() {
			if seg.Flags&wire.FlagCWR != 0 {
				if cwr++; i != 0 {
					s.fatalf("CWR on segment %d", i)
				}
			}
		}
		if cwr != 1 {
			s.fatalf("%d segments with CWR", cwr)
		}
		s.recv(".E 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
		if s.c.win.cwnd >= first {
			s.fatalf("an echo of the next round trip did not reduce: cwnd %d", s.c.win.cwnd)
		}
		if s.c.counters.Retransmits != 0 {
			s.fatalf("marks are no losses")
		}
	})
}

func TestECNReactsAfterGigabytes(t *testing.T) {
	s := newScript(t, &Config{ECN: true}, 1, 1)
	s.passiveECN()
	s.write(20000)
	s.drain()
	s.recv(".E 1:1(0) ack 1001")
	point := s.c.rec.ecnPoint
	for range 3 { // 3 × 1 GB without a mark: the old point must not look like the future
		s.ackAll()
		s.skipSent(1 << 30)
		s.write(5000)
		s.drain()
	}
	before := s.c.win.cwnd
	s.recv(".E 1:1(0) ack " + itoa(int(s.c.sndUna-s.iss)+1000))
	if s.c.win.cwnd >= before || s.c.rec.ecnPoint == point {
		t.Fatalf("cwnd %d, before %d: the echo was taken for an old one", s.c.win.cwnd, before)
	}
}

// ackAll acknowledges everything that is outstanding.
func (s *script) ackAll() {
	s.t.Helper()
	for range 10000 {
		if s.c.sndUna == s.c.sndBuf.end {
			return
		}
		if s.drain(); s.c.sndNxt == s.c.sndUna {
			s.waitTimer()
			continue
		}
		s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
	}
	s.fatalf("it takes for ever")
}

// skipSent moves the send space forward by n, as if that much had been sent and acknowledged.
// Nothing may be outstanding.
func (s *script) skipSent(n uint32) {
	s.t.Helper()
	c := s.c
	if !c.sb.empty() || c.sndBuf.len() != 0 {
		s.fatalf("something is outstanding")
	}
	for _, v := range []*uint32{
		(*uint32)(&c.sndUna), (*uint32)(&c.sndNxt), (*uint32)(&c.sndBuf.base), (*uint32)(&c.sndBuf.una),
		(*uint32)(&c.sndBuf.end), (*uint32)(&c.sndWl2),
	} {
		*v += n
	}
	s.write(1)
	s.drain()
	s.recv(". 1:1(0) ack " + itoa(int(c.sndNxt-s.iss)))
}

func TestECNAfterTimeoutSetsCWR(t *testing.T) { // RFC 3168 §6.1.2: a reduction "for any reason"
	run(t, Config{ECN: true}, func(s *script) {
		s.passiveECN()
		s.write(1000)
		s.drain()
		for s.c.counters.Timeouts == 0 {
			s.waitTimer()
			for _, seg := range s.drain() {
				if seg.Flags&wire.FlagCWR != 0 {
					s.fatalf("CWR on a retransmission")
				}
			}
		}
		s.recv(". 1:1(0) ack 1001")
		s.write(10)
		s.want("first new text after the reduction", "P.W 1001:1011(10) ack 1")
		s.recv(". 1:1(0) ack 1011")
		s.write(10)
		s.want("once", "P. 1011:1021(10) ack 1")
	})
}

func TestWithoutECNBitsAreIgnored(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive(ecnOptions)
		s.write(10000)
		s.drain()
		before := s.c.win.cwnd
		s.ecn = ecnCE
		s.recv("P.E 1:101(100) ack 1001")
		if s.c.win.cwnd < before || s.out != ecnNotECT {
			s.fatalf("cwnd %d, field %d", s.c.win.cwnd, s.out)
		}
		for _, seg := range s.drain() {
			if seg.Flags&(wire.FlagECE|wire.FlagCWR) != 0 {
				s.fatalf("%+v", seg)
			}
		}
	})
}
