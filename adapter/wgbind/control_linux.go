package wgbind

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// source is where a datagram arrived, and so where answers to it should leave.
type source struct {
	addr    netip.Addr
	ifindex uint32
}

// The lengths of what the control messages below hold, in bytes.
const (
	pktinfo4Len  = unix.SizeofInet4Pktinfo // struct in_pktinfo: ifindex, spec_dst, addr
	pktinfo6Len  = unix.SizeofInet6Pktinfo // struct in6_pktinfo: addr, ifindex
	segmentLen   = 2                       // UDP_SEGMENT: a 16-bit length
	segmentedLen = 4                       // UDP_GRO: an int
)

// controlSize is room for the control messages of one datagram.
var controlSize = unix.CmsgSpace(pktinfo6Len) + unix.CmsgSpace(segmentedLen)

// parseControl returns what control messages say about a datagram: where it arrived, and how long the
// segments are of which it was put together, in bytes; 0 if it was not.
func parseControl(b []byte) (src source, segment int) {
	for len(b) > unix.SizeofCmsghdr {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		b = rest
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= pktinfo4Len:
			// spec_dst is the local address of the datagram, see ip(7).
			src = source{netip.AddrFrom4([4]byte(data[4:8])), binary.NativeEndian.Uint32(data)}
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= pktinfo6Len:
			src = source{netip.AddrFrom16([16]byte(data)), binary.NativeEndian.Uint32(data[16:])}
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= segmentedLen:
			segment = int(int32(binary.NativeEndian.Uint32(data)))
		}
	}
	return src, max(segment, 0)
}

// appendSource appends the control message that makes a datagram leave from src.
func appendSource(b []byte, src source) []byte {
	if src.addr.Is4() {
		b, data := appendHeader(b, unix.IPPROTO_IP, unix.IP_PKTINFO, pktinfo4Len)
		binary.NativeEndian.PutUint32(data, src.ifindex)
		a := src.addr.As4()
		copy(data[4:], a[:])
		return b
	}
	b, data := appendHeader(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, pktinfo6Len)
	a := src.addr.As16()
	copy(data, a[:])
	binary.NativeEndian.PutUint32(data[16:], src.ifindex)
	return b
}

// appendSegment appends the control message that has a datagram cut into segments of n bytes.
func appendSegment(b []byte, n int) []byte {
	b, data := appendHeader(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, segmentLen)
	binary.NativeEndian.PutUint16(data, uint16(n))
	return b
}

// appendHeader appends a struct cmsghdr for n bytes of data and returns where they go, all zero.
func appendHeader(b []byte, level, typ, n int) (whole, data []byte) {
	start := len(b)
	b = b[:start+unix.CmsgSpace(n)]
	h := b[start:]
	clear(h)
	const words = unix.SizeofCmsghdr - 8 // cmsg_len is as wide as a pointer
	if words == 8 {
		binary.NativeEndian.PutUint64(h, uint64(unix.CmsgLen(n)))
	} else {
		binary.NativeEndian.PutUint32(h, uint32(unix.CmsgLen(n)))
	}
	binary.NativeEndian.PutUint32(h[words:], uint32(level))
	binary.NativeEndian.PutUint32(h[words+4:], uint32(typ))
	return b, h[unix.CmsgLen(0):][:n]
}
