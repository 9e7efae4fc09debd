package tcp

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/stacktest"
	"vpngw/ourstack/wire"
)

func TestSendBufferAgainstAByteSlice(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 4))
		m := &poolMemory{limit: 12}
		first := seqnum.Value(-uint32(rng.IntN(60000)))
		var b sendBuffer
		b.init(first)
		var model []byte // from una to end
		una := first
		for range 400 {
			switch rng.IntN(5) {
			case 0, 1:
				p := randomData(rng, rng.IntN(3*BlockSize))
				n := b.write(m, p, rng.IntN(6*BlockSize)-BlockSize)
				model = append(model, p[:n]...)
			case 2:
				n := rng.IntN(len(model) + 1)
				una = una.Add(seqnum.Size(n))
				model = model[n:]
				b.release(m, una)
			case 3: // room is lent out, and not all of it filled; meanwhile text is acknowledged
				limit := 1 + rng.IntN(6*BlockSize)
				room, size := b.lend(m, make([][]byte, 0, 1+rng.IntN(6)), limit), 0
				for _, p := range room {
					size += len(p)
				}
				if size > limit {
					t.Fatalf("seed %d: %d octets lent, want at most %d", seed, size, limit)
				}
				acked := rng.IntN(len(model) + 1)
				una, model = una.Add(seqnum.Size(acked)), model[acked:]
				b.release(m, una)
				text := randomData(rng, rng.IntN(size+1))
				for rest := text; len(rest) > 0; room = room[1:] {
					rest = rest[copy(room[0], rest):]
				}
				b.commit(m, len(text))
				model = append(model, text...)
			case 4:
				if len(model) == 0 {
					continue
				}
				off := rng.IntN(len(model))
				n := rng.IntN(min(len(model)-off, 3000) + 1)
				dst := make([]byte, n)
				sum := b.copyTo(dst, una.Add(seqnum.Size(off)), n)
				if !bytes.Equal(dst, model[off:off+n]) {
					t.Fatalf("seed %d: other octets", seed)
				}
				if wire.Fold(sum) != wire.Fold(wire.Sum(dst, 0)) {
					t.Fatalf("seed %d: checksum", seed)
				}
			}
			if b.len() != len(model) || b.una != una {
				t.Fatalf("seed %d: %d octets, want %d", seed, b.len(), len(model))
			}
			if most := len(model)/BlockSize + 2; m.out > most || len(model) == 0 && m.out != 0 {
				t.Fatalf("seed %d: %d blocks for %d octets", seed, m.out, len(model))
			}
		}
		b.clear(m)
		if m.out != 0 {
			t.Fatalf("seed %d: %d blocks leaked", seed, m.out)
		}
	}
}

func TestRecvBufferAgainstAByteSlice(t *testing.T) {
	const window = 5 * BlockSize
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 5))
		m := &poolMemory{limit: 4 + int(seed%8)} // some too small for the window
		first := seqnum.Value(-uint32(rng.IntN(60000)))
		var b recvBuffer
		b.init(first)
		stream := make([]byte, 40*BlockSize)
		stacktest.FillPayload(stream, first)
		read := 0
		for step := 0; read < len(stream); step++ {
			if step > 100000 {
				t.Fatalf("seed %d: stuck at %d of %d", seed, read, len(stream))
			}
			nxt := int(first.Size(b.nxt))
			if edge := min(read+window, len(stream)); rng.IntN(3) > 0 && nxt < edge {
				at := nxt
				if rng.IntN(2) == 0 {
					at += rng.IntN(edge - nxt)
				}
				n := 1 + rng.IntN(min(3000, edge-at))
				stored, advanced := b.insert(m, first.Add(seqnum.Size(at)), stream[at:at+n])
				if advanced && at != nxt || stored.left != first.Add(seqnum.Size(at)) {
					t.Fatalf("seed %d: %+v %v", seed, stored, advanced)
				}
			} else {
				p := make([]byte, 1+rng.IntN(5000))
				n := b.read(m, p)
				if !bytes.Equal(p[:n], stream[read:read+n]) {
					t.Fatalf("seed %d: other octets at %d", seed, read)
				}
				read += n
			}
			if m.out > window/BlockSize+2 {
				t.Fatalf("seed %d: %d blocks", seed, m.out)
			}
		}
		if m.out != 0 {
			t.Fatalf("seed %d: %d blocks leaked", seed, m.out)
		}
	}
}

// holders are situations in which a connection holds blocks; afterwards it ends in every way.
var holders = map[string]func(s *script){
	"nothing":     func(*script) {},
	"unsent text": func(s *script) { s.recv(". 1:1(0) ack 1 win 0"); s.write(30000) },
	"text in the air": func(s *script) {
		s.write(30000)
		s.drain()
	},
	"unread text": func(s *script) { s.recv(seqRangeText("P", 1, 20000) + " ack 1"); s.drain() },
	"text out of order": func(s *script) {
		s.recv(seqRangeText("", 30001, 10000) + " ack 1")
		s.recv(seqRangeText("", 10001, 10) + " ack 1")
		s.drain()
	},
	"all of it": func(s *script) {
		s.write(30000)
		s.recv(seqRangeText("P", 1, 9000) + " ack 1")
		s.recv(seqRangeText("P", 20001, 9000) + " ack 1")
		s.drain()
	},
	"room lent to a writer": func(s *script) {
		s.write(100)
		_, _ = s.c.WriteSpace(make([][]byte, 0, 3))
	},
	"room lent behind much text": func(s *script) {
		s.recv(". 1:1(0) ack 1 win 0")
		s.write(30000)
		_, _ = s.c.WriteSpace(make([][]byte, 0, 3))
	},
	"text lent to a reader": func(s *script) {
		s.recv(seqRangeText("P", 1, 20000) + " ack 1")
		_, _ = s.c.Peek(make([][]byte, 0, 9))
		s.drain()
	},
}

// endings end a connection; the peer's part included.
var endings = map[string]func(s *script){
	"abort":        func(s *script) { s.c.Abort(s.now) },
	"close, reset": func(s *script) { s.c.Close(s.now); s.drain(); s.recv("R " + s.edges() + "(0)") },
	"reset, close": func(s *script) { s.recv("R " + s.edges() + "(0)"); s.c.Close(s.now) },
	"close, silence": func(s *script) {
		s.c.Close(s.now)
		for s.c.State() != StateClosed {
			s.drain()
			s.waitTimer()
		}
	},
	"silence, close": func(s *script) {
		s.write(1)
		for s.c.State() != StateClosed {
			s.drain()
			s.waitTimer()
			if s.c.sndWnd == 0 {
				break
			}
		}
		s.c.Close(s.now)
		s.c.Abort(s.now)
	},
	"close for reading, abort": func(s *script) { s.c.CloseRead(s.now); s.drain(); s.c.Abort(s.now) },
}

func (s *script) edges() string {
	n := itoa(int(s.c.rcvNxt - s.irs))
	return n + ":" + n
}

func TestEveryEndGivesAllMemoryBack(t *testing.T) {
	for holding, hold := range holders {
		for ending, end := range endings {
			t.Run(holding+"/"+ending, func(t *testing.T) {
				m := &poolMemory{}
				s := newScript(t, &Config{Memory: m}, 0xFFFFFFFF-5000, 0xFFFFFFFF-9000)
				s.passive("mss 1460,sackOK")
				hold(s)
				end(s)
				s.drain()
				// What was lent out comes back from its borrower, at the latest now.
				if s.c.sndBuf.reserved {
					_ = s.c.CommitWrite(s.now, 0)
				}
				if s.c.rcvBuf.peeked {
					s.c.Discard(s.now, 0)
				}
				if !s.c.Released() {
					s.fatalf("not released: %v", s.c.State())
				}
				if m.out != 0 {
					s.fatalf("%d blocks leaked", m.out)
				}
				if s.c.Deadline() != 0 || s.c.Pending() {
					s.fatalf("something is still due")
				}
			})
		}
	}
}

func TestIdleConnectionHoldsNoMemory(t *testing.T) {
	m := &poolMemory{}
	s := newScript(t, &Config{Memory: m}, 5, 5)
	s.passive("mss 1460,sackOK")
	s.write(30000)
	s.ackAll()
	s.recv(seqRangeText("P", 20001, 20000) + " ack 30001")
	s.recv(seqRangeText("P", 1, 20000) + " ack 30001")
	s.drain()
	s.read(40000)
	s.drain()
	s.wait(10 * Second)
	if m.out != 0 || s.c.sb.ring != nil || s.c.sndBuf.q.ring != nil || s.c.rcvBuf.q.ring != nil || s.c.rcvBuf.ranges != nil {
		t.Fatalf("%d blocks, rings %d %d %d %d", m.out, len(s.c.sb.ring), len(s.c.sndBuf.q.ring), len(s.c.rcvBuf.q.ring), cap(s.c.rcvBuf.ranges))
	}
}

func TestReceiverThatWasIdleFreesItsRings(t *testing.T) { // it has nothing in flight that would set the timer
	m := &poolMemory{}
	s := newScript(t, &Config{Memory: m}, 5, 5)
	s.passive("mss 1460,sackOK")
	s.wait(10 * Second)
	s.recv(seqRangeText("P", 1, 20000) + " ack 1")
	s.drain()
	s.read(20000)
	s.drain()
	s.wait(10 * Second)
	if m.out != 0 || s.c.rcvBuf.q.ring != nil {
		t.Fatalf("%d blocks, ring %d", m.out, len(s.c.rcvBuf.q.ring))
	}
}

// TestFullOfOutOfOrderText is bug class 14: text beyond a hole has taken all memory; the segment
// that fills the hole must still get in.
func TestFullOfOutOfOrderText(t *testing.T) {
	run(t, Config{}, func(s *script) {
		m := &poolMemory{limit: 4}
		s.c.cfg.Memory = m
		s.passive("mss 1460,sackOK")
		for at := BlockSize + 1; ; at += 1000 {
			if s.recv(seqRangeText("", at, 1000)+" ack 1") == DropMemory {
				break
			}
			s.drain()
		}
		s.drain()
		if m.out != 4 {
			s.fatalf("%d blocks", m.out)
		}
		held := s.c.rcvBuf.ranges[0]
		s.wantDrop(s.recv(seqRangeText("", 1, 1000)+" ack 1"), DropNone)
		s.want("the head is taken", ". 1:1(0) ack 1001")
		if len(s.c.rcvBuf.ranges) == 0 || s.c.rcvBuf.ranges[0].right == held.right {
			s.fatalf("where does the memory come from?")
		}
		// The peer sends everything again, from the left; the reader reads.
		for at := 1001; at < 50000; at = int(s.c.rcvNxt - s.irs) {
			s.recv(seqRangeText("", at, 1000) + " ack 1")
			s.drain()
			if s.c.rcvBuf.unread() > 2*BlockSize {
				s.read(s.c.rcvBuf.unread())
			}
			if at == int(s.c.rcvNxt-s.irs) {
				s.fatalf("no progress at %d", at)
			}
		}
	})
}

func TestTextWithoutMemoryIsDroppedAndAcked(t *testing.T) {
	run(t, Config{}, func(s *script) {
		m := &poolMemory{limit: 1}
		s.c.cfg.Memory = m
		s.passive("mss 1460,sackOK")
		s.recv(seqRangeText("", 1, BlockSize-100) + " ack 1")
		s.drain()
		s.wantDrop(s.recv(seqRangeText("", BlockSize-99, 1000)+" ack 1"), DropNone)
		s.want("a part fits", ". 1:1(0) ack "+itoa(BlockSize+1))
		s.wantDrop(s.recv(seqRangeText("F", BlockSize+1, 1000)+" ack 1"), DropMemory)
		s.want("nothing fits", ". 1:1(0) ack "+itoa(BlockSize+1))
		s.read(BlockSize)
		s.drain()
		s.recv(seqRangeText("F", BlockSize+1, 1000) + " ack 1")
		s.want("then it does", ". 1:1(0) ack "+itoa(BlockSize+1002))
		s.read(1000)
		s.wantEOF("end")
	})
}

// TestWriterWithoutMemoryIsWoken: with nothing in flight no ACK will tell it that there is room.
func TestWriterWithoutMemoryIsWoken(t *testing.T) {
	for _, zeroCopy := range []bool{false, true} {
		m := &poolMemory{limit: 1, out: 1} // someone else has it all
		s := newScript(t, &Config{Memory: m}, 5, 5)
		s.passive("mss 1460")
		s.c.TakeEvents()
		if zeroCopy {
			if p, err := s.c.WriteSpace(make([][]byte, 0, 2)); len(p) != 0 || err != nil {
				t.Fatal(p, err)
			}
		} else if n, err := s.c.Write(s.now, []byte("x")); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		s.drain()
		if s.c.Deadline() == 0 {
			t.Fatalf("zero copy %v: nothing will wake the writer", zeroCopy)
		}
		m.out = 0
		s.now = s.c.Deadline()
		s.c.HandleTimeout(s.now)
		if s.c.TakeEvents()&EventWritable == 0 {
			t.Fatalf("zero copy %v: not told", zeroCopy)
		}
	}
}

func TestWriteSpaceAndPeek(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1460,sackOK")
		total := 0
		for total < 3*BlockSize {
			p, err := s.c.WriteSpace(make([][]byte, 0, 2))
			if err != nil || len(p) != 2 || len(p[1]) != BlockSize {
				s.fatalf("%d slices, %v", len(p), err)
			}
			text := make([]byte, 3000)
			stacktest.FillPayload(text, s.c.sndBuf.end)
			n := copy(p[0], text)
			n += copy(p[1], text[n:])
			// Meanwhile ACKs arrive and everything else leaves.
			s.recv(". 1:1(0) ack " + itoa(int(s.c.sndNxt-s.iss)))
			s.drain()
			if err := s.c.CommitWrite(s.now, n); err != nil {
				s.fatalf("%v", err)
			}
			s.check()
			total += n
			s.drain()
		}
		s.ackAll()
		s.recv(seqRangeText("P", 1, 20000) + " ack " + itoa(total+1))
		dst, err := s.c.Peek(make([][]byte, 0, 2))
		if err != nil || len(dst) != 2 || len(dst[0]) != BlockSize {
			s.fatalf("%d slices, %v", len(dst), err)
		}
		s.recv(seqRangeText("P", 20001, 5000) + " ack " + itoa(total+1)) // must not disturb what is lent
		want := make([]byte, 2*BlockSize)
		stacktest.FillPayload(want, s.irs.Add(1))
		if !bytes.Equal(append(append([]byte{}, dst[0]...), dst[1]...), want) {
			s.fatalf("other octets")
		}
		s.c.Discard(s.now, len(dst[0])+100)
		s.check()
		s.readSeen = s.readSeen.Add(seqnum.Size(BlockSize + 100))
		s.read(25000 - BlockSize - 100)
		if dst, err := s.c.Peek(nil); len(dst) != 0 || err != nil {
			s.fatalf("%v %v", dst, err)
		}
	})
}

func TestLentTextSurvivesTheEnd(t *testing.T) { // "stay valid and unchanged … until Discard"
	s := newScript(t, &Config{Memory: &poolMemory{}}, 5, 5)
	s.passive("mss 1460")
	s.recv(seqRangeText("P", 1, 10000) + " ack 1")
	dst, _ := s.c.Peek(make([][]byte, 0, 4))
	s.c.Abort(s.now)
	s.drain()
	other := &poolMemory{free: s.c.cfg.Memory.(*poolMemory).free}
	for range len(other.free) { // whoever gets the blocks now writes into them
		clear(other.Get()[:])
	}
	want := make([]byte, len(dst[0]))
	stacktest.FillPayload(want, s.irs.Add(1))
	if !bytes.Equal(dst[0], want) {
		t.Fatal("the text changed under the reader")
	}
	s.c.Discard(s.now, 10000)
	if m := s.c.cfg.Memory.(*poolMemory); m.out != 0 {
		t.Fatalf("%d blocks", m.out)
	}
}

func TestCallsOnAConnectionThatIsNotOpen(t *testing.T) {
	var c Conn
	c.Init(&Config{MTU: 1500}, scriptTuple, 1, 1)
	if _, err := c.Write(1, []byte("x")); err != ErrNotConnected {
		t.Error(err)
	}
	if _, err := c.Read(1, make([]byte, 1)); err != ErrNotConnected {
		t.Error(err)
	}
	if _, err := c.WriteSpace(make([][]byte, 0, 1)); err != ErrNotConnected {
		t.Error(err)
	}
	if err := c.CloseWrite(1); err != ErrNotConnected {
		t.Error(err)
	}
	if n, err := c.Read(1, nil); n != 0 || err != nil {
		t.Error(n, err)
	}
}

func TestSetBuffers(t *testing.T) { // SHLD-14
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,wscale 7")
		s.c.SetWriteBuffer(5000)
		if n, err := s.c.Write(s.now, make([]byte, 9000)); n != 5000 || err != nil {
			s.fatalf("%d %v", n, err)
		}
		if s.c.Writable() {
			s.fatalf("writable")
		}
		stacktest.FillPayload(s.c.sndBuf.q.at(0)[:5000], s.iss.Add(1))
		s.drain()
		s.c.TakeEvents()
		s.ackAll()
		if s.c.TakeEvents()&EventWritable == 0 || !s.c.Writable() {
			s.fatalf("the writer is not woken")
		}
		s.c.SetReadBuffer(200000)
		s.want("room at once", ". 5001:5001(0) ack 1")
		s.c.SetReadBuffer(2000) // never to the left: the harness looks at the edge
		s.recv(seqRangeText("P", 1, 10000) + " ack 5001")
		s.drain()
		s.read(10000)
		s.drain()
		if got := s.c.rcvAdv.Diff(s.c.rcvNxt); got > 200000 {
			s.fatalf("window %d", got)
		}
	})
}

// TestLargerWriteBufferIsToldOf: a writer that found no room hears that there is more, although no ACK
// comes to say so.
func TestLargerWriteBufferIsToldOf(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("")
		s.recv(". 1:1(0) ack 1 win 0")
		s.c.SetWriteBuffer(1000)
		if n, err := s.c.Write(s.now, make([]byte, 3000)); n != 1000 || err != nil {
			s.fatalf("%d, %v", n, err)
		}
		s.c.TakeEvents()
		s.c.SetWriteBuffer(10000)
		if s.c.TakeEvents()&EventWritable == 0 {
			s.fatalf("nobody was told")
		}
	})
}

// TestWriterIsWokenWhileAHoleStands: a third of the limit may be more than all the room there is when nothing waits.
func TestWriterIsWokenWhileAHoleStands(t *testing.T) {
	run(t, Config{}, func(s *script) {
		s.passive("mss 1000,sackOK")
		c := s.c
		c.win.cwnd = 40000
		c.sndNxt = c.sndUna.Add(100000) // most of it SACKed
		c.sndBuf.end = c.sndNxt
		c.user.wantWrite = true
		c.wakeWriter()
		if c.user.wantWrite {
			t.Error("asleep with all the room there is")
		}
	})
}
