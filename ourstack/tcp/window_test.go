package tcp

import "testing"

func TestZeroWindowProbesBackOff(t *testing.T) { // MUST-36, MUST-37, SHLD-29, SHLD-30
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv(". 1:1(0) ack 1 win 0")
		s.write(3000)
		s.wantIdle("the window is closed")
		last := Duration(0)
		for i := range 60 {
			d := s.waitTimer()
			s.want("one octet", ". 1:2(1) ack 1")
			s.wantIdle("no more than one")
			s.recv(". 1:1(0) ack 1 win 0")
			if i > 1 && d < last {
				s.fatalf("probe %d after %d ms, before %d ms", i, d/ms, last/ms)
			}
			last = d
		}
		if last > 120*Second {
			s.fatalf("probes every %d s", last/Second)
		}
		s.wantState(StateEstablished) // for as long as the peer answers
		s.recv(". 1:1(0) ack 1 win 65535")
		s.want("the probe's octet first", ". 1:2(1) ack 1")
		s.want("then the rest", ". 2:1462(1460) ack 1")
		s.recv(". 1:1(0) ack 1462")
		s.want("to the end", "P. 1462:3001(1539) ack 1"[:0]+". 1462:2922(1460) ack 1")
	})
}

func TestUnansweredProbesEndTheConnection(t *testing.T) {
	run(t, Config{UserTimeout: 100 * Second}, func(s *script) {
		s.passive("mss 1460")
		s.recv(". 1:1(0) ack 1 win 0")
		s.write(10)
		start := s.now
		for s.c.State() != StateClosed {
			s.waitTimer()
			for {
				if _, ok := s.poll(); !ok {
					break
				}
			}
			if s.now.Sub(start) > 300*Second {
				s.fatalf("never")
			}
		}
		if s.c.Err() != ErrTimeout {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestWindowUpdateByNewerSegmentsOnly(t *testing.T) { // WL1, WL2
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv("P. 1:11(10) ack 1 win 5000")
		s.recv("P. 11:21(10) ack 1 win 4000")
		if s.c.sndWnd != 4000 {
			s.fatalf("%d", s.c.sndWnd)
		}
		s.recv(". 11:11(0) ack 1 win 9000") // reordered: older SEG.SEQ
		if s.c.sndWnd != 4000 {
			s.fatalf("an old segment set the window to %d", s.c.sndWnd)
		}
		s.recv(". 21:21(0) ack 1 win 100")
		s.recv(". 21:21(0) ack 1 win 3000")
		if s.c.sndWnd != 3000 {
			s.fatalf("%d", s.c.sndWnd)
		}
	})
}

func TestWindowOfReorderedSegments(t *testing.T) { // WL1, WL2: both acceptable, the older one last
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.write(20)
		s.drain()
		s.recv("P. 21:31(10) ack 1 win 4000")
		s.recv("P. 1:11(10) ack 1 win 9000") // sent before it
		if s.c.sndWnd != 4000 {
			s.fatalf("an older segment set the window to %d", s.c.sndWnd)
		}
		s.recv(". 31:31(0) ack 21 win 3000")
		s.recv(". 31:31(0) ack 11 win 8000") // the same SEG.SEQ, an older ACK
		if s.c.sndWnd != 3000 {
			s.fatalf("an older ACK set the window to %d", s.c.sndWnd)
		}
		s.recv(". 31:31(0) ack 21 win 5000")
		if s.c.sndWnd != 5000 {
			s.fatalf("an update was not taken: %d", s.c.sndWnd)
		}
	})
}

func TestPeerShrinksWindow(t *testing.T) { // MUST-34, SHLD-15, SHLD-16, bug class 7
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		s.write(5000)
		for i := range 5 {
			_ = i
			if _, ok := s.poll(); !ok {
				s.fatalf("five segments")
			}
		}
		s.wantIdle("all is out")
		s.recv(". 1:1(0) ack 1 win 1500") // right edge from 65536 to 1501
		s.wantIdle("no new text")
		s.write(1000)
		s.wantIdle("the window is more than full")
		s.recv("P. 1:11(10) ack 1 win 1500")
		s.waitTimer()
		for {
			seg, ok := s.poll()
			if !ok {
				break
			}
			if n := seg.Seq.Add(0).Diff(s.iss); int(n)+len(seg.Payload) > 1501 && len(seg.Payload) > 0 {
				s.fatalf("sent up to %d beyond the shrunk window", int(n)+len(seg.Payload))
			}
		}
		s.recv(". 11:11(0) ack 5001 win 60000")
		s.want("the rest", "P. 5001:6001(1000) ack 11")
	})
}

func TestReceiverDoesNotOpenSillyWindows(t *testing.T) { // MUST-39
	run(t, Config{RcvBufInit: 4000, RcvBufMax: 4000}, func(s *script) {
		s.passive("mss 1460")
		s.recv("P. 1:1461(1460) ack 1")
		s.recv("P. 1461:2921(1460) ack 1")
		s.recv("P. 2921:4001(1080) ack 1")
		s.want("full", ". 1:1(0) ack 4001 win 0")
		for range 19 {
			s.read(100)
			s.wantIdle("too little to tell")
		}
		s.read(100) // half of the buffer
		s.want("window update", ". 1:1(0) ack 4001 win 2000")
	})
}

func TestWindowUpdateComesAtOnce(t *testing.T) { // bug class 32
	run(t, Config{RcvBufInit: 60000, RcvBufMax: 60000}, func(s *script) {
		s.passive("mss 1460")
		for i := 1; i < 58000; i += 1000 {
			s.recv(seqRangeText("P", i, 1000) + " ack 1")
		}
		for {
			if _, ok := s.poll(); !ok {
				break
			}
		}
		s.read(40000)
		s.want("at once, not with the delayed ACK", ". 1:1(0) ack 58001")
	})
}

func TestProbeIntoOurZeroWindowIsAnswered(t *testing.T) { // MAY-8
	run(t, Config{RcvBufInit: 1000, RcvBufMax: 1000}, func(s *script) {
		s.passive("mss 1000")
		s.recv("P. 1:1001(1000) ack 1")
		s.want("full", ". 1:1(0) ack 1001 win 0")
		for range 50 {
			s.wantDrop(s.recv(". 1001:1002(1) ack 1"), DropWindow)
			s.want("still full", ". 1:1(0) ack 1001 win 0")
		}
		s.read(1000)
		s.want("open", ". 1:1(0) ack 1001 win 1000")
	})
}

func TestZeroWindowsBothWays(t *testing.T) { // bug class 36
	cfg := &Config{MTU: 1420, RcvBufInit: 4000, RcvBufMax: 4000}
	p := newPair(t, 1, linkModel{delay: 10 * ms}, cfg, cfg)
	for p.a.c.State() != StateEstablished || p.b.c.State() != StateEstablished {
		p.step(p.now.Add(10 * Second))
	}
	fill := make([]byte, 20000)
	na, _ := p.a.c.Write(p.now, fill)
	nb, _ := p.b.c.Write(p.now, fill)
	p.step(p.now.Add(Second))
	packets := p.n
	end := p.now.Add(600 * Second)
	for p.step(end) {
	}
	if n := p.n - packets; n > 200 {
		t.Fatalf("%d packets in ten minutes of two closed windows", n)
	}
	got := [2]int{}
	buf := make([]byte, 5000)
	for i := 0; i < 200000 && (got[0] < nb || got[1] < na); i++ {
		n, _ := p.a.c.Read(p.now, buf)
		m, _ := p.b.c.Read(p.now, buf)
		got[0] += n
		got[1] += m
		p.step(p.now.Add(Second))
	}
	if got[0] != nb || got[1] != na {
		t.Fatalf("got %v of %d, %d", got, nb, na)
	}
}

func TestNagle(t *testing.T) { // SHLD-7, MUST-17, MUST-60, MAY-16
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.write(10)
		s.want("nothing outstanding: at once", "P. 1:11(10) ack 1")
		s.write(10)
		s.write(10)
		s.wantIdle("small text waits for the ACK")
		s.recv(". 1:1(0) ack 11")
		s.want("together", "P. 11:31(20) ack 1")
		s.c.SetNoDelay(true)
		s.write(5)
		s.want("Nagle off", "P. 31:36(5) ack 1")
	})
}

func TestSenderAvoidsSillyWindows(t *testing.T) { // MUST-38
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv(". 1:1(0) ack 1 win 500") // less than half of the largest window offered
		s.write(2000)
		s.wantIdle("500 octets would be a silly segment")
		s.waitTimer()
		s.want("but not for ever", ". 1:501(500) ack 1")
	})
}

func TestSmallWindowPeerIsServed(t *testing.T) { // bug class 8
	cfg := &Config{MTU: 1500}
	small := &Config{MTU: 1500, RcvBufInit: 1600, RcvBufMax: 1600}
	p := newPair(t, 3, linkModel{delay: 5 * ms}, cfg, small)
	data := make([]byte, 100000)
	start := p.now
	p.transfer(data, 3600*Second)
	if d := p.now.Sub(start); d > 90*Second {
		t.Fatalf("%d s for %d octets over a 10 ms path", d/Second, len(data))
	}
}
