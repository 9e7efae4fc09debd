package wire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
)

func addr6(s string) Addr6 { return netip.MustParseAddr(s).As16() }

// ip6 makes a packet whose payload starts with a header of type next.
func ip6(next uint8, payload []byte) []byte {
	h := IPv6{
		TotalLen: IPv6HeaderLen + len(payload), HopLimit: 64, Protocol: next,
		Src: addr6("fd00::2"), Dst: addr6("2001:db8::1"), TrafficClass: 0xA5,
	}
	b := make([]byte, h.TotalLen)
	copy(b[h.Put(b):], payload)
	return b
}

// extension makes an extension header of 8·(units+1) octets.
func extension(next, units uint8) []byte {
	return append([]byte{next, units}, make([]byte, 6+8*int(units))...)
}

func TestIPv6Parse(t *testing.T) {
	tcp := bytes.Repeat([]byte{7}, 20)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	fragment := func(next uint8, offset uint8) []byte { return []byte{next, 0, 0, offset<<3 | 1, 0, 0, 0, 9} }
	for name, c := range map[string]struct {
		pkt     []byte
		proto   uint8
		fragOff int
		payload []byte
	}{
		"plain":                       {ip6(ProtoTCP, tcp), ProtoTCP, 0, tcp},
		"octets behind":               {append(ip6(ProtoTCP, tcp), 1, 2), ProtoTCP, 0, tcp},
		"no payload":                  {ip6(nextNone, nil), nextNone, 0, nil},
		"hop-by-hop":                  {ip6(nextHopByHop, join(extension(ProtoTCP, 0), tcp)), ProtoTCP, 0, tcp},
		"authentication, in words":    {ip6(nextAuth, join([]byte{ProtoTCP, 4}, make([]byte, 22), tcp)), ProtoTCP, 0, tcp},
		"first fragment":              {ip6(nextFragment, join(fragment(ProtoTCP, 0), tcp)), ProtoTCP, 0, tcp},
		"later fragment":              {ip6(nextFragment, join(fragment(ProtoTCP, 2), tcp)), ProtoTCP, 16, tcp},
		"options of a later fragment": {ip6(nextFragment, join(fragment(nextDestOpts, 2), tcp)), nextDestOpts, 16, tcp},
		"encrypted":                   {ip6(50, tcp), 50, 0, tcp},
		"a chain": {ip6(nextHopByHop, join(extension(nextRouting, 2), extension(nextDestOpts, 0), fragment(nextMobility, 0),
			extension(nextHIP, 0), extension(nextShim6, 0), extension(ProtoICMPv6, 255), tcp)), ProtoICMPv6, 0, tcp},
	} {
		var h IPv6
		if e := h.Parse(exact(c.pkt)); e != OK {
			t.Errorf("%s: %v", name, e)
			continue
		}
		if h.Protocol != c.proto || h.FragOff != c.fragOff || !bytes.Equal(h.Payload, c.payload) ||
			h.Src != addr6("fd00::2") || h.Dst != addr6("2001:db8::1") || h.HopLimit != 64 || h.TrafficClass != 0xA5 {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

func TestIPv6ParseErrors(t *testing.T) {
	whole := ip6(ProtoTCP, make([]byte, 20))
	for name, c := range map[string]struct {
		pkt  []byte
		want Error
	}{
		"nothing":              {nil, Truncated},
		"short header":         {whole[:39], Truncated},
		"short payload":        {whole[:59], Truncated},
		"IPv4":                 {append([]byte{0x45}, make([]byte, 60)...), Version},
		"no extension":         {ip6(nextHopByHop, nil), HeaderLength},
		"short extension":      {ip6(nextDestOpts, make([]byte, 7)), HeaderLength},
		"extension too long":   {ip6(nextRouting, extension(ProtoTCP, 1)[:15]), HeaderLength},
		"authentication":       {ip6(nextAuth, []byte{6, 9, 0, 0, 0, 0, 0, 0}), HeaderLength},
		"short authentication": {ip6(nextAuth, make([]byte, 7)), HeaderLength},
		"short fragment":       {ip6(nextFragment, make([]byte, 7)), HeaderLength},
		"chain without end":    {ip6(nextDestOpts, extension(nextDestOpts, 0)), HeaderLength},
	} {
		var h IPv6
		if got := h.Parse(exact(c.pkt)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAddr6Classes(t *testing.T) {
	for text, want := range map[string][3]bool{
		"::": {true, false, false}, "::1": {false, true, false}, "ff02::1": {false, false, true},
		"fe80::1": {}, "2001:db8::": {}, "::2": {}, "1::1": {},
	} {
		a := addr6(text)
		if got := [3]bool{a.IsUnspecified(), a.IsLoopback(), a.IsMulticast()}; got != want {
			t.Errorf("%s: unspecified, loopback, multicast: %v, want %v", text, got, want)
		}
	}
}

func TestICMPv6Checksum(t *testing.T) {
	src, dst := addr6("::1"), addr6("::1")
	// By hand: 1 and 1 of the addresses, 16 the length, 58 the protocol, then the message's words.
	msg := ICMPv6{Type: ICMPv6Echo, Rest: [4]byte{0x12, 0x34, 0, 1}, Payload: make([]byte, 8)}
	b := make([]byte, 16)
	if n := msg.Put(&src, &dst, b); n != 16 {
		t.Fatalf("%d octets", n)
	}
	sum := uint32(1 + 1 + 16 + 58 + 0x8000 + 0x1234 + 1)
	if got, want := hex.EncodeToString(b[2:4]), hex.EncodeToString([]byte{^byte(sum >> 8), ^byte(sum)}); got != want {
		t.Errorf("checksum %s, want %s", got, want)
	}
	var back ICMPv6
	if e := back.Parse(&src, &dst, b); e != OK || back.Type != ICMPv6Echo || back.Rest != msg.Rest || back.IsError() {
		t.Errorf("%v, %+v", e, back)
	}
	other := addr6("::2")
	if e := back.Parse(&src, &other, b); e != BadChecksum {
		t.Errorf("for another destination: %v", e)
	}
	if e := back.Parse(&src, &dst, b[:7]); e != ICMPLength {
		t.Errorf("seven octets: %v", e)
	}
	if unreachable := (ICMPv6{Type: ICMPv6Unreachable}); !unreachable.IsError() {
		t.Error("an error is none")
	}
}

func FuzzIPv6(f *testing.F) {
	src, dst := addr6("fd00::2"), addr6("2001:db8::1")
	echo := make([]byte, 64)
	(&ICMPv6{Type: ICMPv6Echo, Payload: make([]byte, 56)}).Put(&src, &dst, echo)
	f.Add(ip6(ProtoICMPv6, echo))
	f.Add(ip6(ProtoTCP, make([]byte, 20)))
	f.Add(ip6(nextHopByHop, append(extension(nextFragment, 1), append([]byte{58, 0, 0, 0, 0, 0, 0, 1}, echo...)...)))
	f.Add(ip6(nextAuth, make([]byte, 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = exact(b)
		var h IPv6
		if h.Parse(b) != OK {
			return
		}
		if h.TotalLen > len(b) || len(h.Payload) > h.TotalLen-IPv6HeaderLen {
			t.Fatalf("lengths: %+v of %d octets", h, len(b))
		}
		var m ICMPv6
		if m.ParseQuoted(h.Payload) != OK {
			return
		}
		out := make([]byte, len(h.Payload))
		if n := m.Put(&h.Src, &h.Dst, out); n != len(out) || m.Parse(&h.Src, &h.Dst, out) != OK {
			t.Fatalf("message of %d octets put as %x", len(out), out)
		}
	})
}
