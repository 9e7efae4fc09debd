package wire

import "testing"

// TestNothingAllocates holds every function of the packet path to zero allocations, on packets
// that take the long way through it.
func TestNothingAllocates(t *testing.T) {
	src, dst := addr("10.8.0.2"), addr("10.8.0.1")
	syn := ip(ProtoTCP, tcpSegment(linuxSYN()), nil)
	udp := ip(ProtoUDP, udpDatagram(UDP{SrcPort: 1, DstPort: 2, Payload: make([]byte, 100)}), nil)
	icmp := quote(ICMPv4{Type: ICMPUnreachable, Code: ICMPUnreachablePort}, udp, 60)
	ipv6 := ip6(nextHopByHop, append(extension(ProtoICMPv6, 0), make([]byte, 20)...))
	var (
		h   IPv4
		seg TCP
		u   UDP
		m   ICMPv4
		six IPv6
		m6  ICMPv6
		buf = make([]byte, 2048)
		out = make([]byte, 0, 512)
	)
	sacked := linuxSYN()
	sacked.Opts.NumSACK = 4
	tests := map[string]func(){
		"parse TCP":    func() { h.Parse(syn); seg.Parse(h.Payload); TCPChecksumOK(h.Src, h.Dst, h.Payload) },
		"parse UDP":    func() { h.Parse(udp); u.Parse(h.Payload); UDPChecksumOK(h.Src, h.Dst, h.Payload) },
		"parse ICMP":   func() { h.Parse(icmp); m.Parse(h.Payload) },
		"parse quotes": func() { h.ParseQuoted(syn); seg.ParseQuoted(h.Payload); u.ParseQuoted(udp); m.ParseQuoted(icmp) },
		"put TCP": func() {
			n := sacked.Put(buf)
			SetTCPChecksum(src, dst, buf[:n])
			sacked.PutSummed(src, dst, buf, len(syn), CopyChecksum(buf[n:], syn, 0))
		},
		"IPv6": func() {
			six.Parse(ipv6)
			n := six.Put(buf)
			m6.ParseQuoted(six.Payload)
			m6.Parse(&six.Src, &six.Dst, buf[n:n+m6.Put(&six.Src, &six.Dst, buf[n:])])
		},
		"put UDP":  func() { SetUDPChecksum(src, dst, buf[:u.Put(buf)]) },
		"put ICMP": func() { m.Put(buf) },
		"put IPv4": func() { h.Put(buf) },
		"print": func() {
			for _, pkt := range [][]byte{syn, udp, icmp, ipv6, nil} {
				out = AppendPacket(out[:0], pkt)
			}
			out = AppendTCP(out[:0], &sacked, 1, 2)
		},
		"reasons": func() { out = append(out[:0], h.Parse(nil).String()...) },
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
