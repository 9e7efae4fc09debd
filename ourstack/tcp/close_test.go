package tcp

import (
	"io"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

func TestCloseByUsFirst(t *testing.T) { // RFC 9293 figure 12
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.wantState(StateFinWait1)
		s.recv(". 1:1(0) ack 2")
		s.wantState(StateFinWait2)
		s.recv("F. 1:1(0) ack 2")
		s.want("ACK of FIN", ". 2:2(0) ack 2")
		s.wantState(StateTimeWait)
		s.wantDrop(s.recv("F. 1:1(0) ack 2"), DropSequence)
		s.want("a repeated FIN is acknowledged again", ". 2:2(0) ack 2")
		s.wait(59 * Second)
		s.wantState(StateTimeWait)
		s.wait(2 * Second) // MUST-13
		s.wantIdle("gone")
		if s.c.State() != StateClosed || !s.c.Released() || s.c.Err() != nil {
			s.fatalf("%v released %v err %v", s.c.State(), s.c.Released(), s.c.Err())
		}
	})
}

func TestCloseByPeerFirst(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv("FP. 1:101(100) ack 1")
		s.want("ACK of text and FIN", ". 1:1(0) ack 102")
		s.wantState(StateCloseWait)
		s.write(10) // the other half stays open
		s.want("text in CLOSE-WAIT", "P. 1:11(10) ack 102")
		s.recv(". 102:102(0) ack 11")
		s.read(100)
		s.wantEOF("after the text")
		s.c.Close(s.now)
		s.want("FIN", "F. 11:11(0) ack 102")
		s.wantState(StateLastAck)
		s.recv(". 102:102(0) ack 12")
		s.wantIdle("closed")
		if !s.c.Released() || s.c.Err() != nil {
			s.fatalf("released %v err %v", s.c.Released(), s.c.Err())
		}
	})
}

func TestSimultaneousClose(t *testing.T) { // RFC 9293 figure 13
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("F. 1:1(0) ack 1")
		s.want("ACK of FIN", ". 2:2(0) ack 2")
		s.wantState(StateClosing)
		s.recv(". 2:2(0) ack 2")
		s.wantState(StateTimeWait)
	})
}

func TestFinWithAckOfOurFin(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("F. 1:1(0) ack 2")
		s.want("ACK", ". 2:2(0) ack 2")
		s.wantState(StateTimeWait)
	})
}

func TestHalfCloseKeepsReceiving(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		if err := s.c.CloseWrite(s.now); err != nil {
			s.fatalf("%v", err)
		}
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv(". 1:1(0) ack 2")
		s.wantState(StateFinWait2)
		s.wait(3600 * Second) // no bound while somebody reads
		s.wantState(StateFinWait2)
		s.recv("P. 1:1001(1000) ack 2")
		s.read(1000)
		s.waitTimer()
		s.want("ACK", ". 2:2(0) ack 1001")
		if _, err := s.c.Write(s.now, []byte("x")); err != ErrClosing {
			s.fatalf("write after CloseWrite: %v", err)
		}
		s.recv("F. 1001:1001(0) ack 2")
		s.want("ACK", ". 2:2(0) ack 1002")
		s.wantEOF("end")
		s.wantState(StateTimeWait)
	})
}

func TestFinWait2OfClosedConnectionIsBounded(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv(". 1:1(0) ack 2")
		s.wait(60 * Second)
		s.wantIdle("no more")
		s.wantState(StateClosed)
	})
}

func TestTextAfterCloseIsReset(t *testing.T) { // SHLD-3, MAY-1
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("P. 1:11(10) ack 2")
		s.want("nobody will read this", "R. 2:2(0) ack 1")
		s.wantIdle("once")
		if !s.c.Released() {
			s.fatalf("not released")
		}
	})
}

// Text that was read before Close comes again, now with the FIN: our ACK of it was lost.
func TestOldTextWithFinAfterClose(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("")
		s.recv("P. 1:11(10) ack 1")
		s.read(10)
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 11")
		s.recv("FP. 1:11(10) ack 1")
		s.wantState(StateClosing)
		s.want("ACK of the FIN", ". 2:2(0) ack 12")
		s.recv(". 12:12(0) ack 2")
		s.wantState(StateTimeWait)
	})
}

func TestCloseWithUnreadTextResets(t *testing.T) { // RFC 2525 §2.17
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv("P. 1:11(10) ack 1")
		s.c.Close(s.now)
		s.want("text was lost", "R. 1:1(0) ack 11")
		s.wantState(StateClosed)
	})
}

func TestAbort(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.write(100)
		s.c.Abort(s.now)
		s.want("<SEQ=SND.NXT><CTL=RST>", "R. 1:1(0) ack 1")
		s.wantIdle("flushed")
		if s.c.Err() != ErrAborted || !s.c.Released() {
			s.fatalf("%v", s.c.Err())
		}
	})
}

func TestFinIsRetransmitted(t *testing.T) { // bug class 38
	for lost := 1; lost <= 4; lost++ {
		run(t, Config{}, func(s *script) {
			s.passive("mss 1460")
			s.write(10)
			s.c.Close(s.now)
			s.want("text and FIN in one", "FP. 1:11(10) ack 1")
			for range lost {
				s.waitTimer()
				s.want("again, same sequence number", "FP. 1:11(10) ack 1")
			}
			s.recv(". 1:1(0) ack 11") // the text alone
			s.waitTimer()
			s.want("FIN alone", "F. 11:11(0) ack 1")
			s.recv("F. 1:1(0) ack 12")
			s.want("ACK of the peer's FIN", ". 12:12(0) ack 2")
			s.wantState(StateTimeWait)
		})
	}
}

func TestFinBeforeHoleWaits(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460,sackOK")
		s.recv("FP. 101:201(100) ack 1")
		s.want("SACK with the FIN", ". 1:1(0) ack 1 <nop,nop,sack 101:202>")
		s.wantState(StateEstablished)
		s.recv(". 201:301(100) ack 1") // beyond the FIN: nonsense
		s.want("not taken", ". 1:1(0) ack 1")
		s.recv("P. 1:101(100) ack 1")
		s.want("all and FIN", ". 1:1(0) ack 202")
		s.wantState(StateCloseWait)
		s.read(200)
		s.wantEOF("end")
	})
}

func TestFinBeforeReceivedTextIsNotBelieved(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460,sackOK")
		s.recv(". 101:201(100) ack 1")
		s.recv("F. 51:51(0) ack 1")
		s.drain()
		s.recv(". 1:101(100) ack 1")
		s.want("no end at 51", ". 1:1(0) ack 201")
		s.wantState(StateEstablished)
		s.read(200)
	})
}

func TestCloseAgainstZeroWindow(t *testing.T) { // bug class 1
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv(". 1:1(0) ack 1 win 0")
		s.write(100)
		s.c.Close(s.now)
		s.wantState(StateFinWait1)
		s.wantIdle("the window is closed")
		start := s.now
		s.waitTimer()
		s.want("window probe", ". 1:2(1) ack 1")
		for s.c.State() != StateClosed {
			s.recv(". 1:1(0) ack 1 win 0")
			s.waitTimer()
			for {
				if _, ok := s.poll(); !ok {
					break
				}
			}
			if s.now.Sub(start) > 300*Second {
				s.fatalf("an orphan waits for ever")
			}
		}
		if d := s.now.Sub(start); d < 60*Second {
			s.fatalf("given up after only %d s", d/Second)
		}
	})
}

func TestWindowOpensAfterClose(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv(". 1:1(0) ack 1 win 0")
		s.write(100)
		s.c.Close(s.now)
		s.wantIdle("the window is closed")
		s.recv(". 1:1(0) ack 1 win 1000")
		s.want("text and FIN", "FP. 1:101(100) ack 1")
		s.recv(". 1:1(0) ack 102")
		s.wantState(StateFinWait2)
	})
}

func TestCloseInSynReceived(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.synIn("mss 1460")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
		s.c.Close(s.now)
		s.wantIdle("FIN waits for the handshake")
		s.recv(". 1:1(0) ack 1")
		s.want("FIN", "F. 1:1(0) ack 1")
		s.wantState(StateFinWait1)
	})
}

func TestResetKeepsTextThatArrived(t *testing.T) { // MUST-12
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.recv("P. 1:11(10) ack 1")
		s.recv("R 11:11(0)")
		s.read(10)
		s.wantRead("then the error", ErrReset)
	})
}

func TestTimeWaitAcceptsNewSyn(t *testing.T) { // RFC 6191, MAY-2, SHLD-4
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460,TS val 100 ecr 0")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("F. 1:1(0) ack 2")
		s.want("ACK", ". 2:2(0) ack 2")
		for _, tc := range []struct {
			text string
			want bool
		}{
			{"S 0:0(0) win 1 <TS val 99 ecr 0>", false},
			{"S 0:0(0) win 1 <TS val 101 ecr 0>", true},
			{"S 5:5(0) win 1 <TS val 100 ecr 0>", true},
			{"S 0:0(0) win 1 <TS val 100 ecr 0>", false},
		} {
			seg := s.parse(tc.text)
			if got := s.c.AcceptsNewSYN(&seg); got != tc.want {
				s.fatalf("%s: %v", tc.text, got)
			}
		}
		s.wantDrop(s.recv("R 2:2(0)"), DropRST) // RFC 1337
		s.wantState(StateTimeWait)
	})
}

func TestTimeWaitAcceptsSynThatBringsTimestamps(t *testing.T) { // RFC 6191 §2
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("F. 1:1(0) ack 2")
		s.want("ACK", ". 2:2(0) ack 2")
		for _, tc := range []struct {
			text string
			want bool
		}{
			{"S 0:0(0) win 1 <TS val 99 ecr 0>", true},
			{"S 1:1(0) win 1", false},
			{"S 2:2(0) win 1", true},
		} {
			seg := s.parse(tc.text)
			if got := s.c.AcceptsNewSYN(&seg); got != tc.want {
				s.fatalf("%s: %v", tc.text, got)
			}
		}
	})
}

// TestTimeWaitYieldsToRestartedPeer: a peer whose SYN is no newer than the old connection, and who
// therefore refuses our challenge, need not wait for TIME-WAIT to end.
func TestTimeWaitYieldsToRestartedPeer(t *testing.T) {
	for _, options := range []string{"mss 1460", "mss 1460,TS val 100 ecr 0"} {
		run(t, Config{}, func(s *script) {
			s.passive(options)
			s.c.Close(s.now)
			s.want("FIN", "F. 1:1(0) ack 1")
			s.recv("F. 1:1(0) ack 2")
			s.want("ACK", ". 2:2(0) ack 2")
			s.tsval--
			s.recv("S 0:0(0) win 1")
			s.want("challenge", ". 2:2(0) ack 2")
			s.wantDrop(s.recv("R 1:1(0)"), DropSequence)
			s.wantState(StateTimeWait)
			s.wantDrop(s.recv("R 2:2(0)"), DropNone)
			s.wantState(StateClosed)
			if err := s.c.Err(); err != nil {
				s.fatalf("an orderly end became %v", err)
			}
		})
	}
}

func TestReadAfterOrderlyEnd(t *testing.T) { // MUST-12
	s := newScript(t, &Config{}, 1, 1)
	s.passive("")
	s.recv("F. 1:1(0) ack 1")
	for range 3 {
		if n, err := s.c.Read(s.now, make([]byte, 9)); n != 0 || err != io.EOF {
			t.Fatal(n, err)
		}
	}
}

// TestStateSegmentMatrix gives every kind of segment at every position to a
// connection in every state: nothing may violate an invariant, loop, or be
// answered by more than one segment; a RST never by anything.
func TestStateSegmentMatrix(t *testing.T) {
	for name, open := range stateOpeners {
		for _, flags := range []wire.Flags{
			0, wire.FlagACK, wire.FlagSYN, wire.FlagSYN | wire.FlagACK, wire.FlagFIN | wire.FlagACK,
			wire.FlagRST, wire.FlagRST | wire.FlagACK, wire.FlagFIN, wire.FlagACK | wire.FlagPSH | wire.FlagURG, 0x1FF,
		} {
			for _, seq := range []int{-70000, -1, 0, 1, 1000, 65533, 65534, 65535, 65536, 200000} {
				for _, ack := range []int{-70000, -1, 0, 1, 2, 70000} {
					for _, n := range []int{0, 1, 1000} {
						s := newScript(t, &Config{}, 0xFFFFFFF0, 0xFFFFFFFA)
						open(s)
						matrixStep(s, name, flags, seq, ack, n)
					}
				}
			}
		}
	}
}

func matrixStep(s *script, name string, flags wire.Flags, seq, ack, n int) {
	seg := wire.TCP{SrcPort: 40000, DstPort: 80, Flags: flags, Wnd: 1000, Payload: make([]byte, n)}
	seg.Seq = s.c.rcvNxt + seqnum.Value(seq)
	seg.Ack = s.c.sndNxt + seqnum.Value(ack)
	s.note("<", &seg)
	s.c.HandleSegment(s.now, &seg, 0)
	s.check()
	count := 0
	for {
		out, ok := s.poll()
		if !ok {
			break
		}
		count++
		if flags&wire.FlagRST != 0 && out.Flags&wire.FlagRST != 0 {
			s.fatalf("%s: a RST was answered with a RST", name)
		}
	}
	if count > 3 {
		s.fatalf("%s: %d segments in answer to one", name, count)
	}
}

// stateOpeners bring a new script into each state.
var stateOpeners = map[string]func(s *script){
	"SYN-SENT": func(s *script) { s.c.OpenActive(s.now); s.want("SYN", "S 0:0(0)") },
	"SYN-RECEIVED": func(s *script) {
		s.synIn("mss 1460")
		s.want("SYN-ACK", "S. 0:0(0) ack 1")
	},
	"ESTABLISHED": func(s *script) { s.passive("mss 1460,sackOK") },
	"FIN-WAIT-1": func(s *script) {
		s.passive("mss 1460")
		_ = s.c.CloseWrite(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
	},
	"FIN-WAIT-2": func(s *script) {
		s.passive("mss 1460")
		_ = s.c.CloseWrite(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv(". 1:1(0) ack 2")
	},
	"CLOSE-WAIT": func(s *script) {
		s.passive("mss 1460")
		s.recv("F. 1:1(0) ack 1")
		s.want("ACK", ". 1:1(0) ack 2")
	},
	"CLOSING": func(s *script) {
		s.passive("mss 1460")
		_ = s.c.CloseWrite(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("F. 1:1(0) ack 1")
		s.want("ACK", ". 2:2(0) ack 2")
	},
	"LAST-ACK": func(s *script) {
		s.passive("mss 1460")
		s.recv("F. 1:1(0) ack 1")
		s.want("ACK", ". 1:1(0) ack 2")
		s.c.Close(s.now)
		s.want("FIN", "F. 1:1(0) ack 2")
	},
	"TIME-WAIT": func(s *script) {
		s.passive("mss 1460")
		_ = s.c.CloseWrite(s.now)
		s.want("FIN", "F. 1:1(0) ack 1")
		s.recv("F. 1:1(0) ack 2")
		s.want("ACK", ". 2:2(0) ack 2")
	},
}
