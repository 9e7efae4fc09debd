package wire

import (
	"bytes"
	"reflect"
	"testing"
)

// seedPackets are whole packets of every kind the package knows, and broken ones.
func seedPackets() [][]byte {
	syn := ip(ProtoTCP, tcpSegment(linuxSYN()), nil)
	udp := ip(ProtoUDP, udpDatagram(UDP{SrcPort: 1, DstPort: 2, Payload: []byte("dns")}), nil)
	echo := ip(ProtoICMP, putICMP(ICMPv4{Type: ICMPEcho, Payload: []byte("ping")}), nil)
	packets := [][]byte{
		nil,
		{0x45},
		{0x60},
		syn, udp, echo,
		quote(ICMPv4{Type: ICMPUnreachable, Code: ICMPUnreachablePort}, udp, len(udp)),
		quote(ICMPv4{Type: ICMPTimeExceeded}, syn, 28),
		ip(ProtoUDP, make([]byte, 16), func(h *IPv4) { h.MF, h.DF = true, false }),
		ip(ProtoTCP, make([]byte, 20), func(h *IPv4) { h.Options = []byte{7, 7, 4, 1, 2, 3, 4}; h.TotalLen += 8 }),
		append([]byte{0x60}, make([]byte, 48)...),
	}
	return append(packets, syn[:len(syn)-1], append(bytes.Clone(udp), 0))
}

// exact returns a copy of b without spare capacity, so that any read or append past it shows.
func exact(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c[:len(b):len(b)]
}

func FuzzIPv4(f *testing.F) {
	for _, pkt := range seedPackets() {
		f.Add(pkt)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = exact(b)
		var h IPv4
		if h.ParseQuoted(b) == OK && len(h.Payload) > len(b) {
			t.Fatal("quoted payload longer than the quote")
		}
		if h.Parse(b) != OK && h.Parse(resumIfPossible(b)) != OK {
			return
		}
		if h.TotalLen > len(b) || h.HeaderLen()+len(h.Payload) != h.TotalLen {
			t.Fatalf("lengths: %+v of %d octets", h, len(b))
		}
		header := make([]byte, h.HeaderLen())
		if n := h.Put(header); n != len(header) {
			t.Fatalf("wrote %d of %d octets", n, len(header))
		}
		want := exact(b[:len(header)])
		want[6] &^= 0x80 // the reserved flag is not kept
		if header[10], header[11], want[10], want[11] = 0, 0, 0, 0; !bytes.Equal(header, want) {
			t.Fatalf("header\n%x put as\n%x", want, header)
		}
	})
}

// resumIfPossible corrects the header checksum, so that the fuzzer reaches what lies behind it.
func resumIfPossible(b []byte) []byte {
	if len(b) < IPv4MinHeaderLen {
		return b
	}
	return resum(b)
}

func FuzzTCP(f *testing.F) {
	for _, tt := range optionsOfSystems {
		b := append(make([]byte, 20), tt.raw...)
		b[12] = uint8(len(b)/4) << 4
		f.Add(b)
	}
	f.Add(putTCP(exampleTCP()))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = exact(b)
		var seg TCP
		if e := seg.ParseQuoted(b); (e == OK) != (len(b) >= 8) {
			t.Fatalf("%d quoted octets: %v", len(b), e)
		}
		if seg.Parse(b) != OK {
			return
		}
		if n := seg.Opts.NumSACK; n < 0 || n > MaxSACKBlocks {
			t.Fatalf("%d SACK blocks", n)
		}
		out := make([]byte, TCPMaxHeaderLen, TCPMaxHeaderLen+len(seg.Payload))
		out = out[:seg.Put(out)]
		if len(out) != seg.HeaderLen() {
			t.Fatalf("wrote %d octets, HeaderLen %d", len(out), seg.HeaderLen())
		}
		var again TCP
		if e := again.Parse(append(out, seg.Payload...)); e != OK {
			t.Fatalf("%x: %v", out, e)
		}
		want := seg
		want.Opts.Malformed = false
		dropBlocksThatDoNotFit(&want.Opts, again.Opts.NumSACK)
		if !reflect.DeepEqual(again, want) {
			t.Fatalf("%+v came back as %+v", want, again)
		}
		text := AppendTCP(nil, &seg, 1, 2)
		if len(text) == 0 || bytes.IndexByte(text, '\n') >= 0 {
			t.Fatalf("printed as %q", text)
		}
	})
}

// dropBlocksThatDoNotFit leaves n blocks: a foreign option list may be denser than ours.
func dropBlocksThatDoNotFit(o *Options, n int) {
	for i := n; i < o.NumSACK; i++ {
		o.SACK[i] = SACKBlock{}
	}
	o.NumSACK = min(o.NumSACK, n)
}

func FuzzUDP(f *testing.F) {
	f.Add(putUDP(UDP{SrcPort: 1, DstPort: 2, Payload: []byte("data")}))
	f.Add([]byte{0, 1, 0, 2, 0, 7, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = exact(b)
		var u UDP
		if u.ParseQuoted(b) == OK && len(u.Payload) > len(b)-UDPHeaderLen {
			t.Fatal("quoted payload longer than the quote")
		}
		if u.Parse(b) != OK {
			return
		}
		src, dst := Addr{10, 8, 0, 1}, Addr{10, 8, 0, 2}
		out := putUDP(u)
		SetUDPChecksum(src, dst, out)
		if !UDPChecksumOK(src, dst, out) {
			t.Fatalf("%x: own checksum refused", out)
		}
		var again UDP
		if e := again.Parse(out); e != OK || !reflect.DeepEqual(again, u) {
			t.Fatalf("%+v came back as %v, %+v", u, e, again)
		}
	})
}

func FuzzICMPv4(f *testing.F) {
	f.Add(putICMP(ICMPv4{Type: ICMPEcho, Payload: []byte("ping")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = exact(b)
		var m, again ICMPv4
		if m.ParseQuoted(b) != OK {
			if m.Parse(b) == OK {
				t.Fatal("accepted whole, refused in a quote")
			}
			return
		}
		if e := again.Parse(putICMP(m)); e != OK || !reflect.DeepEqual(again, m) {
			t.Fatalf("%+v came back as %v, %+v", m, e, again)
		}
	})
}

func FuzzChecksum(f *testing.F) {
	f.Add([]byte{0, 1, 0xF2, 3, 0xF4, 0xF5, 0xF6, 0xF7}, uint32(0), uint16(3))
	f.Add(bytes.Repeat([]byte{0xFF}, 200), uint32(0xFFFFFFFF), uint16(64))
	f.Fuzz(func(t *testing.T, b []byte, initial uint32, split uint16) {
		b = exact(b)
		want := Fold(AddSum(initial, uint32(slowSum(b)), false))
		if got := Fold(Sum(b, initial)); got != want {
			t.Fatalf("sum %#04x, want %#04x", got, want)
		}
		dst := make([]byte, len(b))
		if got := Fold(CopyChecksum(dst, b, initial)); got != want || !bytes.Equal(dst, b) {
			t.Fatalf("copied: sum %#04x, want %#04x", got, want)
		}
		at := int(split) % (len(b) + 1)
		sum := AddSum(Sum(b[:at], initial), Sum(b[at:], 0), at%2 == 1)
		if got := Fold(sum); got != want {
			t.Fatalf("in two pieces: sum %#04x, want %#04x", got, want)
		}
	})
}

// FuzzAppendPacket prints anything in one line of printable text.
func FuzzAppendPacket(f *testing.F) {
	for _, pkt := range seedPackets() {
		f.Add(pkt)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, pkt := range [][]byte{exact(b), resumIfPossible(exact(b))} {
			text := AppendPacket(nil, pkt)
			if len(text) == 0 {
				t.Fatal("nothing printed")
			}
			for _, c := range text {
				if c < ' ' || c > '~' {
					t.Fatalf("printed %q", text)
				}
			}
		}
	})
}
