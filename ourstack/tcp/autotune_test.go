package tcp

import (
	"testing"

	"vpngw/ourstack/stacktest"
)

// feed sends n octets from the peer in full segments, reads them if asked, and takes what is sent.
func (s *script) feed(n int, read bool) {
	s.t.Helper()
	for n > 0 {
		k := min(n, 1000)
		s.recv(seqRangeText("", int(s.c.rcvNxt-s.irs), k) + " ack 1")
		n -= k
	}
	if read {
		s.read(s.c.rcvBuf.unread())
	}
	s.drain()
}

func TestReceiveBufferGrowsWithWhatIsRead(t *testing.T) {
	run(t, Config{RcvBufMax: 4 << 20}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		rtt := 50 * ms
		for range 12 { // a sender that fills the window once a round trip
			s.pass(rtt)
			s.c.HandleTimeout(s.now)
			s.feed(int(s.c.rcvNxt.Size(s.c.rcvAdv))*9/10, true)
		}
		if got := s.c.tune.rcvBuf; got != 4<<20 {
			s.fatalf("receive buffer %d after 12 round trips of a full window", got)
		}
		if got := s.c.Info(s.now).RcvWnd; got < 3<<20 {
			s.fatalf("window %d", got)
		}
	})
}

func TestReceiverMeasuresTheRoundTrip(t *testing.T) { // RFC 7323 §4.1, by the echo on text
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		for range 100 {
			echo := s.tsecr
			s.pass(80 * ms)
			s.c.HandleTimeout(s.now)
			first := int(s.c.rcvNxt - s.irs)
			s.tsecr = echo
			s.recv(seqRangeText("", first, 988) + " ack 1")
			s.recv(seqRangeText("P", first+988, 988) + " ack 1")
			s.read(2 * 988)
			s.drain()
		}
		if got := s.c.tune.round(s.c); got < 75*ms || got > 85*ms {
			s.fatalf("round of %d ms", got/ms)
		}
		s.pass(5 * Second)
		s.recv(seqRangeText("P", int(s.c.rcvNxt-s.irs), 10) + " ack 1") // the sender slept, the path did not
		if got := s.c.tune.round(s.c); got > 85*ms {
			s.fatalf("round of %d ms", got/ms)
		}
	})
}

func TestReceiveBufferStaysForASlowFlow(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		for range 50 {
			s.pass(50 * ms)
			s.c.HandleTimeout(s.now)
			s.feed(3000, true)
		}
		if got := s.c.tune.rcvBuf; got > 2*DefaultRcvBufInit {
			s.fatalf("receive buffer %d for 3000 octets a round trip", got)
		}
	})
}

func TestReceiveBufferStaysWhenTheReaderSleeps(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		for range 20 {
			s.pass(50 * ms)
			s.c.HandleTimeout(s.now)
			if s.c.rcvNxt.Size(s.c.rcvAdv) > 1000 {
				s.feed(int(s.c.rcvNxt.Size(s.c.rcvAdv))-1000, false)
			}
		}
		if got := s.c.tune.rcvBuf; got != DefaultRcvBufInit {
			s.fatalf("receive buffer %d, nothing was read", got)
		}
	})
}

func TestReceiveBufferDoesNotGrowUnderPressure(t *testing.T) {
	run(t, Config{}, func(s *script) {
		m := &poolMemory{press: 1}
		s.c.cfg.Memory = m
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		for range 10 {
			s.pass(50 * ms)
			s.c.HandleTimeout(s.now)
			s.feed(int(s.c.rcvNxt.Size(s.c.rcvAdv))*9/10, true)
		}
		if got := s.c.tune.rcvBuf; got != DefaultRcvBufInit {
			s.fatalf("receive buffer %d under pressure", got)
		}
		m.press = 2 // scarce: the window is not reopened beyond need, but never withdrawn
		for range 10 {
			s.pass(50 * ms)
			s.c.HandleTimeout(s.now)
			s.feed(int(s.c.rcvNxt.Size(s.c.rcvAdv))*9/10, true)
		}
		if got := s.c.Info(s.now).RcvWnd; got > DefaultRcvBufInit/4+windowSlack/8 {
			s.fatalf("window %d with hardly any memory", got)
		}
		m.press = 0
		for range 6 {
			s.pass(50 * ms)
			s.c.HandleTimeout(s.now)
			s.feed(max(1, int(s.c.rcvNxt.Size(s.c.rcvAdv))*9/10), true)
		}
		if got := s.c.Info(s.now).RcvWnd; got < DefaultRcvBufInit/2 {
			s.fatalf("window %d after the pressure has gone", got)
		}
	})
}

func TestFixedReadBufferIsNotTuned(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK,TS val 100 ecr 0,wscale 7")
		s.c.SetReadBuffer(80000)
		s.drain()
		for range 10 {
			s.pass(50 * ms)
			s.c.HandleTimeout(s.now)
			s.feed(int(s.c.rcvNxt.Size(s.c.rcvAdv))*9/10, true)
		}
		if got := s.c.tune.rcvBuf; got != 80000 {
			s.fatalf("%d", got)
		}
	})
}

// TestSendBufferFollowsFlight: whatever is in flight, there is room behind it, up to the maximum and
// up to unsentMax.
func TestSendBufferFollowsFlight(t *testing.T) {
	run(t, Config{SndBufMax: 300000}, func(s *script) {
		s.passive("mss 1000,sackOK,wscale 7")
		if got := s.c.Info(s.now).SndBuf; got != DefaultSndBufInit {
			s.fatalf("%d at first", got)
		}
		fill := func() (queued int) {
			p := make([]byte, max(0, s.c.sendRoom()))
			stacktest.FillPayload(p, s.c.sndBuf.end)
			if _, err := s.c.Write(s.now, p); err != nil {
				s.fatalf("%v", err)
			}
			return len(p)
		}
		last := 0
		for range 40 {
			for fill() > 0 { // as long as text leaves
				sent := s.c.sndNxt
				if s.pump(ms); s.c.sndNxt == sent {
					break
				}
			}
			got := s.c.Info(s.now).SndBuf
			if got < last {
				s.fatalf("shrank from %d to %d without a loss", last, got)
			}
			last = got
			for s.c.sndUna != s.c.sndNxt { // every second segment
				ack := min(int(s.c.sndUna-s.iss)+2000, int(s.c.sndNxt-s.iss))
				s.recv(". 1:1(0) ack " + itoa(ack) + " win 65000")
			}
		}
		if last != 300000 {
			s.fatalf("%d at the end", last)
		}
		s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)) + " win 0")
		fill()
		if n := s.c.Info(s.now).Unsent; n != unsentMax {
			s.fatalf("%d bytes behind a closed window", n)
		}
	})
}

// TestGrowthDoesNotOverflow: a reader that took a byte in one round and 20 MB in the next asks for more
// than 32 bits count.
func TestGrowthDoesNotOverflow(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.passive("")
	for _, copied := range []int{20_000_001, 20_000_003, 21_000_000} {
		s.c.tune.rcvBuf, s.c.tune.space = DefaultRcvBufInit, 1
		s.now = s.now.Add(Second)
		s.c.tune.onRead(s.c, s.now, copied)
		if s.c.tune.rcvBuf != DefaultRcvBufMax {
			t.Errorf("after %d bytes the buffer is %d", copied, s.c.tune.rcvBuf)
		}
	}
}

// TestLargeSegmentsUnderPressure: the window that scarce memory leaves is worth an update also where
// segments are large; else the peer would wait for its persist timer each time.
func TestLargeSegmentsUnderPressure(t *testing.T) {
	for _, cfg := range []Config{{MTU: 1420}, {MTU: 9000}, {MTU: 40000}, {MTU: 65535}, {RcvBufMax: 5000}} {
		mem := &poolMemory{}
		cfg.Memory = mem
		run(t, cfg, func(s *script) {
			mem.press = 0
			s.passive("mss 65000,sackOK,wscale 7")
			mem.press = 2
			size := int(s.c.rcvMSS())
			for next := 1; ; next += size {
				size = min(size, int(s.c.rcvNxt.Size(s.c.rcvAdv)))
				if size == 0 {
					break
				}
				s.recv(seqRangeText("", next, size) + " ack 1")
				s.drain()
			}
			s.read(s.c.rcvBuf.unread())
			if segs := s.drain(); len(segs) != 1 || segs[0].Wnd == 0 {
				s.fatalf("MTU %d: no window update: %+v", s.c.cfg.MTU, segs)
			}
		})
	}
}
