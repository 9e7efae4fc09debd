package ourstack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/wire"
)

const fragUnit = 8

// part is a fragment in units of eight octets: [from, to), the last one if last.
type part struct {
	from, to int
	last     bool
	other    bool // carries other bytes than the datagram has there
}

// fragmentDatagram is what the geometry tests cut up: a UDP datagram of 80 octets with its header.
func fragmentDatagram() []byte {
	return edit(udpDatagram(clientAddr+":1", gatewayAddr+":53", pattern(72, 1)), func(ip *wire.IPv4) { ip.ID = 77 })
}

func (p part) packet() []byte {
	var h wire.IPv4
	h.Parse(fragmentDatagram())
	data := append([]byte(nil), h.Payload...)
	for len(data) < p.to*fragUnit {
		data = append(data, byte(len(data)))
	}
	data = data[p.from*fragUnit : p.to*fragUnit]
	if p.other {
		data = bytes.Repeat([]byte{0xAA}, len(data))
	}
	return fragment(&h, p.from*fragUnit, !p.last, data)
}

// TestReassemblyGeometry is a table of how fragments can lie to each other. The datagram is ten units.
func TestReassemblyGeometry(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts []part
		whole bool
		drop  string
	}{
		{"in order", []part{{0, 4, false, false}, {4, 8, false, false}, {8, 10, true, false}}, true, ""},
		{"reversed", []part{{8, 10, true, false}, {4, 8, false, false}, {0, 4, false, false}}, true, ""},
		{"middle last", []part{{8, 10, true, false}, {0, 4, false, false}, {4, 8, false, false}}, true, ""},
		{"single units", []part{{3, 4, false, false}, {1, 2, false, false}, {0, 1, false, false}, {2, 3, false, false}, {4, 10, true, false}}, true, ""},
		{"tiny first fragment", []part{{0, 1, false, false}, {1, 10, true, false}}, true, ""},
		{"exact duplicate", []part{{0, 4, false, false}, {0, 4, false, false}, {4, 10, true, false}}, true, "fragment: duplicate"},
		{"duplicate of the last", []part{{4, 10, true, false}, {4, 10, true, false}, {0, 4, false, false}}, true, "fragment: duplicate"},
		{"hole", []part{{0, 4, false, false}, {5, 10, true, false}}, false, ""},
		{"no end", []part{{0, 4, false, false}, {4, 10, false, false}}, false, ""},
		{"no start", []part{{1, 10, true, false}}, false, ""},

		{"same place, other bytes", []part{{0, 4, false, false}, {0, 4, false, true}, {4, 10, true, false}}, false, "fragment: overlap"},
		{"overlaps the one before", []part{{0, 4, false, false}, {3, 10, true, false}}, false, "fragment: overlap"},
		{"overlaps the one after", []part{{4, 10, true, false}, {0, 5, false, false}}, false, "fragment: overlap"},
		{"covers another", []part{{2, 4, false, false}, {0, 6, false, false}, {6, 10, true, false}}, false, "fragment: overlap"},
		{"inside another", []part{{0, 6, false, false}, {2, 4, false, false}, {6, 10, true, false}}, false, "fragment: overlap"},
		{"longer at the same place", []part{{0, 4, false, false}, {0, 6, false, false}, {6, 10, true, false}}, false, "fragment: overlap"},
		{"shorter at the same place", []part{{0, 4, false, false}, {0, 2, false, false}, {4, 10, true, false}}, false, "fragment: overlap"},
		{"two ends", []part{{8, 10, true, false}, {6, 8, true, false}, {0, 6, false, false}}, false, "fragment: overlap"},
		{"end again further on", []part{{8, 10, true, false}, {10, 12, true, false}, {0, 8, false, false}}, false, "fragment: overlap"},
		{"beyond the end", []part{{8, 10, true, false}, {10, 12, false, false}, {0, 8, false, false}}, false, "fragment: overlap"},
		{"end before what is there", []part{{8, 12, false, false}, {4, 8, true, false}, {0, 4, false, false}}, false, "fragment: overlap"},
		{"the end is not the end", []part{{4, 10, true, false}, {4, 10, false, false}, {0, 4, false, false}}, false, "fragment: overlap"},
		{"more behind the end", []part{{4, 10, false, false}, {4, 10, true, false}, {0, 4, false, false}}, false, "fragment: overlap"},
	} {
		h := newHost(t, gatewayAddr)
		u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.parts {
			h.recv(p.packet())
		}
		var b [100]byte
		n, _, _, err := u.ReadFrom(b[:])
		if whole := err == nil; whole != c.whole || whole && !bytes.Equal(b[:n], pattern(72, 1)) {
			t.Errorf("%s: whole %v, %d bytes", c.name, whole, n)
		}
		if drops := h.s.Stats().Drops; c.drop == "" && len(drops) != 0 || c.drop != "" && drops[c.drop] == 0 {
			t.Errorf("%s: drops %v", c.name, drops)
		}
		h.want(c.name + ": silence")
		// After a contradiction the datagram stays dead, whatever still comes (RFC 5722 §3).
		if c.drop == "fragment: overlap" {
			h.recv(part{0, 5, false, false}.packet(), part{5, 10, true, false}.packet())
			if _, _, _, err := u.ReadFrom(b[:]); err == nil {
				t.Errorf("%s: delivered after all", c.name)
			}
		}
		h.after(reassemblyTimeout)
		if f := &h.s.fragments; f.used != 0 || len(f.datagrams) != 0 || len(f.sources) != 0 || f.oldest != nil {
			t.Errorf("%s: %d bytes, %d datagrams are left", c.name, f.used, len(f.datagrams))
		}
	}
}

// TestReassemblyRandomOrder: every order and size of pieces makes the same datagram, up to the largest.
func TestReassemblyRandomOrder(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		n := []int{100, 3000, 20000, 65507}[rng.IntN(4)]
		data := pattern(n, seed)
		pieces := fragments(udpDatagram(clientAddr+":1", gatewayAddr+":53", data), max(8*(1+rng.IntN(180)), (n/maxFragments+16)&^7))
		if rng.IntN(2) == 0 {
			pieces = append(pieces[:len(pieces):len(pieces)], pieces[rng.IntN(len(pieces))])
		}
		rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		h := newHost(t, gatewayAddr)
		u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
		if err != nil {
			t.Fatal(err)
		}
		h.recv(pieces...)
		b := make([]byte, 65536)
		got, _, _, err := u.ReadFrom(b)
		if err != nil || !bytes.Equal(b[:got], data) {
			t.Fatalf("seed %d: %d of %d bytes, %v; drops %v", seed, got, n, err, h.s.Stats().Drops)
		}
	}
}

// TestReassemblyInterleaved: datagrams differ by source, destination, protocol and ID.
func TestReassemblyInterleaved(t *testing.T) {
	h := newHost(t, gatewayAddr)
	u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
	if err != nil {
		t.Fatal(err)
	}
	var all [][][]byte
	for i := range 8 {
		from := fmt.Sprintf("10.8.0.%d:1", 2+i/2)
		p := edit(udpDatagram(from, gatewayAddr+":53", pattern(2000, uint64(i))), func(ip *wire.IPv4) { ip.ID = uint16(i % 2) })
		all = append(all, fragments(p, 504))
	}
	for k := range all[0] {
		for _, f := range all {
			h.recv(f[k])
		}
	}
	for i := range all {
		b := make([]byte, 3000)
		n, _, _, err := u.ReadFrom(b)
		if err != nil || !bytes.Equal(b[:n], pattern(2000, uint64(i))) {
			t.Fatalf("datagram %d: %d bytes, %v", i, n, err)
		}
	}
}

// TestFragmentLengths: a fragment that is not a multiple of eight, empty, or that ends beyond 65535 (the
// "ping of death") is dropped at once.
func TestFragmentLengths(t *testing.T) {
	var base wire.IPv4
	base.Parse(fragmentDatagram())
	for name, pkt := range map[string][]byte{
		"not a multiple of 8": fragment(&base, 0, true, make([]byte, 12)),
		"empty":               fragment(&base, 8, true, nil),
		"empty last":          fragment(&base, 8, false, nil),
		"beyond 65535":        fragment(&base, 65528, false, make([]byte, 8)),
		"far beyond 65535":    fragment(&base, 65528, false, make([]byte, 1400)),
	} {
		h := newHost(t, gatewayAddr)
		h.recv(pkt)
		h.want(name)
		h.wantDrop("fragment: length", 1)
		if len(h.s.fragments.datagrams) != 0 {
			t.Errorf("%s: something is kept", name)
		}
	}
	// With options the header leaves less room: found out when the datagram is whole.
	h := newHost(t, gatewayAddr)
	big := wire.IPv4{Protocol: wire.ProtoUDP, ID: 5, Src: addr(clientAddr), Dst: addr(gatewayAddr), Options: make([]byte, 40)}
	for off := 0; off < 65512; off += 1000 {
		n := min(1000, 65512-off)
		h.recv(fragment(&big, off, off+n < 65512, make([]byte, n)))
	}
	h.wantDrop("fragment: length", 1)
}

// TestReassemblyTimeout: time exceeded goes out if the first fragment arrived, and quotes it (RFC 1122
// §3.3.2).
func TestReassemblyTimeout(t *testing.T) {
	h := newHost(t, gatewayAddr)
	f := fragments(fragmentDatagram(), 40)
	h.recv(f[0])
	h.after(reassemblyTimeout - 1)
	h.want("not yet")
	h.after(1)
	out := h.packets()
	if len(out) != 1 {
		t.Fatalf("%d packets", len(out))
	}
	_, m := parseICMP(t, out[0])
	if m.Type != wire.ICMPTimeExceeded || m.Code != wire.ICMPTimeExceededReassembly || !bytes.Equal(m.Payload, f[0]) {
		t.Errorf("%+v", m)
	}
	h.wantDrop("fragment: timeout", 1)
	h.recv(f[1])
	h.after(2 * reassemblyTimeout)
	h.want("without the first fragment nobody is told")
	h.wantDrop("fragment: timeout", 2)
	// Later datagrams have their own time.
	h.recv(f[0])
	h.after(20 * second)
	h.recv(edit(f[0], func(ip *wire.IPv4) { ip.ID = 78 }))
	h.after(15 * second)
	h.want("the first", "*icmp time exceeded*")
	h.after(15 * second)
	h.want("the second", "*icmp time exceeded*")
}

// TestReassemblyIsBounded: a flood of fragments holds no more than the limits, the oldest give way, and
// one source leaves room for another.
func TestReassemblyIsBounded(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.FragmentMemory = 256 << 10 })
	u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
	if err != nil {
		t.Fatal(err)
	}
	good := fragments(udpDatagram("10.8.0.3:1", gatewayAddr+":53", pattern(3000, 1)), 1400)
	h.recv(good[0])
	base := wire.IPv4{Protocol: wire.ProtoUDP, Src: addr(clientAddr), Dst: addr(gatewayAddr)}
	for i := range 20000 {
		base.ID = uint16(i)
		h.recv(fragment(&base, 1400, true, make([]byte, 1400)))
	}
	f := &h.s.fragments
	if f.used > 256<<10 || f.sources[addr(clientAddr)].bytes > 64<<10 || len(f.datagrams) > maxDatagramsPerSource+1 {
		t.Errorf("%d bytes, %d datagrams", f.used, len(f.datagrams))
	}
	h.recv(good[1:]...)
	b := make([]byte, 4000)
	if n, _, _, err := u.ReadFrom(b); err != nil || n != 3000 {
		t.Errorf("the datagram of another source: %d, %v", n, err)
	}
	// Many sources: the total holds.
	for i := range 20000 {
		base.Src = wire.Addr{10, 9, byte(i >> 8), byte(i)}
		h.recv(fragment(&base, 1400, true, make([]byte, 1400)))
	}
	if f.used > 256<<10 || len(f.datagrams) > maxDatagrams {
		t.Errorf("%d bytes, %d datagrams", f.used, len(f.datagrams))
	}
	// Small ones: the number of datagrams holds.
	for i := range 20000 {
		base.Src = wire.Addr{10, 9, byte(i >> 8), byte(i)}
		base.ID = uint16(i)
		h.recv(fragment(&base, 8, true, make([]byte, 8)))
	}
	if len(f.datagrams) > maxDatagrams || len(f.sources) > maxDatagrams {
		t.Errorf("%d datagrams, %d sources", len(f.datagrams), len(f.sources))
	}
	h.after(reassemblyTimeout)
	h.packets()
	if f.used != 0 || len(f.datagrams) != 0 || len(f.sources) != 0 || h.s.Stats().DatagramMemory != 0 {
		t.Errorf("left: %d bytes, %d datagrams", f.used, len(f.datagrams))
	}
}

// TestFragmentCountIsBounded: a datagram in too many pieces is discarded.
func TestFragmentCountIsBounded(t *testing.T) {
	h := newHost(t, gatewayAddr)
	base := wire.IPv4{Protocol: wire.ProtoUDP, Src: addr(clientAddr), Dst: addr(gatewayAddr), ID: 3}
	for i := range 1000 {
		h.recv(fragment(&base, 16*i, true, make([]byte, 8)))
	}
	if h.s.fragments.used != 0 {
		t.Errorf("%d bytes are held", h.s.fragments.used)
	}
	h.wantDrop("fragment: limit", 1)
}

// TestReassemblyECN is RFC 3168 §5.3: one CE makes the datagram CE, CE with not-ECT is dropped.
func TestReassemblyECN(t *testing.T) {
	for _, c := range []struct {
		ecn   [2]uint8
		want  uint8
		whole bool
	}{
		{[2]uint8{0, 0}, 0, true},
		{[2]uint8{2, 2}, 2, true},
		{[2]uint8{2, 3}, 3, true},
		{[2]uint8{3, 2}, 3, true},
		{[2]uint8{0, 3}, 0, false},
		{[2]uint8{3, 0}, 0, false},
	} {
		h := newHost(t, gatewayAddr)
		var got *ICMPRequest
		h.s.SetForwardICMP(func(r *ICMPRequest) { got = r })
		f := fragments(echo(clientAddr, serverAddr, 1, 1, make([]byte, 100)), 64)
		for i := range f {
			f[i] = edit(f[i], func(ip *wire.IPv4) { ip.TOS = c.ecn[i] })
		}
		h.recv(f...)
		if (got != nil) != c.whole || got != nil && got.TOS != c.want {
			t.Errorf("ECN %v: %+v", c.ecn, got)
		}
	}
}

// TestFragmentedTCP: segments come through in fragments as well.
func TestFragmentedTCP(t *testing.T) {
	h := newHost(t, gatewayAddr)
	l := listen(t, h, gatewayAddr+":80", 4)
	synack := connect(t, h, clientAddr+":1", gatewayAddr+":80", 1)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	data := pattern(1000, 1)
	seg := segment(clientAddr+":1", gatewayAddr+":80", wire.TCP{
		Flags: wire.FlagACK, Seq: 2, Ack: synack.Seq.Add(1), Payload: data,
		Opts: wire.Options{HasTimestamps: true, TSVal: 3, TSEcr: synack.Opts.TSVal},
	})
	h.recv(fragments(seg, 16)...)
	b := make([]byte, 2000)
	if n, err := c.Read(h.now(), b); err != nil || !bytes.Equal(b[:n], data) {
		t.Errorf("%d bytes, %v; drops %v", n, err, h.s.Stats().Drops)
	}
}
