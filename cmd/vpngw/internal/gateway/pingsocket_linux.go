package gateway

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// linuxPing is a datagram socket of protocol ICMP (icmp(7)). The sysctl net.ipv4.ping_group_range
// says who may have one; containers of today may.
type linuxPing struct {
	file *os.File // in the runtime's poller
	raw  syscall.RawConn

	// Used by send alone, inside raw.Write, which admits one at a time.
	discover int    // what IP_MTU_DISCOVER is set to
	packet   []byte // the message under way; not kept if it is large
}

func openPingSocket() (pingSocket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "ping")
	raw, err := file.SyscallConn()
	if err == nil {
		err = setRecvErr(raw)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	// What the system does not allow (net.core.rmem_max) it cuts down by itself.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, pingReceiveBuffer)
	return &linuxPing{file: file, raw: raw, discover: -1}, nil
}

func (p *linuxPing) send(r pingMessage) error {
	var failed error
	err := p.raw.Write(func(fd uintptr) bool {
		failed = p.sendNow(int(fd), r)
		return true // a full send buffer loses the request, as a full queue on the way would
	})
	if err != nil {
		return err
	}
	return failed
}

func (p *linuxPing) sendNow(fd int, r pingMessage) error {
	// With DF the request tries the path itself, whatever this host believes of it: the router at the
	// narrow place is to say so. Without, it is cut where it must be.
	discover := unix.IP_PMTUDISC_DONT
	if r.dontFragment {
		discover = unix.IP_PMTUDISC_PROBE
	}
	if discover != p.discover {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, discover); err != nil {
			return err
		}
		p.discover = discover
	}
	// Identifier and checksum are the kernel's to set.
	p.packet = append(p.packet[:0], icmpEcho, 0, 0, 0, 0, 0, byte(r.seq>>8), byte(r.seq))
	p.packet = append(p.packet, r.payload...)
	control := hopControl(r.ttl, r.tos)
	to := &unix.SockaddrInet4{Addr: r.dst.As4()}
	err := unix.Sendmsg(fd, p.packet, control, to, unix.MSG_DONTWAIT)
	for range pendingErrorsMax {
		if err == nil || !isPending(err) && err != unix.EMSGSIZE {
			break // otherwise it may have been the error of an earlier request
		}
		err = unix.Sendmsg(fd, p.packet, control, to, unix.MSG_DONTWAIT)
	}
	if cap(p.packet) > smallMessage {
		p.packet = nil
	}
	return err
}

// Types of an echo message, and the length of its header in bytes (RFC 792).
const (
	icmpEchoReply = 0
	icmpEcho      = 8
	echoHeaderLen = 8
)

// smallMessage is up to which size, in bytes, a socket keeps the buffer of a message.
const smallMessage = 2 << 10

func (p *linuxPing) receive(
	reply func(netip.Addr, uint16, int, []byte), failed func(netip.Addr, int, fault),
) {
	for {
		err := p.raw.Read(func(fd uintptr) bool { return receiveEchoes(int(fd), reply, failed) })
		if err != nil {
			return // closed
		}
	}
}

// messageBuffers holds buffers for the largest ICMP message. They are taken when one is there and returned
// at once, so there are as many as there are messages in hand, not as many as there are sockets.
var messageBuffers = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// receiveEchoes takes what is there from a socket that does not block. It returns false if there was
// nothing: the poller then waits for more.
func receiveEchoes(fd int, reply func(netip.Addr, uint16, int, []byte), failed func(netip.Addr, int, fault)) bool {
	buf := messageBuffers.Get().(*[1 << 16]byte)
	defer messageBuffers.Put(buf)
	var control [128]byte
	errors := func() bool {
		return drainErrors(fd, buf[:], func(dst netip.AddrPort, request []byte, why fault) {
			if seq, ok := failedEcho(request, why); ok {
				failed(dst.Addr(), seq, why)
			}
		})
	}
	got := false
	for range receiveBatch {
		n, oobn, _, from, err := unix.Recvmsg(fd, buf[:], control[:], unix.MSG_DONTWAIT)
		switch err {
		case nil:
			got = true
			a, ok := from.(*unix.SockaddrInet4)
			if seq, payload, is := parseEcho(buf[:n], icmpEchoReply); ok && is {
				reply(netip.AddrFrom4(a.Addr), seq, parseTTL(control[:oobn]), payload)
			}
		case unix.EAGAIN:
			return errors() || got
		case unix.EINTR:
		default: // the error of an earlier request
			errors()
		}
	}
	return true
}

// failedEcho says which echo request, of which as much as came back is given, failed: see pingSocket.
func failedEcho(request []byte, why fault) (seq int, ok bool) {
	if len(request) == 0 {
		return -1, why.MTU > 0
	}
	id, _, ok := parseEcho(request, icmpEcho)
	return int(id), ok
}

// parseEcho reads an echo message of the given type. Its checksum has been verified.
func parseEcho(b []byte, want byte) (seq uint16, payload []byte, ok bool) {
	if len(b) < echoHeaderLen || b[0] != want || b[1] != 0 {
		return 0, nil, false
	}
	return binary.BigEndian.Uint16(b[6:]), b[echoHeaderLen:], true
}

func (p *linuxPing) close() { _ = p.file.Close() }
