package gateway

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// A failure is called for a datagram of ours that was not delivered: where it went, as much of it
// as came back (from the header of its protocol on, if the socket is one for that), and why.
type failure func(dst netip.AddrPort, quoted []byte, why fault)

func socketAddr(a *unix.SockaddrInet4) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
}

// receiveBatch bounds what is taken between two looks at the poller.
const receiveBatch = 64

// drainErrors reads the error queue and says whether something was in it.
func drainErrors(fd int, buf []byte, failed failure) bool {
	var control [256]byte
	for n := 0; ; n++ {
		size, oobn, _, dst, err := unix.Recvmsg(fd, buf, control[:], unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return n > 0
		}
		a, ok := dst.(*unix.SockaddrInet4) // the destination of the datagram that failed
		if !ok {
			continue
		}
		if why := parseRecvErr(control[:oobn]); why.known() {
			failed(socketAddr(a), buf[:size], why)
		}
	}
}

// parseRecvErr finds struct sock_extended_err (ip(7)) among control messages, and the TTL of the ICMP
// error it came from. The fault is not known if there is none that concerns a client.
//
//	u32 ee_errno; u8 ee_origin, ee_type, ee_code, ee_pad; u32 ee_info, ee_data; sockaddr offender
func parseRecvErr(control []byte) fault {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return fault{}
	}
	var f fault
	for _, m := range messages {
		switch {
		case m.Header.Level != unix.IPPROTO_IP:
		case m.Header.Type == unix.IP_TTL && len(m.Data) >= 4:
			// One hop less: this host is one.
			if ttl := binary.NativeEndian.Uint32(m.Data); ttl > 1 && ttl <= 255 {
				f.TTL = uint8(ttl - 1)
			}
		case m.Header.Type == unix.IP_RECVERR && len(m.Data) >= extendedErrLen:
			f.setExtendedErr(m.Data)
		}
	}
	return f
}

// extendedErrLen is the size of struct sock_extended_err, in bytes. A sockaddr follows.
const extendedErrLen = 16

// setExtendedErr sets what a struct sock_extended_err tells.
func (f *fault) setExtendedErr(b []byte) {
	f.errno = syscall.Errno(binary.NativeEndian.Uint32(b))
	info := binary.NativeEndian.Uint32(b[8:])
	switch b[4] {
	case unix.SO_EE_ORIGIN_ICMP:
		f.Type, f.Code = b[5], b[6]
		// struct sockaddr_in: u16 family, u16 port, 4 bytes of address
		if from := b[extendedErrLen:]; len(from) >= 8 && binary.NativeEndian.Uint16(from) == unix.AF_INET {
			f.From = netip.AddrFrom4([4]byte(from[4:8]))
		}
	case unix.SO_EE_ORIGIN_LOCAL: // found by this host before it sent anything
		f.Type, f.TTL = icmpUnreachable, 0
		switch f.errno {
		case syscall.EMSGSIZE:
			f.Code = icmpCodeFragments
		case syscall.EHOSTUNREACH: // the neighbour does not answer ARP
			f.Code = 1
		default:
			f.Type = 0
		}
	}
	switch {
	case f.Type == icmpUnreachable && f.Code == icmpCodeFragments && info <= 0xFFFF:
		f.MTU = int(info)
	case f.Type == icmpParamProblem && info <= 0xFF:
		f.Pointer = uint8(info)
	}
}

// setRecvErr asks for the error queue, and for the TTL with which the errors came.
func setRecvErr(raw syscall.RawConn) error {
	var err error
	if ctl := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
		if err == nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTTL, 1)
		}
	}); ctl != nil {
		return ctl
	}
	return err
}

// isPending says whether the error of a send may be that of an earlier datagram.
func isPending(err error) bool {
	_, told := classifyErrno(err)
	return told == answerRefused || told == answerNoHost || told == answerNoNet || told == answerProhibited
}
