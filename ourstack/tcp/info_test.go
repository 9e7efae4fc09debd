package tcp

import (
	"testing"

	"vpngw/ourstack/wire"
)

func TestInfo(t *testing.T) {
	run(t, Config{MTU: 1420, SndBufInit: 100000}, func(s *script) {
		s.synIn("mss 1380,sackOK,TS val 100 ecr 0,nop,wscale 7")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.pass(40 * ms)
		s.recv(". 1:1(0) ack 1 win 1000")
		s.recv("P. 1:101(100) ack 1 win 1000")
		s.write(50000)
		s.poll()
		i := s.c.Info(s.now)
		want := Info{
			State: StateEstablished, CongestionControl: "newreno", RTT: 40 * ms, RTTVar: 20 * ms, MinRTT: 40 * ms, RTO: 240 * ms,
			Cwnd: i.Cwnd, Ssthresh: i.Ssthresh, SndWnd: 128000, RcvWnd: i.RcvWnd, SndMSS: 1368, RcvMSS: 1368, PathMTU: 1420,
			InFlight: 1368, PacingRate: i.PacingRate, Unread: 100, Unsent: 50000 - 1368, Unacked: 1368, RcvBuf: DefaultRcvBufInit,
			SndBuf: 100000, Timestamps: true, SACK: true, WindowScale: true, SndShift: 7, RcvShift: i.RcvShift, Counters: i.Counters,
		}
		if i != want {
			s.fatalf("got  %+v\nwant %+v", i, want)
		}
		if i.Cwnd < 10*1368 || i.Ssthresh < 1<<30 || i.RcvWnd > DefaultRcvBufInit || i.RcvWnd < DefaultRcvBufInit-1000 || i.PacingRate == 0 {
			s.fatalf("%+v", i)
		}
		if c := i.Counters; c.SegmentsIn != 2 || c.SegmentsOut != 2 || c.BytesIn != 100 || c.BytesOut != 1368 || c.Dropped != 0 {
			s.fatalf("%+v", c)
		}
	})
}

func TestInfoOfAnEndedConnection(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.passive("mss 1000")
	s.write(100)
	s.recv("R 1:1(0)")
	s.drain()
	if i := s.c.Info(s.now); i.State != StateClosed || i.InFlight != 0 || i.Unsent != 0 {
		t.Fatalf("%+v", i)
	}
	var c Conn
	c.Init(&Config{MTU: 1500}, scriptTuple, 1, 1)
	_ = c.Info(1) // before it is opened
}

func TestNamesAreComplete(t *testing.T) {
	for d := range numDropReasons {
		if s := d.String(); s == "" || s == "unknown" {
			t.Errorf("reason %d has no name", d)
		}
	}
	if DropReason(200).String() != "unknown" || State(99).String() != "State(99)" {
		t.Error("names of nothing")
	}
	for st := StateClosed; st <= StateTimeWait; st++ {
		if st.String() == "" {
			t.Errorf("state %d has no name", st)
		}
	}
}

// TestTTLAndDSCP: MUST-48, MUST-49, SHLD-21, SHLD-22.
func TestTTLAndDSCP(t *testing.T) {
	s := newScript(t, &Config{DSCP: 10}, 1, 1)
	s.passive("mss 1000")
	if s.c.TTL() != 64 || s.c.TOS() != 10<<2 {
		t.Fatal(s.c.TTL(), s.c.TOS())
	}
	s.c.SetTTL(0)
	s.c.SetDSCP(255)
	if s.c.TTL() != 1 || s.c.TOS() != 63<<2 {
		t.Fatal(s.c.TTL(), s.c.TOS())
	}
	s.c.SetTTL(200)
	s.c.SetDSCP(46)
	if s.c.TTL() != 200 || s.c.TOS() != 46<<2 {
		t.Fatal(s.c.TTL(), s.c.TOS())
	}
}

func TestSegmentsOfTheWrongTupleAreNotOurs(t *testing.T) { // MUST-45: the local address stays
	s := newScript(t, &Config{}, 1, 1)
	s.passive("mss 1000")
	s.write(10)
	seg := s.want("text", "P. 1:11(10) ack 1")
	if s.c.Tuple() != scriptTuple || seg.SrcPort != scriptTuple.Local.Port || seg.DstPort != scriptTuple.Remote.Port {
		t.Fatalf("%+v", s.c.Tuple())
	}
	if seg.Flags&wire.FlagACK == 0 {
		t.Fatal("no ACK")
	}
}

// TestTextIsCountedOnce: what comes twice, or in pieces that overlap, counts once.
func TestTextIsCountedOnce(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("sackOK")
		s.recv("P. 101:201(100) ack 1", 2)
		s.recv("P. 1:151(150) ack 1", 2)
		if n := s.c.Info(s.now).Counters.BytesIn; n != 200 {
			s.fatalf("%d bytes", n)
		}
	})
}
