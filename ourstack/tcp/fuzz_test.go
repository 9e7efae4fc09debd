package tcp

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// choices turns fuzz input into decisions. After its end everything is 0.
type choices struct{ b []byte }

func (c *choices) byte() int {
	if len(c.b) == 0 {
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return int(v)
}

func (c *choices) bool() bool      { return c.byte()&1 != 0 }
func (c *choices) below(n int) int { return (c.byte()<<8 | c.byte()) % max(n, 1) }
func (c *choices) done() bool      { return len(c.b) == 0 }

// fuzzed is one connection between a fuzzed peer and a fuzzed user.
type fuzzed struct {
	t      *testing.T
	in     choices
	c      Conn
	cfg    Config
	mem    poolMemory
	now    Instant
	lent   int  // octets lent out by Peek
	room   int  // octets lent out by WriteSpace
	peerTS bool // the peer's segments carry timestamps
	tsval  uint32
	edge   seqnum.Value
	edged  bool
}

const fuzzSteps = 300

// FuzzConn looks after each segment that the right edge has not moved left (SHLD-14).
func FuzzConn(f *testing.F) {
	f.Add([]byte{})
	for _, seed := range [][]byte{
		{0xFF, 0x7F, 0x33, 0x12, 0x02, 0xFF, 0xFF},
		bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7}, 40),
		bytes.Repeat([]byte{9, 1, 1, 10, 0, 40, 0, 11, 3}, 40),
		bytes.Repeat([]byte{0, 1, 0, 16, 0, 5, 2, 100, 12, 13}, 50),
	} {
		f.Add(seed)
	}
	f.Fuzz(fuzzConn)
}

func fuzzConn(t *testing.T, data []byte) {
	z := &fuzzed{t: t, in: choices{data}, now: Instant(Second), tsval: 5}
	z.open()
	for range fuzzSteps {
		if z.in.done() {
			break
		}
		z.step()
	}
	z.end()
}

// TestRandomWalks runs the same with long inputs from seeds.
func TestRandomWalks(t *testing.T) {
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 300
	}
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			fuzzConn(t, randomData(rng, rng.IntN(4000)))
		})
	}
}

func (z *fuzzed) open() {
	in := &z.in
	z.cfg = Config{
		MTU: 128 + in.below(1500), Memory: &z.mem, ECN: in.bool(), NoDelay: in.bool(),
		CongestionControl: []string{"newreno", "cubic", "bbr"}[in.byte()%3],
	}
	if in.bool() {
		z.cfg.RcvBufMax, z.cfg.SndBufMax = 100+in.below(60000), 100+in.below(60000)
	}
	if in.bool() {
		z.cfg.KeepAlive = KeepAliveConfig{Enabled: true, Idle: Second, Interval: 100 * ms, Count: 3}
		z.cfg.UserTimeout = 20 * Second
	}
	switch n := in.byte(); {
	case n < 64:
		z.mem.limit = 1 + n%8
	case n < 128:
		z.cfg.Path = fixedPath{standing: (n - 64) << 8}
	}
	z.c.Init(&z.cfg, scriptTuple, seqnum.Value(-uint32(in.below(3000))), uint32(in.byte())<<24)
	irs := seqnum.Value(-uint32(in.below(3000)))
	syn := wire.TCP{Seq: irs, Flags: wire.FlagSYN, Wnd: uint16(in.below(65536)), Opts: z.synOptions()}
	z.peerTS = syn.Opts.HasTimestamps
	switch in.byte() % 4 {
	case 0:
		z.c.OpenActive(z.now)
		z.poll(5)
		if in.bool() {
			syn.Flags |= wire.FlagACK
			syn.Ack = z.c.sndNxt
		}
		z.c.HandleSegment(z.now, &syn, 0)
	case 1:
		ack := wire.TCP{Seq: irs.Add(1), Ack: z.c.iss.Add(1), Flags: wire.FlagACK, Wnd: syn.Wnd}
		ack.Opts.HasTimestamps = z.peerTS
		z.c.OpenCookie(z.now, &ack, CookieState{MSS: 500, SACK: in.bool(), Timestamps: z.peerTS, HasWndScale: true, WndScale: 3})
		z.c.HandleSegment(z.now, &ack, 0)
	default:
		if in.bool() {
			syn.Flags |= wire.FlagECE | wire.FlagCWR
		}
		z.c.OpenPassive(z.now, &syn, 0)
		z.poll(5)
		if in.byte() < 240 {
			z.segment(wire.FlagACK, z.c.rcvNxt, z.c.sndNxt, 0)
		}
	}
	z.check()
}

func (z *fuzzed) synOptions() wire.Options {
	in := &z.in
	o := wire.Options{HasMSS: in.bool(), MSS: uint16(in.below(2000)), SACKPermitted: in.byte() < 200, HasTimestamps: in.bool(), TSVal: z.tsval}
	if in.bool() {
		o.HasWndScale, o.WndScale = true, uint8(in.byte()%20)
	}
	return o
}

// step is one event.
func (z *fuzzed) step() {
	in, c := &z.in, &z.c
	switch in.byte() % 20 {
	case 0, 1: // anything from the network
		seq := c.rcvNxt.Add(seqnum.Size(uint32(in.below(4000) - 2000)))
		ack := c.sndNxt.Add(seqnum.Size(uint32(in.below(6000) - 4000)))
		z.segment(wire.Flags(in.below(512)), seq, ack, in.below(1500))
	case 2, 3: // text in order
		z.segment(wire.FlagACK|wire.FlagPSH, c.rcvNxt, c.sndUna, in.below(1460))
	case 4: // text out of order
		z.segment(wire.FlagACK, c.rcvNxt.Add(seqnum.Size(in.below(30000))), c.sndUna, in.below(1460))
	case 5, 6: // an ACK of everything, or of a part
		z.segment(wire.FlagACK, c.rcvNxt, c.sndUna.Add(seqnum.Size(in.below(int(c.outstanding())+1))), 0)
	case 7:
		z.segment(wire.FlagACK, c.rcvNxt, c.sndNxt, 0)
	case 8:
		z.segment(wire.FlagACK|wire.FlagFIN, c.rcvNxt, c.sndUna, in.byte())
	case 9:
		z.icmp()
	case 10, 11:
		z.poll(1 + in.byte()%40)
	case 12:
		z.wait(Duration(in.below(60000)) * 10 * us)
	case 13, 14:
		z.wait(max(0, c.Deadline().Sub(z.now)))
	default:
		z.user()
	}
	z.check()
}

// user is a call of the user's.
func (z *fuzzed) user() {
	in, c := &z.in, &z.c
	switch in.byte() % 17 {
	case 16:
		var idle Idle
		c.TakeEvents()
		if c.Freeze(&idle) {
			c.Thaw(&z.cfg, scriptTuple, &idle)
		}
	case 0, 1, 2, 3:
		if z.room == 0 {
			_, _ = c.Write(z.now, make([]byte, in.below(20000)))
		}
	case 4:
		if z.room == 0 {
			p, _ := c.WriteSpace(make([][]byte, 0, 1+in.below(4)))
			for _, s := range p {
				z.room += len(s)
			}
		}
	case 5:
		if z.room > 0 {
			_ = c.CommitWrite(z.now, in.below(z.room+1))
			z.room = 0
		}
	case 6, 7, 8:
		if z.lent == 0 {
			_, _ = c.Read(z.now, make([]byte, in.below(30000)))
		}
	case 9:
		if z.lent == 0 {
			dst, _ := c.Peek(make([][]byte, 0, 1+in.byte()%4))
			for _, p := range dst {
				z.lent += len(p)
			}
		}
	case 10:
		if z.lent > 0 {
			c.Discard(z.now, in.below(z.lent+1))
			z.lent = 0
		}
	case 11:
		z.set()
	case 12:
		_ = c.CloseWrite(z.now)
	case 13:
		if in.byte() < 60 {
			c.CloseRead(z.now)
		}
	case 14:
		if in.byte() < 60 {
			c.Close(z.now)
		}
	case 15:
		if in.byte() < 20 {
			c.Abort(z.now)
		}
	}
}

func (z *fuzzed) set() {
	in, c := &z.in, &z.c
	switch in.byte() % 6 {
	case 0:
		c.SetNoDelay(in.bool())
	case 1:
		c.SetReadBuffer(in.below(65536))
	case 2:
		c.SetWriteBuffer(in.below(65536))
	case 3:
		c.SetUserTimeout(Duration(in.below(100)) * Second)
	case 4:
		c.SetKeepAlive(z.now, KeepAliveConfig{Enabled: in.bool(), Idle: Duration(1+in.byte()) * 100 * ms, Count: in.byte() % 5})
	case 5:
		z.mem.press = in.byte() % 3
	}
}

// segment gives one of the peer's segments.
func (z *fuzzed) segment(flags wire.Flags, seq, ack seqnum.Value, n int) {
	in := &z.in
	seg := wire.TCP{Seq: seq, Ack: ack, Flags: flags, Wnd: uint16(in.below(65536)), Urg: uint16(in.byte()), Payload: make([]byte, n)}
	if z.peerTS {
		seg.Opts.HasTimestamps = in.byte() < 250
		seg.Opts.TSVal, seg.Opts.TSEcr = z.tsval, z.c.tsNow(z.now)-uint32(in.byte())
		if in.byte() < 10 {
			seg.Opts.TSVal -= uint32(in.byte())
		}
	}
	if in.byte() < 80 {
		seg.Opts.NumSACK = 1 + in.byte()%3
		for i := range seg.Opts.NumSACK {
			left := z.c.sndUna.Add(seqnum.Size(uint32(in.below(int(z.c.outstanding())+2000) - 1000)))
			if i := uint32(in.byte()); i < uint32(z.c.sb.len()) && in.bool() {
				left = z.c.sb.at(z.c.sb.head + i).seq
			}
			seg.Opts.SACK[i] = wire.SACKBlock{Left: left, Right: left.Add(seqnum.Size(in.below(5000)))}
		}
	}
	if flags&wire.FlagRST != 0 {
		z.poll(100)
	}
	before := z.c.counters.ResetsOut
	z.c.HandleSegment(z.now, &seg, uint8(in.byte()%4))
	z.check()
	if flags&wire.FlagRST != 0 {
		z.poll(100)
		if z.c.counters.ResetsOut != before {
			z.t.Fatalf("a RST was answered with a RST")
		}
	}
}

func (z *fuzzed) icmp() {
	in := &z.in
	e := ICMPError{Type: uint8([]int{3, 3, 3, 11, 12, in.byte()}[in.byte()%6]), Code: uint8(in.byte() % 16), MTU: in.below(2000)}
	e.Seq = z.c.sndUna.Add(seqnum.Size(in.below(int(z.c.outstanding()) + 10)))
	z.c.HandleICMP(z.now, e)
}

func (z *fuzzed) wait(d Duration) {
	z.now = z.now.Add(d)
	z.tsval += uint32(d / ms)
	z.c.HandleTimeout(z.now)
}

// poll takes at most n segments and looks at each.
func (z *fuzzed) poll(n int) {
	z.t.Helper()
	buf := make([]byte, z.cfg.MTU-20)
	for range n {
		k, ecn := z.c.PollSegment(z.now, buf)
		z.check()
		if k == 0 {
			if z.c.Pending() {
				z.t.Fatal("nothing to send, but pending")
			}
			return
		}
		var seg wire.TCP
		if e := seg.Parse(buf[:k]); e != 0 || !wire.TCPChecksumOK(scriptTuple.Local.Addr, scriptTuple.Remote.Addr, buf[:k]) {
			z.t.Fatalf("segment % x: %v", buf[:k], e)
		}
		if ecn != 0 && len(seg.Payload) == 0 {
			z.t.Fatal("an ECN-capable segment without text")
		}
		z.checkEdge(&seg)
	}
}

func (z *fuzzed) checkEdge(seg *wire.TCP) {
	if seg.Flags&(wire.FlagACK|wire.FlagRST|wire.FlagSYN) != wire.FlagACK {
		return
	}
	edge := seg.Ack.Add(seqnum.Size(seg.Wnd) << z.c.opts.rcvWindShift)
	if z.edged && z.edge.Diff(edge) >= 1<<z.c.opts.rcvWindShift {
		z.t.Fatalf("the right edge moved left by %d", z.edge.Diff(edge))
	}
	z.edge, z.edged = edge, true
}

func (z *fuzzed) check() {
	z.t.Helper()
	if err := z.c.Check(); err != nil {
		z.t.Fatalf("state %v: %v", z.c.State(), err)
	}
	if z.mem.limit > 0 && z.mem.out > z.mem.limit {
		z.t.Fatalf("%d blocks, limit %d", z.mem.out, z.mem.limit)
	}
}

// end sees to it that the connection ends in bounded time whatever its state, and leaves nothing.
func (z *fuzzed) end() {
	c := &z.c
	if z.room > 0 {
		_ = c.CommitWrite(z.now, 0)
	}
	if z.lent > 0 {
		c.Discard(z.now, 0)
	}
	c.Close(z.now)
	z.check()
	limit := z.now.Add(3600 * Second)
	for i := 0; !c.Released(); i++ {
		z.poll(1000)
		at := c.Deadline()
		if c.Released() {
			break
		}
		if at == 0 && !c.Pending() || z.now > limit || i > 5000 {
			z.t.Fatalf("a closed connection in %v does not end: deadline %d s, %d rounds", c.State(), at.Sub(z.now)/Second, i)
		}
		z.wait(max(0, at.Sub(z.now)))
		z.check()
	}
	if z.mem.out != 0 {
		z.t.Fatalf("%d blocks leaked", z.mem.out)
	}
}

// FuzzPair: the input decides the fate of each packet; then the link is mended and everything must arrive.
func FuzzPair(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	f.Add([]byte{0, 0, 0, 1, 1, 1, 0, 2, 2, 0, 3}, uint64(2))
	f.Add(bytes.Repeat([]byte{0, 1}, 100), uint64(3))
	f.Add(bytes.Repeat([]byte{2, 3, 4, 5}, 100), uint64(7))
	f.Fuzz(func(t *testing.T, fates []byte, seed uint64) {
		fates = fates[:min(len(fates), 100)]
		cc := []string{"newreno", "cubic", "bbr"}[seed%3]
		cfg := &Config{
			MTU: 576 + int(seed>>8%900), CongestionControl: cc, ECN: seed&8 != 0, NoDelay: seed&16 != 0,
			UserTimeout: 1000000 * Second, // faults may be a hundred in a row
		}
		if seed&32 != 0 {
			cfg.Path = fixedPath{standing: 4000}
		}
		p := newPair(t, seed, linkModel{delay: Duration(seed>>16%30) * ms}, cfg, cfg)
		in := choices{fates}
		p.fate = func(*pairEnd, []byte) (copies int, extra Duration) {
			if in.done() || p.a.c.State() != StateEstablished || p.b.c.State() != StateEstablished {
				return 1, 0
			}
			switch b := in.byte(); b % 8 {
			case 1:
				return 0, 0
			case 2:
				return 2, Duration(b) * 100 * us
			case 3:
				return 1, Duration(b) * ms
			default:
				return 1, 0
			}
		}
		p.transfer(randomData(p.rng, 1000+int(seed>>24%100000)), 100000*Second)
	})
}
