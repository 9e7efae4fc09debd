package gateway

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// A failure is called for a datagram of ours that was not delivered: where it went, as much of it
// as came back (from the header of its protocol on, if the socket is one for that), and what that
// means to the client.
type failure func(dst netip.AddrPort, quoted []byte, told answer)

// receiveReady takes what is there from a datagram socket that does not block. It returns false if
// there was nothing: the poller then waits for more. It is for use in syscall.RawConn.Read; buffers
// are held only during the call.
func receiveReady(fd int, datagram func([]byte, netip.AddrPort), failed failure) bool {
	buf := datagramBuffers.Get().(*[udpDatagramMax]byte)
	defer datagramBuffers.Put(buf)
	got := false
	for range receiveBatch {
		n, from, err := unix.Recvfrom(fd, buf[:], unix.MSG_DONTWAIT)
		switch err {
		case nil:
			if a, ok := from.(*unix.SockaddrInet4); ok {
				datagram(buf[:n], socketAddr(a))
			}
			got = true
		case unix.EAGAIN:
			return drainErrors(fd, buf[:], failed) || got
		case unix.EINTR:
		default: // the error of an earlier datagram
			drainErrors(fd, buf[:], failed)
		}
	}
	return true
}

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
		if told := parseRecvErr(control[:oobn]); told != answerNothing {
			failed(socketAddr(a), buf[:size], told)
		}
	}
}

// parseRecvErr finds struct sock_extended_err (ip(7)) among control messages and says what it means
// to the client.
//
//	u32 ee_errno; u8 ee_origin, ee_type, ee_code, ee_pad; u32 ee_info, ee_data
func parseRecvErr(control []byte) answer {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return answerNothing
	}
	for _, m := range messages {
		if m.Header.Level != unix.IPPROTO_IP || m.Header.Type != unix.IP_RECVERR || len(m.Data) < 16 {
			continue
		}
		if m.Data[4] == unix.SO_EE_ORIGIN_ICMP {
			return icmpAnswer(m.Data[5], m.Data[6])
		}
		if errno := syscall.Errno(binary.NativeEndian.Uint32(m.Data)); errno == syscall.EHOSTUNREACH {
			return answerNoHost // this host itself: the neighbour does not answer ARP
		}
	}
	return answerNothing
}

// setRecvErr asks for the error queue.
func setRecvErr(raw syscall.RawConn) error {
	var err error
	if ctl := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1)
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
