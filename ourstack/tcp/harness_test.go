package tcp

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/stacktest"
	"vpngw/ourstack/wire"
)

// script drives one connection by segments written as in packet traces, on a
// virtual clock. Sequence numbers are relative: the peer's to its ISS, ours to our
// ISS. Every script runs with several pairs of initial sequence numbers, so that
// each test is also a test of the wrap at 2^32.
type script struct {
	t     testing.TB
	c     *Conn
	now   Instant
	iss   seqnum.Value // ours
	irs   seqnum.Value // the peer's
	edge  seqnum.Value // right edge announced last
	edged bool
	log   []string
	ecn   uint8 // of the next received segment
	out   uint8 // ECN field of the last segment wanted

	// What the peer puts on its segments if the text does not say.
	peerTS   bool
	tsval    uint32
	tsecr    uint32 // last TSval of ours
	peerWnd  uint16
	readSeen seqnum.Value // of the next byte read, for the payload pattern
	buf      [65536]byte
}

const (
	ms = Millisecond
	us = Microsecond
)

// issPairs are the initial sequence numbers that run tries: ordinary ones, and
// ones at which either space wraps early in the test.
var issPairs = [][2]seqnum.Value{{1000, 50000}, {0xFFFFFFFF - 700, 0xFFFFFFFF - 1300}, {0xFFFFFFFE, 0xFFFFFFFF}, {0x7FFFFF00, 0x80000000}}

// run runs a script for each pair of initial sequence numbers.
func run(t *testing.T, cfg Config, f func(s *script)) {
	t.Helper()
	for _, p := range issPairs {
		t.Run(fmt.Sprintf("iss=%d", p[0]), func(t *testing.T) {
			c := cfg
			f(newScript(t, &c, p[0], p[1]))
		})
	}
}

var scriptTuple = Tuple{
	Local:  Endpoint{wire.Addr{10, 8, 0, 1}, 80},
	Remote: Endpoint{wire.Addr{10, 8, 0, 2}, 40000},
}

func newScript(t testing.TB, cfg *Config, iss, irs seqnum.Value) *script {
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if cfg.CongestionControl == "" {
		cfg.CongestionControl = "newreno"
	}
	s := &script{t: t, c: new(Conn), now: Instant(10 * Second), iss: iss, irs: irs, peerWnd: 65535, tsval: 100}
	s.c.Init(cfg, scriptTuple, iss, 7)
	s.readSeen = irs.Add(1)
	return s
}

// passive opens by a SYN of the peer with the given options ("mss 1460,sackOK,wscale 7")
// and completes the handshake.
func (s *script) passive(options string) {
	s.t.Helper()
	s.synIn(options)
	s.want("SYN-ACK", "S. 0:0(0) ack 1")
	s.recv(". 1:1(0) ack 1")
	s.wantState(StateEstablished)
	s.wantIdle("the handshake is complete")
	s.c.TakeEvents()
	s.c.ack.quick = 0 // scripts expect delayed ACKs; quick ACKs have their own test
}

// synIn gives the SYN of a passive open.
func (s *script) synIn(options string) {
	s.t.Helper()
	text := "S 0:0(0) win 65535"
	if options != "" {
		text += " <" + options + ">"
	}
	seg := s.parse(text)
	s.peerTS = seg.Opts.HasTimestamps
	s.c.OpenPassive(s.now, &seg, s.ecn)
	s.note("<", &seg)
	s.check()
}

// active opens by our SYN; the peer answers with the given options.
func (s *script) active(options string) {
	s.t.Helper()
	s.c.OpenActive(s.now)
	s.want("SYN", "S 0:0(0)")
	if options != "" {
		options = " <" + options + ">"
	}
	s.peerTS = false
	s.recv("S. 0:0(0) ack 1 win 65535" + options)
	s.want("ACK of the SYN-ACK", ". 1:1(0) ack 1")
	s.wantState(StateEstablished)
	s.c.TakeEvents()
	s.c.ack.quick = 0
}

// parse reads a segment of the peer's in relative numbers and fills in what is missing.
func (s *script) parse(text string) wire.TCP {
	s.t.Helper()
	p, err := stacktest.ParseSegment(text)
	if err != nil {
		s.t.Fatalf("script: %q: %v", text, err)
	}
	seg := p.TCP
	seg.SrcPort, seg.DstPort = scriptTuple.Remote.Port, scriptTuple.Local.Port
	if !p.HasWnd {
		seg.Wnd = s.peerWnd
	}
	// The payload pattern follows absolute numbers, so that overlaps agree.
	seg.Seq = seg.Seq.Add(seqnum.Size(s.irs))
	first := seg.Seq
	if seg.Flags&wire.FlagSYN != 0 {
		first = first.Add(1)
	}
	stacktest.FillPayload(seg.Payload, first)
	if seg.Flags&wire.FlagACK != 0 {
		seg.Ack = seg.Ack.Add(seqnum.Size(s.iss))
	}
	for i := range seg.Opts.NumSACK {
		seg.Opts.SACK[i].Left = seg.Opts.SACK[i].Left.Add(seqnum.Size(s.iss))
		seg.Opts.SACK[i].Right = seg.Opts.SACK[i].Right.Add(seqnum.Size(s.iss))
	}
	if s.peerTS && !seg.Opts.HasTimestamps {
		seg.Opts.HasTimestamps, seg.Opts.TSVal, seg.Opts.TSEcr = true, s.tsval, s.tsecr
	}
	return seg
}

// recv gives a segment of the peer's, n times (once if n is left out), and
// returns why it was dropped.
func (s *script) recv(text string, n ...int) DropReason {
	s.t.Helper()
	var drop DropReason
	times := 1
	if len(n) > 0 {
		times = n[0]
	}
	for range times {
		seg := s.parse(text)
		s.note("<", &seg)
		drop = s.c.HandleSegment(s.now, &seg, s.ecn)
		s.check()
	}
	return drop
}

// poll returns the next segment that the connection sends.
func (s *script) poll() (wire.TCP, bool) {
	s.t.Helper()
	n, ecn := s.c.PollSegment(s.now, s.buf[:])
	buf := bytes.Clone(s.buf[:n])
	s.check()
	if n == 0 {
		return wire.TCP{}, false
	}
	s.out = ecn
	if !wire.TCPChecksumOK(scriptTuple.Local.Addr, scriptTuple.Remote.Addr, buf[:n]) {
		s.fatalf("bad checksum")
	}
	var seg wire.TCP
	if e := seg.Parse(buf[:n]); e != 0 {
		s.fatalf("segment does not parse: %v", e)
	}
	s.note(">", &seg)
	s.checkEdge(&seg)
	if seg.Opts.HasTimestamps {
		s.tsecr = seg.Opts.TSVal
	}
	want := make([]byte, len(seg.Payload))
	stacktest.FillPayload(want, seg.Seq)
	if string(want) != string(seg.Payload) && seg.Flags&wire.FlagSYN == 0 {
		s.fatalf("payload at %d is not what was written there", seg.Seq.Sub(seqnum.Size(s.iss)))
	}
	return seg, true
}

// checkEdge holds the right edge of our window against moving left (SHLD-14).
func (s *script) checkEdge(seg *wire.TCP) {
	s.t.Helper()
	if seg.Flags&wire.FlagACK == 0 || seg.Flags&wire.FlagRST != 0 {
		return
	}
	wnd := seqnum.Size(seg.Wnd)
	if seg.Flags&wire.FlagSYN == 0 {
		wnd <<= s.c.opts.rcvWindShift
	}
	edge := seg.Ack.Add(wnd)
	if s.edged && edge.Less(s.edge) && s.edge.Diff(edge) >= 1<<s.c.opts.rcvWindShift {
		s.fatalf("the right edge moved left by %d", s.edge.Diff(edge))
	}
	s.edge, s.edged = edge, true
}

// want expects the next segment to match the text; why says what it proves.
func (s *script) want(why, text string) wire.TCP {
	s.t.Helper()
	p, err := stacktest.ParseSegment(text)
	if err != nil {
		s.t.Fatalf("script: %q: %v", text, err)
	}
	seg, ok := s.poll()
	if !ok {
		s.fatalf("%s: want %s, nothing is sent", why, text)
	}
	if !p.Match(&seg, s.iss, s.irs) {
		s.fatalf("%s: want %s, got %s", why, text, wire.AppendTCP(nil, &seg, s.iss, s.irs))
	}
	return seg
}

// wantIdle expects that nothing is sent now.
func (s *script) wantIdle(why string) {
	s.t.Helper()
	if seg, ok := s.poll(); ok {
		s.fatalf("%s: want nothing, got %s", why, wire.AppendTCP(nil, &seg, s.iss, s.irs))
	}
	if s.c.Pending() {
		s.fatalf("%s: nothing to send, but pending", why)
	}
}

// wait lets time pass. Timers expire in it, but nothing may be sent before its end.
func (s *script) wait(d Duration) {
	s.t.Helper()
	start, end := s.now, s.now.Add(d)
	for {
		s.wantIdle("while time passes")
		at := s.c.Deadline()
		if at == 0 || at >= end {
			break
		}
		s.now = max(s.now, at)
		s.c.HandleTimeout(s.now)
		s.check()
		if next := s.c.Deadline(); next != 0 && next <= s.now && !s.c.Pending() {
			s.fatalf("deadline in the past after HandleTimeout")
		}
	}
	s.now = end
	s.tsval += uint32(end.Sub(start) / Millisecond)
	s.c.HandleTimeout(s.now)
	s.check()
}

// waitTimer lets time pass until a timer makes something due, and returns how long.
func (s *script) waitTimer() Duration {
	s.t.Helper()
	start := s.now
	if s.c.Pending() {
		s.wantIdle("before waiting for a timer")
	}
	for !s.c.Pending() {
		at := s.c.Deadline()
		if at == 0 {
			s.fatalf("no deadline")
		}
		s.now = max(s.now, at)
		s.c.HandleTimeout(s.now)
		s.check()
	}
	s.tsval += uint32(s.now.Sub(start) / Millisecond)
	return s.now.Sub(start)
}

// write queues n bytes of the pattern and fails if they do not fit.
func (s *script) write(n int) {
	s.t.Helper()
	p := make([]byte, n)
	stacktest.FillPayload(p, s.c.sndBuf.end)
	k, err := s.c.Write(s.now, p)
	if err != nil || k != n {
		s.fatalf("write of %d: %d, %v", n, k, err)
	}
	s.check()
}

// read expects to read exactly n bytes of the peer's pattern.
func (s *script) read(n int) {
	s.t.Helper()
	p := make([]byte, n)
	for got := 0; got < n; {
		k, err := s.c.Read(s.now, p[got:])
		if err != nil || k == 0 {
			s.fatalf("read %d of %d: %v", got, n, err)
		}
		got += k
	}
	want := make([]byte, n)
	stacktest.FillPayload(want, s.readSeen)
	if string(p) != string(want) {
		s.fatalf("read other bytes than were sent")
	}
	s.readSeen = s.readSeen.Add(seqnum.Size(n))
	s.check()
}

// wantRead expects Read to return this error and no text.
func (s *script) wantRead(why string, want error) {
	s.t.Helper()
	n, err := s.c.Read(s.now, make([]byte, 1))
	if n != 0 || err != want {
		s.fatalf("%s: read %d, %v, want %v", why, n, err, want)
	}
}

func (s *script) wantEOF(why string) { s.t.Helper(); s.wantRead(why, io.EOF) }

func (s *script) wantState(want State) {
	s.t.Helper()
	if got := s.c.State(); got != want {
		s.fatalf("state %v, want %v", got, want)
	}
}

func (s *script) wantDrop(got, want DropReason) {
	s.t.Helper()
	if got != want {
		s.fatalf("dropped for %v, want %v", got, want)
	}
}

func (s *script) check() {
	s.t.Helper()
	if err := s.c.Check(); err != nil {
		s.fatalf("invariant: %v", err)
	}
}

func (s *script) note(dir string, seg *wire.TCP) {
	rel, ack := s.iss, s.irs
	if dir == "<" {
		rel, ack = s.irs, s.iss
	}
	line := fmt.Sprintf("%8.3f %s ", float64(s.now)/1e9-10, dir)
	s.log = append(s.log, line+string(wire.AppendTCP(nil, seg, rel, ack)))
}

func (s *script) fatalf(format string, args ...any) {
	s.t.Helper()
	for _, l := range s.log[max(0, len(s.log)-30):] {
		s.t.Log(l)
	}
	s.t.Fatalf(format, args...)
}

// seqRangeText writes flags and a sequence range.
func seqRangeText(flags string, first, n int) string {
	return flags + ". " + itoa(first) + ":" + itoa(first+n) + "(" + strconv.Itoa(n) + ")"
}

// drain returns everything that the connection sends now.
func (s *script) drain() []wire.TCP {
	s.t.Helper()
	var segs []wire.TCP
	for range 100000 {
		seg, ok := s.poll()
		if !ok {
			return segs
		}
		segs = append(segs, seg)
	}
	s.fatalf("sends for ever")
	return nil
}

// pump lets time pass, with timers and pacing, and returns everything that is sent in it.
func (s *script) pump(d Duration) []wire.TCP {
	s.t.Helper()
	start, end := s.now, s.now.Add(d)
	segs := s.drain()
	for at := s.c.Deadline(); at != 0 && at <= end; at = s.c.Deadline() {
		s.now = max(s.now, at)
		s.c.HandleTimeout(s.now)
		s.check()
		segs = append(segs, s.drain()...)
	}
	s.now = end
	s.tsval += uint32(end.Sub(start) / ms)
	return segs
}

// itoa writes a relative sequence number, which on 32 bits may be negative as an int.
func itoa(n int) string { return strconv.FormatUint(uint64(uint32(n)), 10) }
