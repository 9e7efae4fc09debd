package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

// urgentSegment is a segment of the peer's with an urgent pointer.
func (s *script) urgent(text string, urg uint16) DropReason {
	s.t.Helper()
	seg := s.parse(text)
	seg.Flags |= wire.FlagURG
	seg.Urg = urg
	s.note("<", &seg)
	drop := s.c.HandleSegment(s.now, &seg, 0)
	s.check()
	return drop
}

func (s *script) wantUrgent(why string, n int) {
	s.t.Helper()
	if got := s.c.Info(s.now).Urgent; got != n {
		s.fatalf("%s: %d octets up to the end of urgent data, want %d", why, got, n)
	}
}

func TestUrgentDataIsInLine(t *testing.T) { // MUST-30, MUST-33, MUST-62, RFC 6093 §4
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.wantUrgent("none", 0)
		s.c.TakeEvents()
		s.urgent("P. 1:101(100) ack 1", 10) // the pointer is that of the octet after the urgent data
		if s.c.TakeEvents()&EventUrgent == 0 {
			s.fatalf("the user does not hear (MUST-32)")
		}
		s.wantUrgent("ten octets", 10)
		s.read(4)
		s.wantUrgent("six left", 6)
		s.read(96)
		s.wantUrgent("read", 0)
		s.urgent("P. 101:102(1) ack 1", 0)
		s.wantUrgent("a pointer to what was there", 0)
		s.read(1)
	})
}

func TestUrgentPointerAdvances(t *testing.T) { // MUST-32: "or when the urgent pointer advances"
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.urgent(". 1:11(10) ack 1", 500) // the urgent data is still to come: MUST-31
		s.wantUrgent("announced", 500)
		s.c.TakeEvents()
		s.urgent(". 11:21(10) ack 1", 490)
		if s.c.TakeEvents()&EventUrgent != 0 {
			s.fatalf("told again though nothing changed")
		}
		s.urgent(". 21:31(10) ack 1", 10)
		s.wantUrgent("a pointer does not recede", 500)
		s.urgent(". 31:41(10) ack 1", 60000)
		if s.c.TakeEvents()&EventUrgent == 0 {
			s.fatalf("an advance is not told")
		}
		s.wantUrgent("longer than the window will be", 60030)
		s.read(40)
	})
}

func TestUrgentWithClosedWindow(t *testing.T) { // MUST-66
	run(t, Config{RcvBufInit: 1000, RcvBufMax: 1000}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:1001(1000) ack 1")
		s.want("full", ". 1:1(0) ack 1001 win 0")
		s.urgent(". 1001:1001(0) ack 1", 20)
		s.wantUrgent("a pure ACK tells", 1020)
		s.urgent("P. 1001:1002(1) ack 1", 30)
		s.wantUrgent("a window probe tells", 1030)
	})
}

func TestUrgentAfterGigabytes(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.urgent("P. 1:11(10) ack 1", 5)
		s.read(10)
		s.drain()
		// As if 3 GB had passed: the old pointer is more than half of the space away.
		s.skipAhead(3 << 30)
		s.wantUrgent("an old pointer does not come back", 0)
		s.c.TakeEvents()
		first := int(s.c.rcvNxt - s.irs)
		s.urgent(seqRangeText("P", first, 100)+" ack 1", 50)
		if s.c.TakeEvents()&EventUrgent == 0 {
			s.fatalf("not told")
		}
		s.wantUrgent("a new one counts", 50)
	})
}

// skipAhead moves the receive space forward by n, as if that much had been received and read.
func (s *script) skipAhead(n uint32) {
	for n > 0 {
		k := min(n, 1<<30)
		n -= k
		c := s.c
		for _, v := range []*uint32{
			(*uint32)(&c.rcvNxt), (*uint32)(&c.rcvAdv), (*uint32)(&c.ack.lastSent), (*uint32)(&c.rcvBuf.base),
			(*uint32)(&c.rcvBuf.readSeq), (*uint32)(&c.rcvBuf.nxt), (*uint32)(&s.readSeen), (*uint32)(&s.edge),
		} {
			*v += k
		}
		// A pure ACK at the new place, so that everything that follows the peer does.
		s.recv(". " + itoa(int(c.rcvNxt-s.irs)) + ":" + itoa(int(c.rcvNxt-s.irs)) + "(0) ack " + itoa(int(c.sndUna-s.iss)))
	}
}

func TestUrgentIsNeverSent(t *testing.T) { // SHLD-13
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.urgent("P. 1:11(10) ack 1", 5)
		s.write(100)
		for _, seg := range s.drain() {
			if seg.Flags&wire.FlagURG != 0 || seg.Urg != 0 {
				s.fatalf("%+v", seg)
			}
		}
	})
}
