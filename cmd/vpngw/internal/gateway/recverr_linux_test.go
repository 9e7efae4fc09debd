package gateway

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vpngw/adapter"
)

// controlMessage is a struct cmsghdr with data.
func controlMessage(level, typ int32, data []byte) []byte {
	b := appendControl(nil, int(typ), 0)[:unix.CmsgLen(0)]
	if unix.SizeofCmsghdr == 16 {
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(data))))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(unix.CmsgLen(len(data))))
	}
	binary.NativeEndian.PutUint32(b[unix.SizeofCmsghdr-8:], uint32(level))
	b = append(b, data...)
	return append(b, make([]byte, unix.CmsgSpace(len(data))-len(b))...)
}

// extendedErr is a struct sock_extended_err and the sockaddr behind it.
func extendedErr(errno syscall.Errno, origin, typ, code uint8, info uint32, offender string) []byte {
	ne := binary.NativeEndian
	b := ne.AppendUint32(nil, uint32(errno))
	b = append(b, origin, typ, code, 0)
	b = ne.AppendUint32(b, info)
	b = ne.AppendUint32(b, 0)
	sockaddr := make([]byte, 16)
	if offender != "" {
		ne.PutUint16(sockaddr, unix.AF_INET)
		from := netip.MustParseAddr(offender).As4()
		copy(sockaddr[4:], from[:])
	}
	return append(b, sockaddr...)
}

func TestParseRecvErr(t *testing.T) {
	ttl := func(n int) []byte { return appendControl(nil, unix.IP_TTL, n) }
	err := func(b []byte) []byte { return controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, b) }
	router := netip.MustParseAddr("198.51.100.7")
	for _, c := range []struct {
		name    string
		control []byte
		want    adapter.Fault
		errno   syscall.Errno
	}{
		{"nothing", nil, adapter.Fault{}, 0},
		{
			"expired", append(ttl(62), err(extendedErr(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_ICMP, 11, 0, 0, "198.51.100.7"))...),
			adapter.Fault{Type: 11, From: router, TTL: 61},
			unix.EHOSTUNREACH,
		},
		{
			"too large", append(err(extendedErr(unix.EMSGSIZE, unix.SO_EE_ORIGIN_ICMP, 3, 4, 1300, "198.51.100.7")), ttl(255)...),
			adapter.Fault{Type: 3, Code: 4, MTU: 1300, From: router, TTL: 254},
			unix.EMSGSIZE,
		},
		{
			"a parameter problem", err(extendedErr(unix.EPROTO, unix.SO_EE_ORIGIN_ICMP, 12, 0, 9, "198.51.100.7")),
			adapter.Fault{Type: 12, Pointer: 9, From: router},
			unix.EPROTO,
		},
		{
			"refused", err(extendedErr(unix.ECONNREFUSED, unix.SO_EE_ORIGIN_ICMP, 3, 3, 77, "198.51.100.7")),
			adapter.Fault{Type: 3, Code: 3, From: router},
			unix.ECONNREFUSED,
		},
		{
			"too large for this host", append(ttl(5), err(extendedErr(unix.EMSGSIZE, unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1500, ""))...),
			adapter.Fault{Type: 3, Code: 4, MTU: 1500},
			unix.EMSGSIZE,
		},
		{
			"no neighbour", err(extendedErr(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_LOCAL, 0, 0, 0, "")),
			adapter.Fault{Type: 3, Code: 1},
			unix.EHOSTUNREACH,
		},
		{"another local error", err(extendedErr(unix.EACCES, unix.SO_EE_ORIGIN_LOCAL, 3, 13, 0, "")), adapter.Fault{}, unix.EACCES},
		{"cut short", err(extendedErr(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_ICMP, 11, 0, 0, "")[:15]), adapter.Fault{}, 0},
		{
			"no offender", err(extendedErr(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_ICMP, 11, 0, 0, "198.51.100.7")[:16]),
			adapter.Fault{Type: 11},
			unix.EHOSTUNREACH,
		},
		{"of another level", controlMessage(unix.SOL_SOCKET, unix.IP_RECVERR, extendedErr(1, 2, 3, 4, 5, "")), adapter.Fault{}, 0},
	} {
		if got := parseRecvErr(c.control); got.Fault != c.want || got.errno != c.errno {
			t.Errorf("%s: %+v %v, want %+v %v", c.name, got.Fault, got.errno, c.want, c.errno)
		}
	}
	if got := parseTTL(ttl(57)); got != 57 {
		t.Errorf("TTL %d", got)
	}
}

func FuzzParseRecvErr(f *testing.F) {
	f.Add(controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, extendedErr(unix.EHOSTUNREACH, unix.SO_EE_ORIGIN_ICMP, 11, 0, 0, "198.51.100.7")))
	f.Add(append(appendControl(nil, unix.IP_TTL, 64),
		controlMessage(unix.IPPROTO_IP, unix.IP_RECVERR, extendedErr(unix.EMSGSIZE, unix.SO_EE_ORIGIN_LOCAL, 0, 0, 1500, ""))...))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0})
	f.Fuzz(func(t *testing.T, control []byte) {
		got := parseRecvErr(control)
		if got.From.IsValid() && !got.From.Is4() || got.MTU < 0 || got.MTU > 0xFFFF ||
			got.MTU != 0 && (got.Type != icmpUnreachable || got.Code != icmpCodeFragments) ||
			got.Pointer != 0 && got.Type != icmpParamProblem {
			t.Errorf("%+v", got)
		}
		if ttl := parseTTL(control); ttl < 0 || ttl > 255 {
			t.Errorf("TTL %d", ttl)
		}
		if seq, ok := failedEcho(control, got); ok && (seq < -1 || seq > 0xFFFF) {
			t.Errorf("sequence number %d", seq)
		}
	})
}
