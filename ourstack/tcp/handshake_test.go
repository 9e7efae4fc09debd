package tcp

import (
	"strconv"
	"testing"

	"vpngw/ourstack/wire"
)

func TestPassiveOpenNegotiates(t *testing.T) {
	run(t, Config{MTU: 1420}, func(s *script) {
		s.synIn("mss 1380,sackOK,TS val 100 ecr 0,wscale 7")
		seg := s.want("SYN-ACK with all options", "S. 0:0(0) ack 1")
		o := seg.Opts
		if o.MSS != 1380 || !o.SACKPermitted || !o.HasTimestamps || o.TSEcr != 100 || !o.HasWndScale {
			s.fatalf("options %+v", o)
		}
		s.recv(". 1:1(0) ack 1 win 512")
		s.wantState(StateEstablished)
		if e := s.c.TakeEvents(); e&EventConnected == 0 {
			s.fatalf("events %b", e)
		}
		if s.c.sndWnd != 512<<7 {
			s.fatalf("window %d", s.c.sndWnd)
		}
		if s.c.win.smss != 1380-12 {
			s.fatalf("MSS %d", s.c.win.smss)
		}
		s.wantIdle("nothing to say")
	})
}

func TestPassiveOpenWithoutOptions(t *testing.T) {
	run(t, Config{MTU: 1420}, func(s *script) {
		s.synIn("")
		seg := s.want("SYN-ACK offers only what the SYN had", "S. 0:0(0) ack 1")
		o := seg.Opts
		if o.MSS != 1380 || o.SACKPermitted || o.HasTimestamps || o.HasWndScale {
			s.fatalf("options %+v", o)
		}
		s.recv(". 1:1(0) ack 1 win 512")
		if s.c.win.smss != 536 || s.c.sndWnd != 512 { // MUST-15
			s.fatalf("MSS %d window %d", s.c.win.smss, s.c.sndWnd)
		}
	})
}

func TestActiveOpen(t *testing.T) {
	run(t, Config{MTU: 1420}, func(s *script) {
		s.active("mss 1380,sackOK,wscale 7")
		s.wantIdle("established")
	})
}

func TestSynRetransmissionBacksOff(t *testing.T) { // MUST-20, MUST-22, MUST-23
	run(t, Config{MTU: 1420}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		for _, d := range []Duration{1, 2, 4, 8, 16, 32, 64} {
			if got := s.waitTimer(); got != d*Second {
				s.fatalf("waited %v, want %d s", got, d)
			}
			s.want("SYN again (MUST-22)", "S 0:0(0)")
		}
		if got := s.waitTimer(); got != 53*Second { // R2 for SYN: 180 s in all (MUST-23)
			s.fatalf("gave up after %v", got)
		}
		s.wantIdle("no RST from SYN-SENT")
		s.wantState(StateClosed)
		if s.c.Err() != ErrTimeout {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestActiveOpenRefused(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.wantDrop(s.recv("R 0:0(0)"), DropRST)
		s.wantState(StateSynSent)
		s.wantDrop(s.recv("R. 0:0(0) ack 2"), DropACK)
		s.wantIdle("a RST is never answered")
		s.recv("R. 0:0(0) ack 1")
		s.wantState(StateClosed)
		if s.c.Err() != ErrRefused {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestSynSentAnswersBadAckWithReset(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.wantDrop(s.recv(". 5:5(0) ack 77"), DropACK)
		s.want("<SEQ=SEG.ACK><CTL=RST>", "R 77:77(0)")
		s.wantState(StateSynSent)
		s.recv("S. 0:0(0) ack 1 <mss 1000>")
		s.want("ACK", ". 1:1(0) ack 1")
		s.wantState(StateEstablished)
	})
}

func TestSimultaneousOpen(t *testing.T) {
	run(t, Config{}, func(s *script) { // RFC 9293 figure 7, MUST-10
		s.c.OpenActive(s.now)
		s.want("SYN", "S 0:0(0)")
		s.recv("S 0:0(0) win 65535 <mss 1460,sackOK>")
		s.wantState(StateSynReceived)
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.recv("S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>")
		s.wantState(StateEstablished)
		s.want("ACK", ". 1:1(0) ack 1")
		s.write(10)
		s.want("data", "P. 1:11(10) ack 1")
	})
}

func TestDataOnHandshakeAck(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.synIn("mss 1460,sackOK,wscale 7")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.recv("P. 1:101(100) ack 1")
		s.wantState(StateEstablished)
		s.want("ACK", ". 1:1(0) ack 101")
		s.read(100)
	})
}

func TestSynReceivedAnswersBadAckWithReset(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.synIn("mss 1460")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.wantDrop(s.recv(". 1:1(0) ack 5"), DropACK)
		s.want("reset", "R 5:5(0)")
		s.wantState(StateSynReceived)
	})
}

func TestRepeatedSynResendsSynAck(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.synIn("mss 1460")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.recv("S 0:0(0) win 65535 <mss 1460>")
		s.want("SYN-ACK again", "S. 0:0(0) ack 1")
		s.wantIdle("once")
	})
}

func TestMSSExtremes(t *testing.T) {
	for _, tc := range []struct {
		opt  string
		want uint32
	}{{"", 536}, {"mss 0", 48}, {"mss 1", 48}, {"mss 47", 48}, {"mss 65535", 1380}, {"mss 1000", 1000}} {
		s := newScript(t, &Config{MTU: 1420}, 1, 1)
		s.passive(tc.opt)
		if s.c.win.smss != tc.want {
			t.Errorf("%q: MSS %d, want %d", tc.opt, s.c.win.smss, tc.want)
		}
		s.write(500)
		for sent := 0; sent < 500; {
			seg, ok := s.poll()
			if !ok {
				s.recv(". 1:1(0) ack " + strconv.Itoa(1+sent))
				continue
			}
			sent += len(seg.Payload)
		}
	}
}

func TestSynWithECNBits(t *testing.T) {
	for _, flags := range []wire.Flags{wire.FlagECE | wire.FlagCWR, wire.FlagECE | wire.FlagCWR | wire.FlagAE, wire.FlagECE} {
		for _, on := range []bool{false, true} {
			s := newScript(t, &Config{MTU: 1420, ECN: on}, 1, 1)
			seg := s.parse("S 0:0(0) win 65535 <mss 1460>")
			seg.Flags |= flags
			s.c.OpenPassive(s.now, &seg, 0)
			got, _ := s.poll()
			if ece := got.Flags&wire.FlagECE != 0; ece != (on && flags&wire.FlagCWR != 0) {
				t.Errorf("flags %x, ECN %v: ECE %v", flags, on, ece)
			}
		}
	}
}
