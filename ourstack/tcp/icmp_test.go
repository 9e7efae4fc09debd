package tcp

import (
	"errors"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// unreachable reports an ICMP error about the segment at relative sequence number seq.
func (s *script) unreachable(typ, code uint8, seq int) DropReason {
	s.t.Helper()
	drop := s.c.HandleICMP(s.now, ICMPError{Type: typ, Code: code, Seq: s.iss.Add(seqnum.Size(uint32(seq)))})
	s.check()
	return drop
}

// icmpErrors are all codes with what RFC 9293 §3.9.2.2 and RFC 1122 §3.2.2.1 make of them.
var icmpErrors = []struct {
	typ, code uint8
	err       error
	hard      bool // ends a connection attempt
}{
	{3, 0, ErrNetUnreachable, false},
	{3, 1, ErrHostUnreachable, false},
	{3, 2, ErrProtocolUnreachable, true},
	{3, 3, ErrRefused, true},
	{3, 5, ErrHostUnreachable, false},
	{3, 6, ErrNetUnreachable, false},
	{3, 7, ErrHostUnreachable, false},
	{3, 8, ErrHostUnreachable, false},
	{3, 9, ErrProhibited, true},
	{3, 10, ErrProhibited, true},
	{3, 11, ErrNetUnreachable, false},
	{3, 12, ErrHostUnreachable, false},
	{3, 13, ErrProhibited, true},
	{11, 0, ErrHostUnreachable, false},
	{11, 1, ErrHostUnreachable, false},
	{12, 0, ErrHostUnreachable, false},
	{12, 1, ErrHostUnreachable, false},
	{12, 2, ErrHostUnreachable, false},
}

func TestICMPNeverEndsASynchronizedConnection(t *testing.T) { // MUST-54, MUST-56, SHLD-25, MUST-47, RFC 5927 §5.2
	for _, e := range icmpErrors {
		for name, open := range stateOpeners {
			s := newScript(t, &Config{}, 0xFFFFFFF0, 7)
			open(s)
			if !s.c.State().Synchronized() || s.c.State() == StateTimeWait || s.c.State() == StateFinWait2 {
				continue // nothing is in flight there
			}
			s.c.TakeEvents()
			if s.c.State() == StateEstablished || s.c.State() == StateCloseWait {
				s.write(10)
				s.drain()
			}
			state := s.c.State()
			seq := int(s.c.sndUna - s.iss)
			s.wantDrop(s.unreachable(e.typ, e.code, seq), DropNone)
			if s.c.State() != state || s.c.Err() != nil {
				t.Errorf("%d/%d in %s: %v, %v", e.typ, e.code, name, s.c.State(), s.c.Err())
			}
			if s.c.TakeEvents()&EventSoftError == 0 || !errors.Is(s.c.SoftError(), e.err) {
				t.Errorf("%d/%d in %s: the user hears %v", e.typ, e.code, name, s.c.SoftError())
			}
		}
	}
}

func TestHardICMPErrorEndsAnAttempt(t *testing.T) { // SHLD-26
	for _, e := range icmpErrors {
		s := newScript(t, &Config{}, 0xFFFFFFFF, 7)
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.wantDrop(s.unreachable(e.typ, e.code, 0), DropNone)
		if ended := s.c.State() == StateClosed; ended != e.hard {
			t.Errorf("%d/%d: %v", e.typ, e.code, s.c.State())
		}
		if e.hard && !errors.Is(s.c.Err(), e.err) || !e.hard && !errors.Is(s.c.SoftError(), e.err) {
			t.Errorf("%d/%d: %v, %v", e.typ, e.code, s.c.Err(), s.c.SoftError())
		}
		if s.wantIdle("no RST for an attempt"); e.hard != s.c.Released() {
			t.Errorf("%d/%d: released %v", e.typ, e.code, s.c.Released())
		}
	}
}

func TestSoftErrorOfAnAttemptExplainsItsEnd(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.unreachable(3, 1, 0)
		for s.c.State() == StateSynSent {
			s.waitTimer()
			s.drain()
		}
		if !errors.Is(s.c.Err(), ErrHostUnreachable) {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestICMPMustQuoteWhatIsInFlight(t *testing.T) { // RFC 5927 §4.1
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.wantDrop(s.unreachable(3, 3, 1), DropICMPSequence) // nothing is in flight
		s.write(3000)
		s.drain()
		s.recv(". 1:1(0) ack 1001")
		for _, tc := range []struct {
			seq  int
			drop DropReason
		}{
			{1000, DropICMPSequence},
			{1001, DropNone},
			{1500, DropNone},
			{3000, DropNone},
			{3001, DropICMPSequence},
			{0, DropICMPSequence},
			{-1 << 31, DropICMPSequence},
			{-1, DropICMPSequence},
		} {
			s.wantDrop(s.unreachable(3, 1, tc.seq), tc.drop)
		}
		s.wantDrop(s.c.HandleICMP(s.now, ICMPError{Type: 3, Code: 4, Seq: s.iss, MTU: 600}), DropICMPSequence)
		if s.c.pmtu != 1500 {
			s.fatalf("path MTU %d by a forged message", s.c.pmtu)
		}
	})
}

func TestICMPThatIsNoError(t *testing.T) { // MUST-55: source quench
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000")
		s.write(10)
		s.drain()
		before := s.c.win
		for _, typ := range []uint8{0, 4, 5, 8, 13, 14, 200} {
			s.wantDrop(s.unreachable(typ, 0, 1), DropICMPIgnored)
		}
		s.wantDrop(s.unreachable(3, 200, 1), DropICMPIgnored)
		if s.c.SoftError() != nil || s.c.win != before || s.c.TakeEvents()&EventSoftError != 0 {
			s.fatalf("%v", s.c.SoftError())
		}
	})
}

func TestICMPForAClosedConnection(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.passive("mss 1000")
	s.write(10)
	s.drain()
	s.c.Abort(s.now)
	s.drain()
	s.wantDrop(s.unreachable(3, 1, 1), DropState)
}

// TestAbsurdPathMTU is bug class 17: whatever a router says, segments stay of a size that makes
// progress.
func TestAbsurdPathMTU(t *testing.T) { // RFC 1191 §3, RFC 5927 §7
	for _, mtu := range []int{0, 1, 20, 40, 67, 68, 100, 296, minPMTU - 1, minPMTU, 576, 1006, 1499, 1500, 65535, -5} {
		run(t, Config{}, func(s *script) {
			s.passive("mss 1460,sackOK,TS val 100 ecr 0")
			s.write(5000)
			s.drain()
			drop := s.c.HandleICMP(s.now, ICMPError{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableFragNeeded, Seq: s.c.sndUna, MTU: mtu})
			s.check()
			want := max(mtu, minPMTU)
			if want >= 1500 {
				s.wantDrop(drop, DropICMPIgnored)
				s.wantIdle("no news")
				return
			}
			s.wantDrop(drop, DropNone)
			segs := s.drain()
			got := 0
			for i, seg := range segs {
				if n := 20 + seg.HeaderLen() + len(seg.Payload); n > want {
					s.fatalf("MTU %d: packet of %d octets", mtu, n)
				}
				if i == 0 && seg.Seq != s.c.sndUna {
					s.fatalf("the first segment comes first")
				}
				got += len(seg.Payload)
			}
			if got < 4000 || s.c.win.cwnd < s.c.win.initial {
				s.fatalf("MTU %d: %d octets resent, cwnd %d: this was no congestion", mtu, got, s.c.win.cwnd)
			}
			s.ackAll()
			s.wantIdle("done")
		})
	}
}
