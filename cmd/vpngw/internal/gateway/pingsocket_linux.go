package gateway

import (
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// linuxPing is a datagram socket of protocol ICMP (icmp(7)). The sysctl net.ipv4.ping_group_range
// says who may have one; containers of today may.
type linuxPing struct {
	file *os.File // in the runtime's poller
	raw  syscall.RawConn
	ttl  int // what the socket is set to
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
	return &linuxPing{file: file, raw: raw}, nil
}

func (p *linuxPing) send(dst netip.Addr, seq uint16, ttl int, payload []byte) error {
	// Identifier and checksum are the kernel's to set.
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{Seq: int(seq), Data: payload}}
	packet, err := m.Marshal(nil)
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Addr: dst.As4()}
	var failed error
	err = p.raw.Write(func(fd uintptr) bool {
		if ttl != p.ttl {
			if failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, ttl); failed != nil {
				return true
			}
			p.ttl = ttl
		}
		failed = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT, to)
		if failed != nil && isPending(failed) { // of an earlier request
			failed = unix.Sendto(int(fd), packet, unix.MSG_DONTWAIT, to)
		}
		return true // a full send buffer loses the request, as a full queue on the way would
	})
	if err != nil {
		return err
	}
	return failed
}

func (p *linuxPing) receive(reply func(netip.Addr, uint16, []byte), failed func(netip.Addr, uint16, answer)) {
	for {
		err := p.raw.Read(func(fd uintptr) bool {
			return receiveReady(int(fd), func(b []byte, src netip.AddrPort) {
				if seq, payload, ok := parseEcho(b, ipv4.ICMPTypeEchoReply); ok {
					reply(src.Addr(), seq, payload)
				}
			}, func(dst netip.AddrPort, request []byte, why fault) {
				if seq, _, ok := parseEcho(request, ipv4.ICMPTypeEcho); ok && why.answer() != answerNothing {
					failed(dst.Addr(), seq, why.answer())
				}
			})
		})
		if err != nil {
			return // closed
		}
	}
}

// parseEcho reads an echo message of the given type.
func parseEcho(b []byte, want ipv4.ICMPType) (seq uint16, payload []byte, ok bool) {
	const protocolICMP = 1
	m, err := icmp.ParseMessage(protocolICMP, b)
	if err != nil || m.Type != want {
		return 0, nil, false
	}
	echo, ok := m.Body.(*icmp.Echo)
	if !ok {
		return 0, nil, false
	}
	return uint16(echo.Seq), echo.Data, true
}

func (p *linuxPing) close() { _ = p.file.Close() }
