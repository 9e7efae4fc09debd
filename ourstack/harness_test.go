package ourstack

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// The harness: hosts with a common virtual clock, driven by hand in one goroutine.

const (
	ms     = tcp.Millisecond
	second = tcp.Second

	gatewayAddr = "10.8.0.1"
	clientAddr  = "10.8.0.2"
	serverAddr  = "192.0.2.1" // of nobody here: traffic to it is forwarded
)

type host struct {
	t     testing.TB
	s     *Stack
	clock *tcp.Instant
	wakes atomic.Int32
	bufs  [][]byte
	sizes []int
}

// newHost makes a stack; change may adjust its configuration. Its clock starts at one second.
func newHost(t testing.TB, addr string, change ...func(*Config)) *host {
	t.Helper()
	clock := tcp.Instant(second)
	return newHostAt(t, &clock, addr, change...)
}

func newHostAt(t testing.TB, clock *tcp.Instant, addr string, change ...func(*Config)) *host {
	t.Helper()
	h := &host{t: t, clock: clock, bufs: make([][]byte, 128), sizes: make([]int, 128)}
	cfg := Config{
		Addresses: []netip.Addr{netip.MustParseAddr(addr)},
		Seed:      [32]byte{1, addr[len(addr)-1]},
		Wake:      func() { h.wakes.Add(1) },
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.s = s
	for i := range h.bufs {
		h.bufs[i] = make([]byte, s.cfg.MTU+16)
	}
	return h
}

func (h *host) now() tcp.Instant { return *h.clock }

// after moves the clock and carries out what is due on the way.
func (h *host) after(d tcp.Duration) {
	end := h.clock.Add(d)
	for {
		at, ok := h.s.NextDeadline()
		if !ok || at > end {
			break
		}
		*h.clock = max(*h.clock, at)
		h.s.Advance(*h.clock)
	}
	*h.clock = end
	h.s.Advance(end)
}

// recv gives packets to the stack as one batch.
func (h *host) recv(pkts ...[]byte) { h.s.Input(h.now(), pkts, 0) }

// packets takes everything that the stack has to send.
func (h *host) packets() [][]byte {
	h.t.Helper()
	var out [][]byte
	for range 10000 {
		n := h.s.Output(h.now(), h.bufs, h.sizes, 16)
		if n == 0 {
			return out
		}
		for i := range n {
			out = append(out, append([]byte(nil), h.bufs[i][16:16+h.sizes[i]]...))
		}
	}
	h.t.Fatal("output does not end")
	return nil
}

// sent takes everything that the stack has to send, as text.
func (h *host) sent() []string {
	h.t.Helper()
	var out []string
	for _, p := range h.packets() {
		out = append(out, string(wire.AppendPacket(nil, p)))
	}
	return out
}

// want fails unless the packets to send match the patterns, in which "*" stands for any text.
func (h *host) want(why string, patterns ...string) {
	h.t.Helper()
	got := h.sent()
	ok := len(got) == len(patterns)
	for i := 0; ok && i < len(got); i++ {
		ok = matches(got[i], patterns[i])
	}
	if !ok {
		h.t.Fatalf("%s:\n got  %s\n want %s", why, strings.Join(got, "\n      "), strings.Join(patterns, "\n      "))
	}
}

// matches reports whether s matches a pattern with "*".
func matches(s, pattern string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for i, p := range parts[1:] {
		if i == len(parts)-2 {
			return strings.HasSuffix(s, p)
		}
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return s == ""
}

// wantDrop fails unless a reason has been counted n times.
func (h *host) wantDrop(name string, n uint64) {
	h.t.Helper()
	drops := h.s.Stats().Drops
	if drops[name] != n {
		h.t.Fatalf("drops of %q: got %d, want %d (all: %v)", name, drops[name], n, drops)
	}
}

// exchange carries packets between two hosts until neither has any; each direction may lose or
// change packets by filter.
func exchange(a, b *host, filter ...func(pkt []byte) bool) {
	for range 100000 {
		pa, pb := a.packets(), b.packets()
		if len(pa) == 0 && len(pb) == 0 {
			return
		}
		a.recv(keep(pb, filter)...)
		b.recv(keep(pa, filter)...)
	}
	a.t.Fatal("the exchange does not end")
}

func keep(pkts [][]byte, filter []func([]byte) bool) [][]byte {
	for _, f := range filter {
		var kept [][]byte
		for _, p := range pkts {
			if f(p) {
				kept = append(kept, p)
			}
		}
		pkts = kept
	}
	return pkts
}

// run exchanges packets and lets time pass until done or d has passed.
func run(a, b *host, d tcp.Duration, done func() bool, filter ...func([]byte) bool) {
	a.t.Helper()
	end := a.clock.Add(d)
	for {
		exchange(a, b, filter...)
		if done() {
			return
		}
		next := end
		for _, h := range []*host{a, b} {
			if at, ok := h.s.NextDeadline(); ok && at < next {
				next = at
			}
		}
		*a.clock = max(*a.clock, next)
		a.s.Advance(a.now())
		b.s.Advance(b.now())
		if *a.clock >= end {
			exchange(a, b, filter...)
			if !done() {
				a.t.Fatalf("not done after %d ms", d/ms)
			}
			return
		}
	}
}

// pair makes two hosts, gateway and client, with one clock.
func pair(t testing.TB, change ...func(*Config)) (gateway, client *host) {
	t.Helper()
	clock := tcp.Instant(second)
	return newHostAt(t, &clock, gatewayAddr, change...), newHostAt(t, &clock, clientAddr, change...)
}

// ap parses an address with port.
func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func end(s string) tcp.Endpoint {
	e, _ := endpoint(ap(s))
	return e
}

func addr(s string) wire.Addr {
	a, _ := wire.AddrFrom(netip.MustParseAddr(s))
	return a
}

// ipPacket makes a packet around a transport payload.
func ipPacket(h wire.IPv4, payload []byte) []byte {
	if h.TTL == 0 {
		h.TTL = 64
	}
	return putPacket(h, payload)
}

func putPacket(h wire.IPv4, payload []byte) []byte {
	h.TotalLen = h.HeaderLen() + len(payload)
	b := make([]byte, h.TotalLen)
	copy(b[h.Put(b):], payload)
	return b
}

// segment makes a TCP packet.
func segment(from, to string, seg wire.TCP) []byte {
	src, dst := end(from), end(to)
	seg.SrcPort, seg.DstPort = src.Port, dst.Port
	if seg.Wnd == 0 {
		seg.Wnd = 65535
	}
	b := make([]byte, seg.HeaderLen()+len(seg.Payload))
	copy(b[seg.Put(b):], seg.Payload)
	wire.SetTCPChecksum(src.Addr, dst.Addr, b)
	return ipPacket(wire.IPv4{Protocol: wire.ProtoTCP, DF: true, Src: src.Addr, Dst: dst.Addr}, b)
}

// syn makes a SYN with the options of an ordinary client.
func syn(from, to string, seq uint32) []byte {
	return segment(from, to, wire.TCP{Flags: wire.FlagSYN, Seq: seqOf(seq), Opts: clientOptions(1)})
}

func clientOptions(ts uint32) wire.Options {
	return wire.Options{
		MSS: 1380, HasMSS: true, WndScale: 7, HasWndScale: true, SACKPermitted: true,
		HasTimestamps: true, TSVal: ts,
	}
}

// udpDatagram makes a UDP packet; larger than 65535 it panics, and it is not fragmented.
func udpDatagram(from, to string, payload []byte) []byte {
	src, dst := end(from), end(to)
	u := wire.UDP{SrcPort: src.Port, DstPort: dst.Port, Payload: payload}
	b := make([]byte, wire.UDPHeaderLen+len(payload))
	u.Put(b)
	wire.SetUDPChecksum(src.Addr, dst.Addr, b)
	return ipPacket(wire.IPv4{Protocol: wire.ProtoUDP, Src: src.Addr, Dst: dst.Addr, ID: 7}, b)
}

// icmpPacket makes an ICMP packet.
func icmpPacket(from, to string, m wire.ICMPv4) []byte {
	b := make([]byte, wire.ICMPv4HeaderLen+len(m.Payload))
	m.Put(b)
	return ipPacket(wire.IPv4{Protocol: wire.ProtoICMP, Src: addr(from), Dst: addr(to)}, b)
}

// echo makes an echo request.
func echo(from, to string, id, seq uint16, payload []byte) []byte {
	m := wire.ICMPv4{Type: wire.ICMPEcho, Payload: payload}
	m.SetEcho(id, seq)
	return icmpPacket(from, to, m)
}

// edit returns a copy of an IP packet with its header changed and its checksum right again.
func edit(pkt []byte, change func(*wire.IPv4)) []byte {
	var h wire.IPv4
	if e := h.ParseQuoted(pkt); e != wire.OK {
		panic(e)
	}
	payload := append([]byte(nil), h.Payload...)
	h.Options = append([]byte(nil), h.Options...)
	change(&h)
	return putPacket(h, payload)
}

// fragments cuts a packet into fragments of at most size bytes of payload, a multiple of 8.
func fragments(pkt []byte, size int) [][]byte {
	var h wire.IPv4
	if e := h.Parse(pkt); e != wire.OK {
		panic(e)
	}
	var out [][]byte
	for off := 0; off < len(h.Payload); off += size {
		part := h.Payload[off:min(off+size, len(h.Payload))]
		out = append(out, fragment(&h, off, off+len(part) < len(h.Payload), part))
	}
	return out
}

// fragment makes one fragment of the datagram of h.
func fragment(h *wire.IPv4, off int, more bool, part []byte) []byte {
	f := *h
	f.FragOff, f.MF, f.DF = off, more, false
	return ipPacket(f, part)
}

// events is a Notifier that remembers.
type events struct{ seen Event }

func (e *events) Notify(ev Event) { e.seen |= ev }

// established makes a connection between two hosts: server is the accepted end at gateway port 80.
func established(t testing.TB, gateway, client *host) (server, cl *Conn) {
	t.Helper()
	l, err := gateway.s.Listen(ap(gatewayAddr+":80"), 16)
	if err != nil {
		t.Fatal(err)
	}
	cl, err = client.s.Dial(client.now(), netip.AddrPort{}, ap(gatewayAddr+":80"))
	if err != nil {
		t.Fatal(err)
	}
	exchange(gateway, client)
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	l.Close(gateway.now())
	return server, cl
}
