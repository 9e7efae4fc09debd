package wire

import (
	"encoding/binary"
	"testing"
)

// ip returns a packet from 10.8.0.2 to 10.8.0.1 with the given payload, changed by change.
func ip(proto uint8, payload []byte, change func(*IPv4)) []byte {
	h := IPv4{
		TotalLen: 20 + len(payload), TTL: 64, Protocol: proto, DF: true,
		Src: addr("10.8.0.2"), Dst: addr("10.8.0.1"), Payload: payload,
	}
	if change != nil {
		change(&h)
	}
	return putIPv4(h)
}

func tcpSegment(t TCP) []byte {
	b := putTCP(t)
	SetTCPChecksum(addr("10.8.0.2"), addr("10.8.0.1"), b)
	return b
}

func udpDatagram(u UDP) []byte {
	b := putUDP(u)
	SetUDPChecksum(addr("10.8.0.2"), addr("10.8.0.1"), b)
	return b
}

func linuxSYN() TCP {
	return TCP{SrcPort: 1234, DstPort: 80, Flags: FlagSYN, Wnd: 65535, Opts: Options{
		HasMSS: true, MSS: 1380, SACKPermitted: true, HasTimestamps: true, TSVal: 1,
		HasWndScale: true, WndScale: 7,
	}}
}

// quote returns the message with the first n octets of packet as its payload.
func quote(m ICMPv4, packet []byte, n int) []byte {
	m.Payload = packet[:n:n]
	return ip(ProtoICMP, putICMP(m), nil)
}

func TestAppendPacket(t *testing.T) {
	syn := ip(ProtoTCP, tcpSegment(linuxSYN()), nil)
	udp := udpDatagram(UDP{SrcPort: 5353, DstPort: 53, Payload: make([]byte, 40)})
	badSum := func(pkt []byte) []byte { pkt[len(pkt)-1] ^= 1; return pkt }
	tests := []struct {
		name string
		pkt  []byte
		want string
	}{
		{"SYN", syn, "10.8.0.2:1234 > 10.8.0.1:80 " +
			"S 0:0(0) win 65535 <mss 1380,sackOK,TS val 1 ecr 0,nop,wscale 7>"},
		{
			"data with ECN",
			ip(ProtoTCP, tcpSegment(TCP{
				SrcPort: 1, DstPort: 2, Seq: 4294967295, Ack: 9, Flags: FlagACK | FlagPSH, Wnd: 512,
				Payload: make([]byte, 1000),
			}), func(h *IPv4) { h.TOS = ECNCE }),
			"10.8.0.2:1 > 10.8.0.1:2 [ce] P. 4294967295:999(1000) ack 9 win 512",
		},
		{
			"IP options", ip(ProtoUDP, udp, func(h *IPv4) {
				h.Options, h.TOS = []byte{148, 4, 0, 0}, ECNECT1
				h.TotalLen += 4
			}),
			"10.8.0.2:5353 > 10.8.0.1:53 [ect1] [options 4] udp (40)",
		},
		{"bad TCP checksum", badSum(ip(ProtoTCP, tcpSegment(linuxSYN()), nil)), "10.8.0.2:1234 > 10.8.0.1:80 " +
			"S 0:0(0) win 65535 <mss 1380,sackOK,TS val 1 ecr 0,nop,wscale 6> [bad checksum]"},
		{"bad TCP", ip(ProtoTCP, make([]byte, 20), nil), "10.8.0.2 > 10.8.0.1 bad tcp: data offset (20)"},
		{"UDP", ip(ProtoUDP, udp, nil), "10.8.0.2:5353 > 10.8.0.1:53 udp (40)"},
		{"bad UDP checksum", badSum(ip(ProtoUDP, udp, nil)), "10.8.0.2:5353 > 10.8.0.1:53 udp (40) [bad checksum]"},
		{"bad UDP", ip(ProtoUDP, make([]byte, 8), nil), "10.8.0.2 > 10.8.0.1 bad udp: udp length (8)"},
		{"other protocol", ip(47, make([]byte, 24), nil), "10.8.0.2 > 10.8.0.1 proto 47 (24)"},
		{
			"first fragment", ip(ProtoUDP, make([]byte, 1480), func(h *IPv4) { h.ID, h.DF, h.MF = 77, false, true }),
			"10.8.0.2 > 10.8.0.1 udp frag 77:1480@0+",
		},
		{
			"last fragment",
			ip(ProtoTCP, make([]byte, 9), func(h *IPv4) { h.ID, h.DF, h.FragOff, h.TOS = 77, false, 1480, ECNECT0 }),
			"10.8.0.2 > 10.8.0.1 [ect0] tcp frag 77:9@1480",
		},
		{
			"ICMP fragment", ip(ProtoICMP, make([]byte, 8), func(h *IPv4) { h.ID, h.DF, h.MF = 1, false, true }),
			"10.8.0.2 > 10.8.0.1 icmp frag 1:8@0+",
		},
		{"empty", nil, "bad ipv4: truncated (0)"},
		{"bad header checksum", func() []byte {
			b := ip(ProtoUDP, udp, nil)
			b[8]--
			return b
		}(), "bad ipv4: header checksum (68)"},
		{"IPv6", append([]byte{
			0x60, 0, 0, 0, 0, 4, 58, 64, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
			0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		}, 1, 2, 3, 4), "fd00::1 > fd00::2 ipv6 proto 58 (4)"},
		{"short IPv6", []byte{0x60, 0}, "bad ipv6: truncated (2)"},
	}
	for _, tt := range tests {
		if got := string(AppendPacket(nil, tt.pkt)); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
	if got := string(AppendPacket([]byte("> "), syn)); got != "> "+tests[0].want {
		t.Errorf("appended: %q", got)
	}
}

func TestAppendTCP(t *testing.T) {
	const relSeq, relAck = 4294967000, 7000
	tests := []struct {
		seg  TCP
		want string
	}{
		{TCP{Seq: relSeq, Flags: FlagSYN, Wnd: 1}, "S 0:0(0) win 1"},
		{
			TCP{Seq: relSeq + 1, Ack: relAck + 1, Flags: FlagACK | FlagPSH, Wnd: 512, Payload: make([]byte, 5840)},
			"P. 1:5841(5840) ack 1 win 512",
		},
		{TCP{Seq: relSeq, Ack: relAck - 1, Flags: FlagACK}, ". 0:0(0) ack 4294967295 win 0"},
		{TCP{Seq: relSeq, Ack: relAck, Urg: 9}, "- 0:0(0) win 0"},
		{TCP{Seq: relSeq, Urg: 9, Flags: FlagURG}, "U 0:0(0) win 0 urg 9"},
		{TCP{Seq: relSeq, Flags: 0x1FF, Ack: relAck}, "FSRP.UEWe 0:0(0) ack 0 win 0 urg 0"},
		{
			TCP{Seq: relSeq, Ack: relAck, Flags: FlagACK, Opts: Options{
				NumSACK: 2, SACK: [4]SACKBlock{{relAck + 5, relAck + 9}, {relAck + 20, relAck + 30}},
			}},
			". 0:0(0) ack 0 win 0 <nop,nop,sack 5:9 20:30>",
		},
		{
			TCP{Seq: relSeq, Flags: FlagRST, Opts: Options{HasUserTimeout: true, UserTimeout: 30, Malformed: true}},
			"R 0:0(0) win 0 <uto 30s,malformed>",
		},
	}
	for _, tt := range tests {
		if got := string(AppendTCP(nil, &tt.seg, relSeq, relAck)); got != tt.want {
			t.Errorf("%s, want\n%s", got, tt.want)
		}
	}
}

// TestAppendOptionsAsTheyStand prints what came, in its order, not what we would send.
func TestAppendOptionsAsTheyStand(t *testing.T) {
	tests := []struct {
		raw  []byte
		want string
	}{
		{[]byte{1, 3, 3, 8, 2, 4, 5, 180}, "<nop,wscale 8,mss 1460>"},
		{[]byte{4, 2, 0, 99}, "<sackOK,eol>"},
		{[]byte{253, 4, 0x0A, 0xBC}, "<kind-253:0abc>"},
		{[]byte{254, 2, 1, 1}, "<kind-254:,nop,nop>"},
		{[]byte{28, 4, 0x80, 5}, "<uto 5m>"},
		{[]byte{2, 3, 9, 1}, "<kind-2:09,nop,malformed>"},
		{[]byte{1, 1, 8, 0}, "<nop,nop,malformed>"},
		{[]byte{2, 200, 1, 1}, "<malformed>"},
		{[]byte{1, 1, 1, 5}, "<nop,nop,nop,malformed>"},
	}
	for _, tt := range tests {
		b := append(make([]byte, 20), tt.raw...)
		b[12] = uint8(len(b)/4) << 4
		SetTCPChecksum(addr("10.8.0.2"), addr("10.8.0.1"), b)
		want := "10.8.0.2:0 > 10.8.0.1:0 - 0:0(0) win 0 " + tt.want
		if got := string(AppendPacket(nil, ip(ProtoTCP, b, nil))); got != want {
			t.Errorf("%s, want\n%s", got, want)
		}
	}
}

func TestAppendPacketICMP(t *testing.T) {
	echo := func(typ uint8) []byte {
		m := ICMPv4{Type: typ, Payload: make([]byte, 56)}
		m.SetEcho(7, 1)
		return ip(ProtoICMP, putICMP(m), nil)
	}
	bad := echo(ICMPEcho)
	bad[len(bad)-1] = 1
	tests := []struct {
		pkt  []byte
		want string
	}{
		{echo(ICMPEcho), "echo request id 7 seq 1 (56)"},
		{echo(ICMPEchoReply), "echo reply id 7 seq 1 (56)"},
		{bad, "echo request id 7 seq 1 (56) [bad checksum]"},
		{ip(ProtoICMP, putICMP(ICMPv4{Type: 13, Code: 1, Payload: make([]byte, 12)}), nil), "type 13 code 1 (12)"},
	}
	for _, tt := range tests {
		if got, want := string(AppendPacket(nil, tt.pkt)), "10.8.0.2 > 10.8.0.1 icmp "+tt.want; got != want {
			t.Errorf("%s, want\n%s", got, want)
		}
	}
	short := ip(ProtoICMP, make([]byte, 7), nil)
	if got, want := string(AppendPacket(nil, short)), "10.8.0.2 > 10.8.0.1 bad icmp: icmp length (7)"; got != want {
		t.Errorf("%s, want\n%s", got, want)
	}
}

func TestAppendPacketICMPErrors(t *testing.T) {
	fragNeeded := ICMPv4{Type: ICMPUnreachable, Code: ICMPUnreachableFragNeeded}
	fragNeeded.SetMTU(1280)
	data := ip(ProtoTCP, putTCP(TCP{
		SrcPort: 1, DstPort: 2, Seq: 100, Ack: 7, Flags: FlagACK, Wnd: 5, Payload: make([]byte, 1000),
		Opts: Options{HasTimestamps: true},
	}), nil)
	udp := ip(ProtoUDP, putUDP(UDP{SrcPort: 1, DstPort: 2, Payload: make([]byte, 100)}), nil)
	nested := quote(ICMPv4{Type: ICMPUnreachable, Code: ICMPUnreachablePort}, udp, 28)
	fragment := ip(ProtoUDP, make([]byte, 80), func(h *IPv4) { h.ID, h.MF = 5, true })
	binary.BigEndian.PutUint16(udp[10:], 0) // a stale header checksum does not matter in a quote
	tests := []struct {
		m      ICMPv4
		packet []byte
		n      int
		want   string
	}{
		{fragNeeded, data, 60, "unreachable frag needed mtu 1280 [10.8.0.2:1 > 10.8.0.1:2 . 100:1100(1000) ack 7 win 5]"},
		{fragNeeded, data, 28, "unreachable frag needed mtu 1280 [10.8.0.2:1 > 10.8.0.1:2 tcp seq 100]"},
		{fragNeeded, data, 27, "unreachable frag needed mtu 1280 [10.8.0.2 > 10.8.0.1 bad tcp: truncated (7)]"},
		{fragNeeded, data, 19, "unreachable frag needed mtu 1280 [bad quote: truncated (19)]"},
		{
			ICMPv4{Type: ICMPUnreachable, Code: ICMPUnreachablePort},
			udp, 28,
			"unreachable port [10.8.0.2:1 > 10.8.0.1:2 udp (100)]",
		},
		{
			ICMPv4{Type: ICMPUnreachable, Code: 77},
			udp, 27,
			"unreachable code 77 [10.8.0.2 > 10.8.0.1 bad udp: truncated (7)]",
		},
		{
			ICMPv4{Type: ICMPUnreachable, Code: ICMPUnreachableHost},
			nested, len(nested),
			"unreachable host [10.8.0.2 > 10.8.0.1 icmp unreachable port]",
		},
		{
			ICMPv4{Type: ICMPTimeExceeded, Code: ICMPTimeExceededReassembly},
			fragment, 28,
			"time exceeded reassembly [10.8.0.2 > 10.8.0.1 udp frag 5:80@0+]",
		},
		{ICMPv4{Type: ICMPTimeExceeded}, nil, 0, "time exceeded ttl [bad quote: truncated (0)]"},
		{
			ICMPv4{Type: ICMPParamProblem, Rest: [4]byte{20}},
			ip(99, make([]byte, 8), nil), 20,
			"parameter problem code 0 at 20 [10.8.0.2 > 10.8.0.1 proto 99 (8)]",
		},
		{ICMPv4{Type: ICMPSourceQuench}, nil, 0, "source quench [bad quote: truncated (0)]"},
		{
			ICMPv4{Type: ICMPRedirect, Code: 1, Rest: [4]byte{10, 0, 0, 9}},
			udp, 28,
			"redirect code 1 to 10.0.0.9 [10.8.0.2:1 > 10.8.0.1:2 udp (100)]",
		},
	}
	for _, tt := range tests {
		got := string(AppendPacket(nil, quote(tt.m, tt.packet, tt.n)))
		if want := "10.8.0.2 > 10.8.0.1 icmp " + tt.want; got != want {
			t.Errorf("%s, want\n%s", got, want)
		}
	}
}

// TestEveryUnreachableCodeHasAName guards the table against a gap.
func TestEveryUnreachableCodeHasAName(t *testing.T) {
	for code, name := range unreachableNames {
		if name == "" {
			t.Errorf("code %d has no name", code)
		}
	}
}
