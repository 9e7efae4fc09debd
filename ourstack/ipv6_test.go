package ourstack

import (
	"bytes"
	"net/netip"
	"testing"

	"vpngw/ourstack/wire"
)

func addr6(s string) wire.Addr6 { return netip.MustParseAddr(s).As16() }

// packet6 makes an IPv6 packet whose payload begins with a header of type proto.
func packet6(from, to string, proto uint8, payload []byte) []byte {
	h := wire.IPv6{
		TotalLen: wire.IPv6HeaderLen + len(payload), HopLimit: 64, Protocol: proto,
		Src: addr6(from), Dst: addr6(to),
	}
	b := make([]byte, h.TotalLen)
	copy(b[h.Put(b):], payload)
	return b
}

// TestIPv6IsRefusedAtOnce: ICMPv6 1/1 from the destination, quoting what fits 1280 octets
// (RFC 4443 §3.1).
func TestIPv6IsRefusedAtOnce(t *testing.T) {
	const client, server = "fd00:8::2", "2001:db8::1"
	for _, n := range []int{20, 1192, 1193, 1380, 8000} {
		for _, mtu := range []int{1420, 576} {
			h := newHost(t, gatewayAddr, func(c *Config) { c.MTU = mtu })
			pkt := packet6(client, server, wire.ProtoTCP, pattern(n, uint64(n)))
			h.recv(append(bytes.Clone(pkt), "behind its end"...))
			got := h.packets()
			if len(got) != 1 {
				t.Fatalf("%d octets, MTU %d: %d answers", n, mtu, len(got))
			}
			var ip wire.IPv6
			var m wire.ICMPv6
			if e := ip.Parse(got[0]); e != wire.OK || ip.Protocol != wire.ProtoICMPv6 || ip.TotalLen != len(got[0]) {
				t.Fatalf("%v: %+v", e, ip)
			}
			if e := m.Parse(&ip.Src, &ip.Dst, ip.Payload); e != wire.OK {
				t.Fatal(e)
			}
			if ip.Src != addr6(server) || ip.Dst != addr6(client) || ip.HopLimit != 64 || m.Type != 1 || m.Code != 1 || m.Rest != [4]byte{} {
				t.Errorf("%+v %+v", ip, m)
			}
			if want := pkt[:min(len(pkt), min(1280, mtu)-48)]; !bytes.Equal(m.Payload, want) {
				t.Errorf("%d octets, MTU %d: %d octets are quoted, want %d", n, mtu, len(m.Payload), len(want))
			}
			if st := h.s.Stats(); st.IPv6Refused != 1 || st.ICMPErrorsSent != 1 || st.Drops["ipv6"] != 1 {
				t.Errorf("%+v", st)
			}
		}
	}
}

// TestIPv6ThatMustNotBeAnswered: RFC 4443 §2.4 (e).
func TestIPv6ThatMustNotBeAnswered(t *testing.T) {
	const client, server = "fd00:8::2", "2001:db8::1"
	message := func(typ uint8) []byte { return append([]byte{typ}, make([]byte, 60)...) }
	behindExtension := func(p []byte) []byte {
		return append([]byte{wire.ProtoICMPv6, 0, 0, 0, 0, 0, 0, 0}, p...)
	}
	for name, c := range map[string]struct {
		pkt      []byte
		answered bool
	}{
		"UDP":                         {packet6(client, server, wire.ProtoUDP, make([]byte, 8)), true},
		"nothing inside":              {packet6(client, server, 59, nil), true},
		"echo request":                {packet6(client, server, wire.ProtoICMPv6, message(wire.ICMPv6Echo)), true},
		"echo reply":                  {packet6(client, server, wire.ProtoICMPv6, message(wire.ICMPv6EchoReply)), true},
		"first fragment":              {packet6(client, server, 44, append([]byte{6, 0, 0, 1, 0, 0, 0, 1}, make([]byte, 16)...)), true},
		"later fragment":              {packet6(client, server, 44, append([]byte{6, 0, 0, 9, 0, 0, 0, 1}, make([]byte, 16)...)), false},
		"error":                       {packet6(client, server, wire.ProtoICMPv6, message(wire.ICMPv6Unreachable)), false},
		"unknown error":               {packet6(client, server, wire.ProtoICMPv6, message(127)), false},
		"error behind an extension":   {packet6(client, server, 60, behindExtension(message(3))), false},
		"redirect":                    {packet6(client, server, wire.ProtoICMPv6, message(wire.ICMPv6Redirect)), false},
		"ICMPv6 cut short":            {packet6(client, server, wire.ProtoICMPv6, make([]byte, 7)), false},
		"router solicitation":         {packet6("fe80::1", "ff02::2", wire.ProtoICMPv6, message(133)), false},
		"to multicast":                {packet6(client, "ff0e::1", wire.ProtoUDP, make([]byte, 8)), false},
		"from nobody":                 {packet6("::", server, wire.ProtoUDP, make([]byte, 8)), false},
		"from multicast":              {packet6("ff02::1", server, wire.ProtoUDP, make([]byte, 8)), false},
		"from loopback":               {packet6("::1", server, wire.ProtoUDP, make([]byte, 8)), false},
		"to loopback":                 {packet6(client, "::1", wire.ProtoUDP, make([]byte, 8)), false},
		"to nobody":                   {packet6(client, "::", wire.ProtoUDP, make([]byte, 8)), false},
		"to the address of a gateway": {packet6(client, "::ffff:10.8.0.1", wire.ProtoTCP, make([]byte, 20)), true},
	} {
		h := newHost(t, gatewayAddr)
		h.recv(c.pkt)
		if got := h.sent(); len(got) == 1 != c.answered {
			t.Errorf("%s: answers %q", name, got)
		}
		h.wantDrop("ipv6", 1)
	}
	h := newHost(t, gatewayAddr)
	h.recv(packet6(client, server, wire.ProtoTCP, make([]byte, 20))[:59])
	h.want("a truncated packet")
	h.wantDrop("malformed: truncated", 1)
}

// TestIPv6RefusalsAreLimited: generously, apart from the limit of IPv4's errors, and per source.
func TestIPv6RefusalsAreLimited(t *testing.T) {
	h := newHost(t, gatewayAddr)
	pkt := packet6("fd00:8::2", "2001:db8::1", wire.ProtoTCP, make([]byte, 20))
	for range 1500 {
		h.recv(pkt)
	}
	if st := h.s.Stats(); st.IPv6Refused != 1000 || st.ICMPErrorsLimited != 500 {
		t.Errorf("refused %d, limited %d", st.IPv6Refused, st.ICMPErrorsLimited)
	}
	h.packets()
	h.recv(packet6("fd00:8::3", "2001:db8::1", wire.ProtoTCP, make([]byte, 20)))
	h.want("another source", "2001:db8::1 > fd00:8::3 *")
	h.recv(edit(echo(clientAddr, serverAddr, 1, 1, nil), func(ip *wire.IPv4) { ip.TTL = 1 }))
	h.want("an IPv4 error", "*time exceeded*")
	h.after(second / 100)
	h.recv(pkt)
	h.want("after a while", "2001:db8::1 > fd00:8::2 *")

	silent := newHost(t, gatewayAddr, func(c *Config) { c.Limits.ICMPRate = -1 })
	silent.recv(pkt)
	silent.want("ICMP errors are off")
}
