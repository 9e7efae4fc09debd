package ourstack

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

func listen(t *testing.T, h *host, local string, backlog int) *Listener {
	t.Helper()
	l, err := h.s.Listen(ap(local), backlog)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestListenAddresses(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) {
		c.Addresses = append(c.Addresses, netip.MustParseAddr("10.8.0.100"))
	})
	exact := listen(t, h, gatewayAddr+":80", 4)
	wild := listen(t, h, "0.0.0.0:80", 4)
	for _, local := range []string{gatewayAddr + ":80", "0.0.0.0:80"} {
		if _, err := h.s.Listen(ap(local), 4); !errors.Is(err, ErrAddrInUse) {
			t.Errorf("%s twice: %v", local, err)
		}
	}
	if _, err := h.s.Listen(ap("10.8.0.7:80"), 4); !errors.Is(err, ErrAddrNotAvailable) {
		t.Errorf("foreign address: %v", err)
	}
	free := listen(t, h, gatewayAddr+":0", 4)
	if p := free.Addr().Port(); p < ephemeralPortMin {
		t.Errorf("port %d", p)
	}
	// The exact listener comes first, the other takes the rest.
	connect(t, h, "10.8.0.2:1", gatewayAddr+":80", 1)
	connect(t, h, "10.8.0.2:1", "10.8.0.100:80", 1)
	for _, l := range []*Listener{exact, wild} {
		if _, err := l.Accept(); err != nil {
			t.Errorf("%v: %v", l.Addr(), err)
		}
		if _, err := l.Accept(); !errors.Is(err, ErrWouldBlock) {
			t.Errorf("%v has a second connection: %v", l.Addr(), err)
		}
	}
	exact.Close(h.now())
	connect(t, h, "10.8.0.2:2", gatewayAddr+":80", 1)
	if _, err := wild.Accept(); err != nil {
		t.Errorf("after the exact listener closed: %v", err)
	}
	wild.Close(h.now())
	wild.Close(h.now())
	h.recv(syn("10.8.0.2:3", gatewayAddr+":80", 1))
	h.want("nobody listens", "* R. *")
}

// connect makes a handshake by hand and returns the SYN-ACK.
func connect(t *testing.T, h *host, from, to string, seq uint32) wire.TCP {
	t.Helper()
	h.recv(syn(from, to, seq))
	synack := onlySegment(t, h)
	if synack.Flags != wire.FlagSYN|wire.FlagACK || synack.Ack != seqOf(seq+1) {
		t.Fatalf("SYN-ACK: %+v", synack)
	}
	h.recv(ackOf(from, to, &synack))
	return synack
}

// ackOf makes the third packet of the handshake.
func ackOf(from, to string, synack *wire.TCP) []byte {
	seg := wire.TCP{Flags: wire.FlagACK, Seq: synack.Ack, Ack: synack.Seq.Add(1)}
	if synack.Opts.HasTimestamps {
		seg.Opts = wire.Options{HasTimestamps: true, TSVal: 2, TSEcr: synack.Opts.TSVal}
	}
	return segment(from, to, seg)
}

// onlySegment takes the one TCP segment that h has to send.
func onlySegment(t *testing.T, h *host) wire.TCP {
	t.Helper()
	pkts := h.packets()
	if len(pkts) != 1 {
		t.Fatalf("%d packets", len(pkts))
	}
	var ip wire.IPv4
	var seg wire.TCP
	if ip.Parse(pkts[0]) != wire.OK || seg.Parse(ip.Payload) != wire.OK || !wire.TCPChecksumOK(ip.Src, ip.Dst, ip.Payload) {
		t.Fatalf("bad packet: %s", wire.AppendPacket(nil, pkts[0]))
	}
	if !ip.DF {
		t.Error("TCP without DF")
	}
	return seg
}

// TestSynWithECNBits: an ECN-setup SYN, also with the AccECN bit, is accepted (bug 12 of the list).
func TestSynWithECNBits(t *testing.T) {
	for _, bits := range []wire.Flags{wire.FlagECE | wire.FlagCWR, wire.FlagECE | wire.FlagCWR | wire.FlagAE} {
		h := newHost(t, gatewayAddr)
		l := listen(t, h, gatewayAddr+":80", 4)
		h.recv(segment("10.8.0.2:1", gatewayAddr+":80", wire.TCP{Flags: wire.FlagSYN | bits, Seq: 1, Opts: clientOptions(1)}))
		synack := onlySegment(t, h)
		h.recv(ackOf("10.8.0.2:1", gatewayAddr+":80", &synack))
		if _, err := l.Accept(); err != nil {
			t.Errorf("flags %b: %v", bits, err)
		}
	}
}

func TestListenerNotifies(t *testing.T) {
	h := newHost(t, gatewayAddr)
	l := listen(t, h, gatewayAddr+":80", 4)
	n := 0
	l.SetNotify(func() { n++ })
	connect(t, h, "10.8.0.2:1", gatewayAddr+":80", 1)
	if n != 1 {
		t.Errorf("%d notifications for a connection", n)
	}
	l.SetNotify(func() { n += 10 })
	if n != 11 {
		t.Errorf("set while something waits: %d", n)
	}
	l.Close(h.now())
	if n != 21 {
		t.Errorf("close: %d", n)
	}
	h.want("the connection nobody accepted is reset", "* R*")
	if st := h.s.Stats(); st.Conns != 0 {
		t.Errorf("%d connections left", st.Conns)
	}
}

// TestListenerCloseEndsHalfOpen: connections in the SYN queue end with the listener.
func TestListenerCloseEndsHalfOpen(t *testing.T) {
	h := newHost(t, gatewayAddr)
	l := listen(t, h, gatewayAddr+":80", 4)
	h.recv(syn("10.8.0.2:1", gatewayAddr+":80", 1))
	h.want("SYN-ACK", "* S. *")
	l.Close(h.now())
	h.packets()
	if st := h.s.Stats(); st.Conns != 0 {
		t.Errorf("%d connections left", st.Conns)
	}
}

// TestSynFloodIsFlat: a million SYNs without an ACK take no more memory than the SYN queue, which drains
// by itself; meanwhile a good client connects (bug 10 of the list).
func TestSynFloodIsFlat(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.SynQueue = 64 })
	l := listen(t, h, gatewayAddr+":80", 16)
	rounds := 100_000
	if testing.Short() {
		rounds = 10_000
	}
	for i := range rounds {
		from := fmt.Sprintf("10.%d.%d.%d:%d", 9+i>>16&7, i>>8&0xFF, i&0xFF, 1024+i%60000)
		h.recv(syn(from, gatewayAddr+":80", uint32(i)))
		if i%100 == 0 {
			h.packets()
		}
	}
	h.packets()
	if st := h.s.Stats(); st.Conns > 64 || len(h.s.remotes.m) > 65 || l.half.n > 64 {
		t.Errorf("%d connections, %d remotes, %d in the SYN queue", st.Conns, len(h.s.remotes.m), l.half.n)
	}
	connect(t, h, "10.8.0.2:1", gatewayAddr+":80", 1)
	if _, err := l.Accept(); err != nil {
		t.Errorf("a good client in the flood: %v", err)
	}
	h.after(200 * second)
	h.packets()
	if l.half.n != 0 || len(h.s.deadlines.heap) > 2 {
		t.Errorf("%d in the SYN queue, %d deadlines after the flood", l.half.n, len(h.s.deadlines.heap))
	}
}

// TestSynResetLoop: SYN, SYN-ACK, RST as health checkers do, ten thousand times, occupies nothing (trap 5).
func TestSynResetLoop(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.SynQueue = 8 })
	listen(t, h, gatewayAddr+":80", 4)
	for i := range 10_000 {
		from := fmt.Sprintf("10.8.0.2:%d", 1024+i)
		h.recv(syn(from, gatewayAddr+":80", 7))
		synack := onlySegment(t, h)
		h.recv(segment(from, gatewayAddr+":80", wire.TCP{Flags: wire.FlagRST, Seq: synack.Ack}))
		h.want("a RST draws nothing")
	}
	if st := h.s.Stats(); st.Conns != 0 || st.CookiesSent != 0 {
		t.Errorf("%d connections, %d cookies", st.Conns, st.CookiesSent)
	}
}

// TestAcceptQueueFullDoesNotReset: a client that completes its handshake when the accept queue is full is
// not reset; it gets in later (bug 11 of the list).
func TestAcceptQueueFullDoesNotReset(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.SynQueue = 2 })
	l := listen(t, h, gatewayAddr+":80", 1)
	// Both handshakes begin while there is room.
	var synacks [3]wire.TCP
	for i := range synacks {
		h.recv(syn(fmt.Sprintf("10.8.0.2:%d", i+1), gatewayAddr+":80", 1))
		synacks[i] = onlySegment(t, h)
	}
	for i := range synacks { // the third is a cookie
		h.recv(ackOf(fmt.Sprintf("10.8.0.2:%d", i+1), gatewayAddr+":80", &synacks[i]))
	}
	h.want("nobody is reset")
	h.wantDrop("tcp: accept queue full", 1)
	h.recv(syn("10.8.0.2:9", gatewayAddr+":80", 1))
	h.want("a SYN for a full accept queue is dropped in silence")
	for range 2 {
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	// The client of the cookie sends its request again, as it has no answer.
	h.recv(ackOf("10.8.0.2:3", gatewayAddr+":80", &synacks[2]))
	if _, err := l.Accept(); err != nil {
		t.Errorf("the client with the cookie: %v", err)
	}
	for _, line := range h.sent() {
		if strings.Contains(line, " R") {
			t.Errorf("reset: %s", line)
		}
	}
}

// TestCookieKeepsOptions: with timestamps a cookie keeps MSS, window scale, SACK and ECN; without them
// the connection works with the MSS alone.
func TestCookieKeepsOptions(t *testing.T) {
	for _, c := range []struct {
		name string
		opts wire.Options
		ecn  bool
		want tcp.Info
	}{
		{"all", clientOptions(1), false, tcp.Info{SndMSS: 1380 - 12, SndShift: 7, SACK: true, Timestamps: true, WindowScale: true}},
		{
			"shift 0",
			wire.Options{MSS: 1460, HasMSS: true, HasWndScale: true, HasTimestamps: true},
			false,
			tcp.Info{SndMSS: 1380 - 12, Timestamps: true, WindowScale: true},
		},
		{
			"shift 14",
			wire.Options{MSS: 1380, HasMSS: true, HasWndScale: true, WndScale: 14, HasTimestamps: true},
			true,
			tcp.Info{SndMSS: 1380 - 12, SndShift: 14, Timestamps: true, WindowScale: true, ECN: true},
		},
		{
			"no scale",
			wire.Options{MSS: 1220, HasMSS: true, SACKPermitted: true, HasTimestamps: true},
			false,
			tcp.Info{SndMSS: 1220 - 12, SACK: true, Timestamps: true},
		},
		{
			"no timestamps",
			wire.Options{MSS: 1300, HasMSS: true, SACKPermitted: true, HasWndScale: true, WndScale: 7},
			true,
			tcp.Info{SndMSS: 1300},
		},
		{"no options", wire.Options{}, false, tcp.Info{SndMSS: 536}},
		{"small mss", wire.Options{MSS: 500, HasMSS: true}, false, tcp.Info{SndMSS: 216}},
		{"tiny mss", wire.Options{MSS: 100, HasMSS: true}, false, tcp.Info{SndMSS: 48}},
		{"odd mss", wire.Options{MSS: 1379, HasMSS: true}, false, tcp.Info{SndMSS: 1360}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHost(t, gatewayAddr, func(cfg *Config) { cfg.Limits.SynQueue, cfg.TCP.ECN = -1, true })
			l := listen(t, h, gatewayAddr+":80", 4)
			h.after(12345 * ms)
			flags := wire.FlagSYN
			if c.ecn {
				flags |= wire.FlagECE | wire.FlagCWR
			}
			h.recv(segment("10.8.0.2:1", gatewayAddr+":80", wire.TCP{Flags: flags, Seq: 0xFFFFFFFF, Opts: c.opts}))
			synack := onlySegment(t, h)
			if h.s.Stats().CookiesSent != 1 || h.s.Stats().Conns != 0 {
				t.Fatal("no cookie was sent, or a connection was made")
			}
			h.after(90 * second) // into the next step
			h.recv(ackOf("10.8.0.2:1", gatewayAddr+":80", &synack))
			conn, err := l.Accept()
			if err != nil {
				t.Fatalf("%v; drops %v", err, h.s.Stats().Drops)
			}
			got := conn.Info(h.now())
			got = tcp.Info{
				SndMSS: got.SndMSS, SndShift: got.SndShift, SACK: got.SACK,
				Timestamps: got.Timestamps, WindowScale: got.WindowScale, ECN: got.ECN,
			}
			if got != c.want {
				t.Errorf("\n got %+v\nwant %+v", got, c.want)
			}
			if _, err := conn.Write(h.now(), []byte("hi")); err != nil {
				t.Fatal(err)
			}
			h.want("data flows", "* P. *(2) ack 0*")
		})
	}
}

// TestCookieIsChecked: a cookie is bound to the tuple, the client's sequence number, its options and
// the time; ACKs when no cookie was sent are refused as ever.
func TestCookieIsChecked(t *testing.T) {
	const from, to = "10.8.0.2:1", gatewayAddr + ":80"
	for name, c := range map[string]struct {
		ack  func(*wire.TCP) []byte
		wait tcp.Duration
		ok   bool
	}{
		"good":           {func(s *wire.TCP) []byte { return ackOf(from, to, s) }, 0, true},
		"one step later": {func(s *wire.TCP) []byte { return ackOf(from, to, s) }, cookieLifetime, true},
		"too late":       {func(s *wire.TCP) []byte { return ackOf(from, to, s) }, 2 * cookieLifetime, false},
		"other port":     {func(s *wire.TCP) []byte { return ackOf("10.8.0.2:2", to, s) }, 0, false},
		"other address":  {func(s *wire.TCP) []byte { return ackOf("10.8.0.3:1", to, s) }, 0, false},
		"other ack":      {func(s *wire.TCP) []byte { s.Seq++; return ackOf(from, to, s) }, 0, false},
		"other seq":      {func(s *wire.TCP) []byte { s.Ack++; return ackOf(from, to, s) }, 0, false},
		"other mss":      {func(s *wire.TCP) []byte { s.Seq ^= 1 << 30; return ackOf(from, to, s) }, 0, false},
		"other options":  {func(s *wire.TCP) []byte { s.Opts.TSVal ^= 1; return ackOf(from, to, s) }, 0, false},
		"no timestamps":  {func(s *wire.TCP) []byte { s.Opts.HasTimestamps = false; return ackOf(from, to, s) }, 0, false},
	} {
		h := newHost(t, gatewayAddr, func(cfg *Config) { cfg.Limits.SynQueue = -1 })
		l := listen(t, h, to, 4)
		h.recv(syn(from, to, 77))
		synack := onlySegment(t, h)
		h.after(c.wait)
		h.recv(c.ack(&synack))
		_, err := l.Accept()
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
		if !c.ok {
			h.want(name+": refused", "* R *")
		}
	}
	h := newHost(t, gatewayAddr)
	listen(t, h, to, 4)
	h.recv(segment(from, to, wire.TCP{Flags: wire.FlagACK, Seq: 5, Ack: 6}))
	h.want("a stray ACK", "* R 6:6(0)*")
	h.wantDrop("tcp: no connection", 1)
}

// TestCookieTimestampIsNotOfTheFuture: the connection's own timestamps never go backwards after a cookie.
func TestCookieTimestampIsNotOfTheFuture(t *testing.T) {
	for now := tcp.Instant(second); now < tcp.Instant(2*second); now += tcp.Instant(7 * ms) {
		for _, opts := range []uint32{0, 1, 31, cookieTSMask} {
			for _, offset := range []uint32{0, 12345, 0xFFFFFFFF} {
				ms := uint32(uint64(now) / uint64(ms))
				ts := ms + cookieTSOffset(now, offset, opts)
				if behind := int32(ms + offset - ts); behind < 0 || behind > cookieTSMask {
					t.Fatalf("%d ms behind the clock", behind)
				}
				if ts&cookieTSMask != opts {
					t.Fatalf("options %b became %b", opts, ts&cookieTSMask)
				}
			}
		}
	}
}

// TestAckWithDataCompletesHandshake: text on the third packet is delivered, for a connection in the SYN
// queue and for a cookie.
func TestAckWithDataCompletesHandshake(t *testing.T) {
	for _, queue := range []int{0, -1} {
		h := newHost(t, gatewayAddr, func(cfg *Config) { cfg.Limits.SynQueue = queue })
		l := listen(t, h, gatewayAddr+":80", 4)
		h.recv(syn("10.8.0.2:1", gatewayAddr+":80", 5))
		synack := onlySegment(t, h)
		seg := wire.TCP{Flags: wire.FlagACK | wire.FlagPSH, Seq: 6, Ack: synack.Seq.Add(1), Payload: []byte("GET /")}
		seg.Opts = wire.Options{HasTimestamps: true, TSVal: 2, TSEcr: synack.Opts.TSVal}
		h.recv(segment("10.8.0.2:1", gatewayAddr+":80", seg))
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		var b [10]byte
		if n, err := c.Read(h.now(), b[:]); err != nil || string(b[:n]) != "GET /" {
			t.Errorf("read %q, %v", b[:n], err)
		}
	}
}
