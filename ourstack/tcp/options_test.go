package tcp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/wire"
)

// raw gives a segment of the peer's whose options are the given octets, through the parser.
func (s *script) raw(flags wire.Flags, seq, ack int, options, payload []byte) DropReason {
	s.t.Helper()
	for len(options)%4 != 0 {
		options = append(options[:len(options):len(options)], 0)
	}
	b := make([]byte, 20, 60+len(payload))
	binary.BigEndian.PutUint16(b[0:], scriptTuple.Remote.Port)
	binary.BigEndian.PutUint16(b[2:], scriptTuple.Local.Port)
	binary.BigEndian.PutUint32(b[4:], uint32(s.irs)+uint32(seq))
	binary.BigEndian.PutUint32(b[8:], uint32(s.iss)+uint32(ack))
	b[12] = byte((20+len(options))/4) << 4
	b[13] = byte(flags)
	binary.BigEndian.PutUint16(b[14:], 65535)
	b = append(append(b, options...), payload...)
	var seg wire.TCP
	if e := seg.Parse(b); e != 0 {
		s.fatalf("options %x: %v", options, e)
	}
	s.note("<", &seg)
	if s.c.state == StateClosed {
		s.c.OpenPassive(s.now, &seg, 0)
		s.check()
		return DropNone
	}
	drop := s.c.HandleSegment(s.now, &seg, 0)
	s.check()
	return drop
}

func TestSynOptionsInAnyForm(t *testing.T) { // MUST-4, MUST-5, MUST-6, MUST-64, MUST-68
	const smss = 1000
	for _, tc := range []struct {
		name    string
		options []byte
		mss     uint32
		scale   bool
	}{
		{"plain", []byte{2, 4, 3, 232, 3, 3, 7}, smss, true},
		{"not on a word boundary", []byte{1, 2, 4, 3, 232, 1, 3, 3, 7}, smss, true},
		{"a soup of NOPs", []byte{1, 1, 1, 1, 1, 1, 1, 2, 4, 3, 232, 1, 1, 1, 1, 3, 3, 7, 1}, smss, true},
		{"an end before an option", []byte{2, 4, 3, 232, 0, 3, 3, 7}, smss, false},
		{"unknown ones between", []byte{99, 2, 2, 4, 3, 232, 100, 7, 1, 2, 3, 4, 5, 3, 3, 7}, smss, true},
		{"experiment of 40 octets", append([]byte{253, 36}, make([]byte, 34)...), defaultMSS, false},
		{"an MSS of the wrong length", []byte{2, 3, 3, 3, 3, 7}, defaultMSS, true},
		{"length 0", []byte{2, 4, 3, 232, 3, 0, 7}, smss, false},
		{"length 1", []byte{2, 4, 3, 232, 99, 1, 3, 3, 7}, smss, false},
		{"beyond the header", []byte{2, 4, 3, 232, 3, 200, 7}, smss, false},
		{"a kind at the very end", []byte{2, 4, 3, 232, 1, 1, 1, 3}, smss, false},
		{"only NOPs", []byte{1, 1, 1, 1}, defaultMSS, false},
		{"none", nil, defaultMSS, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newScript(t, &Config{}, 1, 1)
			s.raw(wire.FlagSYN, 0, 0, tc.options, nil)
			s.want("SYN-ACK", "S. 0:0(0) ack 1")
			if s.c.win.smss != tc.mss || s.c.opts.windowScale != tc.scale {
				t.Errorf("MSS %d, window scale %v", s.c.win.smss, s.c.opts.windowScale)
			}
		})
	}
}

// TestIllegalOptionsOnAnEstablishedConnection: the segment counts, its options do not (MUST-7).
func TestIllegalOptionsOnAnEstablishedConnection(t *testing.T) {
	for _, options := range [][]byte{{5, 0}, {5, 1}, {5, 255}, {5, 9, 0, 0, 0, 1, 0, 0, 0}, {5, 10, 0, 0}, {8, 9, 0, 0, 0, 0, 0, 0, 0}, {2, 0, 0, 0}, {200, 0}, {200}} {
		s := newScript(t, &Config{}, 1, 1)
		s.passive("mss 1000,sackOK")
		s.wantDrop(s.raw(wire.FlagACK|wire.FlagPSH, 1, 1, options, []byte("hello")), DropNone)
		if n := s.c.rcvBuf.unread(); n != 5 {
			t.Errorf("options %x: %d octets taken", options, n)
		}
	}
}

func TestMSSOutsideASynIsIgnored(t *testing.T) {
	s := newScript(t, &Config{}, 1, 1)
	s.passive("mss 1000")
	s.raw(wire.FlagACK, 1, 1, []byte{2, 4, 0, 100, 3, 3, 9, 4, 2}, nil)
	if s.c.win.smss != 1000 || s.c.opts.windowScale || s.c.opts.sack {
		t.Fatalf("%+v", s.c.opts)
	}
}

// TestRandomOptions: no octets in the place of options do any harm.
func TestRandomOptions(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 3000 {
		s := newScript(t, &Config{}, 1, 1)
		options := make([]byte, 4*rng.IntN(11))
		for i := range options {
			options[i] = byte([]int{0, 1, 2, 3, 4, 5, 8, 10, rng.IntN(256)}[rng.IntN(9)])
		}
		s.raw(wire.FlagSYN, 0, 0, options, nil)
		s.drain()
		s.raw(wire.FlagACK, 1, 1, options, make([]byte, 10))
		s.write(3000)
		s.drain()
		s.raw(wire.FlagACK, 11, 1, options, nil)
		s.drain()
	}
}

// TestOptionsWeSend walks the raw options of segments of all kinds: MSS in SYNs only (MUST-65),
// every option but NOP and end with its length (MUST-68), zeros after the end (MUST-69).
func TestOptionsWeSend(t *testing.T) {
	for _, syn := range []string{"", "mss 1000", "mss 1000,sackOK", withTS, "mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 7"} {
		s := newScript(t, &Config{}, 1, 1)
		seg := s.parse("S 0:0(0) win 65535 <" + syn + ">")
		s.peerTS = seg.Opts.HasTimestamps
		s.c.OpenPassive(s.now, &seg, 0)
		kinds := s.rawOptions(true)
		if kinds[2] != 1 { // MUST-14, SHLD-5, MAY-3
			t.Errorf("%q: %d MSS options on the SYN-ACK", syn, kinds[2])
		}
		s.recv(". 1:1(0) ack 1")
		s.recv(". 101:201(100) ack 1")
		s.write(5000)
		_ = s.c.CloseWrite(s.now)
		kinds = s.rawOptions(false)
		if kinds[2]+kinds[3]+kinds[4] != 0 {
			t.Errorf("%q: SYN options outside a SYN: %v", syn, kinds)
		}
		if (kinds[8] > 0) != s.peerTS || (kinds[5] > 0) != seg.Opts.SACKPermitted {
			t.Errorf("%q: %v", syn, kinds)
		}
	}
}

// rawOptions polls until nothing is due and counts the options by kind.
func (s *script) rawOptions(syn bool) map[byte]int {
	s.t.Helper()
	kinds := map[byte]int{}
	buf := make([]byte, 2000)
	for {
		n, _ := s.c.PollSegment(s.now, buf)
		if n == 0 {
			return kinds
		}
		if (buf[13]&byte(wire.FlagSYN) != 0) != syn {
			s.fatalf("flags %x", buf[13])
		}
		opts := buf[20 : int(buf[12]>>4)*4]
		for i := 0; i < len(opts); {
			switch {
			case opts[i] == 1:
				i++
			case opts[i] == 0:
				for _, b := range opts[i:] {
					if b != 0 {
						s.fatalf("no zeros after the end of options: %x", opts)
					}
				}
				i = len(opts)
			case i+1 >= len(opts) || opts[i+1] < 2 || i+int(opts[i+1]) > len(opts):
				s.fatalf("option without a length: %x", opts)
			default:
				kinds[opts[i]]++
				i += int(opts[i+1])
			}
		}
	}
}

func TestAdvertisedMSS(t *testing.T) { // MUST-14, MUST-16, MUST-67
	for _, tc := range []struct{ mtu, ours, theirs, want int }{
		{1500, 1460, 1460, 1460}, {1420, 1380, 1460, 1380}, {1420, 1380, 536, 536}, {576, 536, 1460, 536}, {65535, 65495, 65495, 65495},
	} {
		s := newScript(t, &Config{MTU: tc.mtu}, 1, 1)
		s.synIn("mss " + itoa(tc.theirs))
		if seg := s.want("SYN-ACK", "S. 0:0(0) ack 1"); int(seg.Opts.MSS) != tc.ours {
			t.Errorf("MTU %d: MSS %d", tc.mtu, seg.Opts.MSS)
		}
		s.recv(". 1:1(0) ack 1")
		s.write(40000)
		if seg, _ := s.poll(); len(seg.Payload) != min(tc.want, 40000) {
			t.Errorf("MTU %d, peer %d: segment of %d", tc.mtu, tc.theirs, len(seg.Payload))
		}
	}
}

// TestOptionsAreSubtracted: with SACK and timestamps a packet still fits the MTU (bug class 34).
func TestOptionsAreSubtracted(t *testing.T) {
	for _, mtu := range []int{128, 296, 576, 1280, 1420, 9000} {
		s := newScript(t, &Config{MTU: mtu}, 1, 1)
		s.passive("mss 65535,sackOK,TS val 1 ecr 0")
		for i := range 5 {
			s.recv(seqRangeText("", 101+20*i, 10) + " ack 1")
		}
		s.write(3 * mtu)
		for _, seg := range s.drain() {
			if n := 20 + seg.HeaderLen() + len(seg.Payload); n > mtu {
				t.Errorf("MTU %d: packet of %d octets", mtu, n)
			}
		}
	}
}

func TestWindowScaleBounds(t *testing.T) { // RFC 7323 §2.2, §2.3
	for _, tc := range []struct{ scale, want uint8 }{{0, 0}, {7, 7}, {14, 14}, {15, 14}, {255, 14}} {
		s := newScript(t, &Config{}, 1, 1)
		s.passive("mss 1000,wscale " + itoa(int(tc.scale)))
		if s.c.opts.sndWindShift != tc.want {
			t.Errorf("shift %d taken as %d", tc.scale, s.c.opts.sndWindShift)
		}
		s.recv(". 1:1(0) ack 1 win 65535")
		if want := uint32(65535) << tc.want; s.c.sndWnd != want { // REC-1, MUST-1
			t.Errorf("window %d, want %d", s.c.sndWnd, want)
		}
	}
}
