package gateway

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// hopControl makes the control messages that give one datagram its TTL and TOS (ip(7)).
func hopControl(ttl, tos int) []byte {
	b := make([]byte, 0, 2*unix.CmsgSpace(sizeofInt))
	b = appendControl(b, unix.IP_TTL, ttl)
	return appendControl(b, unix.IP_TOS, tos)
}

const sizeofInt = 4

// appendControl appends a control message of level IPPROTO_IP that holds an int. struct cmsghdr is a
// size_t and two ints (cmsg(3)).
func appendControl(b []byte, typ, value int) []byte {
	m := make([]byte, unix.CmsgSpace(sizeofInt))
	ne := binary.NativeEndian
	if length := uint64(unix.CmsgLen(sizeofInt)); unix.SizeofCmsghdr == 16 {
		ne.PutUint64(m, length)
	} else {
		ne.PutUint32(m, uint32(length))
	}
	ne.PutUint32(m[unix.SizeofCmsghdr-8:], unix.IPPROTO_IP)
	ne.PutUint32(m[unix.SizeofCmsghdr-4:], uint32(typ))
	ne.PutUint32(m[unix.CmsgLen(0):], uint32(value))
	return append(b, m...)
}

// parseTTL finds the TTL of a datagram among its control messages; 0 if it is not there.
func parseTTL(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL && len(m.Data) >= sizeofInt {
			return int(binary.NativeEndian.Uint32(m.Data) & 0xFF)
		}
	}
	return 0
}
