package wire

import (
	"net/netip"
	"strconv"
)

// AppendPacket appends one line of text, without newline, for the IP packet pkt and returns the
// extended slice. The notation is that of packetdrill and tcpdump, sequence numbers are absolute:
//
//	10.8.0.2:1234 > 10.8.0.1:80 S 0:0(0) win 65535 <mss 1380,sackOK,TS val 1 ecr 0,nop,wscale 7>
//	10.8.0.2:1234 > 10.8.0.1:80 [ce] P. 1:1001(1000) ack 1 win 512
//	10.8.0.2:5353 > 10.8.0.1:53 udp (40)
//	10.8.0.1 > 10.8.0.2 icmp unreachable port [10.8.0.2:1234 > 192.0.2.1:9 udp (4)]
//	10.8.0.2 > 10.8.0.1 udp frag 77:1480@0+
//	10.8.0.2 > 10.8.0.1 proto 47 (24)
//	bad ipv4: header checksum (40)
//
// A number in parentheses is a length of payload in octets; frag is ID:octets@offset and + when
// more follow. A wrong transport checksum is marked. It never fails, whatever the bytes, and
// allocates only what dst lacks.
func AppendPacket(dst, pkt []byte) []byte {
	if len(pkt) > 0 && pkt[0]>>4 == 6 {
		return appendIPv6(dst, pkt)
	}
	var h IPv4
	if e := h.Parse(pkt); e != OK {
		return appendBad(dst, "ipv4", e, len(pkt))
	}
	return appendIPv4(dst, &h, false)
}

// appendIPv4 appends a packet, or one quoted by an ICMP error, of which only the start is there.
func appendIPv4(dst []byte, h *IPv4, quoted bool) []byte {
	if h.IsFragment() {
		return appendFragment(dst, h)
	}
	switch h.Protocol {
	case ProtoTCP:
		return appendTCPPacket(dst, h, quoted)
	case ProtoUDP:
		return appendUDPPacket(dst, h, quoted)
	case ProtoICMP:
		dst = appendHosts(dst, h)
		return appendICMP(dst, h.Payload, quoted)
	}
	dst = appendHosts(dst, h)
	dst = appendProto(dst, h.Protocol)
	return appendLen(dst, h.TotalLen-h.HeaderLen())
}

// appendHosts appends addresses without ports.
func appendHosts(dst []byte, h *IPv4) []byte {
	dst = appendAddr(dst, h.Src)
	dst = append(dst, " > "...)
	dst = appendAddr(dst, h.Dst)
	return appendMarks(dst, h)
}

// appendFlow appends addresses with ports.
func appendFlow(dst []byte, h *IPv4, srcPort, dstPort uint16) []byte {
	dst = append(appendAddr(dst, h.Src), ':')
	dst = appendUint(dst, uint64(srcPort))
	dst = append(dst, " > "...)
	dst = append(appendAddr(dst, h.Dst), ':')
	dst = appendUint(dst, uint64(dstPort))
	return appendMarks(dst, h)
}

var ecnNames = [...]string{ECNNotECT: "", ECNECT1: " [ect1]", ECNECT0: " [ect0]", ECNCE: " [ce]"}

// appendMarks appends what is unusual in the IP header, and the blank before the transport.
func appendMarks(dst []byte, h *IPv4) []byte {
	dst = append(dst, ecnNames[h.ECN()]...)
	if len(h.Options) > 0 {
		dst = append(dst, " [options "...)
		dst = append(appendUint(dst, uint64(len(h.Options))), ']')
	}
	return append(dst, ' ')
}

func appendFragment(dst []byte, h *IPv4) []byte {
	dst = appendHosts(dst, h)
	dst = appendProto(dst, h.Protocol)
	dst = append(dst, " frag "...)
	dst = append(appendUint(dst, uint64(h.ID)), ':')
	dst = append(appendUint(dst, uint64(h.TotalLen-h.HeaderLen())), '@')
	dst = appendUint(dst, uint64(h.FragOff))
	if h.MF {
		dst = append(dst, '+')
	}
	return dst
}

func appendUDPPacket(dst []byte, h *IPv4, quoted bool) []byte {
	var u UDP
	if quoted {
		if e := u.ParseQuoted(h.Payload); e != OK {
			return appendBad(appendHosts(dst, h), "udp", e, len(h.Payload))
		}
	} else if e := u.Parse(h.Payload); e != OK {
		return appendBad(appendHosts(dst, h), "udp", e, len(h.Payload))
	}
	dst = appendFlow(dst, h, u.SrcPort, u.DstPort)
	dst = appendLen(append(dst, "udp"...), u.Length-UDPHeaderLen)
	if !quoted && !UDPChecksumOK(h.Src, h.Dst, h.Payload) {
		dst = append(dst, badChecksum...)
	}
	return dst
}

// appendIPv6 names the ends and the first header of an IPv6 packet.
func appendIPv6(dst, pkt []byte) []byte {
	if len(pkt) < IPv6HeaderLen {
		return appendBad(dst, "ipv6", Truncated, len(pkt))
	}
	dst = netip.AddrFrom16([16]byte(pkt[8:24])).AppendTo(dst)
	dst = append(dst, " > "...)
	dst = netip.AddrFrom16([16]byte(pkt[24:40])).AppendTo(dst)
	dst = append(dst, " ipv6 "...)
	dst = appendProto(dst, pkt[6])
	return appendLen(dst, len(pkt)-IPv6HeaderLen)
}

const badChecksum = " [bad checksum]"

func appendBad(dst []byte, what string, e Error, n int) []byte {
	dst = append(dst, "bad "...)
	dst = append(dst, what...)
	dst = append(dst, ": "...)
	dst = append(dst, e.String()...)
	return appendLen(dst, n)
}

func appendProto(dst []byte, proto uint8) []byte {
	switch proto {
	case ProtoICMP:
		return append(dst, "icmp"...)
	case ProtoTCP:
		return append(dst, "tcp"...)
	case ProtoUDP:
		return append(dst, "udp"...)
	}
	return appendUint(append(dst, "proto "...), uint64(proto))
}

// appendLen appends " (n)".
func appendLen(dst []byte, n int) []byte {
	dst = appendUint(append(dst, " ("...), uint64(max(n, 0)))
	return append(dst, ')')
}

func appendAddr(dst []byte, a Addr) []byte {
	for i, octet := range a {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = appendUint(dst, uint64(octet))
	}
	return dst
}

func appendUint(dst []byte, v uint64) []byte { return strconv.AppendUint(dst, v, 10) }
