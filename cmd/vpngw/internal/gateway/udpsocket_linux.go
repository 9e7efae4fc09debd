package gateway

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"vpngw/cmd/vpngw/internal/mmsg"
)

// linuxUDP is a socket that costs its descriptor and these few words while it is idle: a udpPoller
// waits for all of them. It reads the error queue too (IP_RECVERR, ip(7)): for an unconnected socket
// that is the only way to learn which of its destinations sent an ICMP error.
type linuxUDP struct {
	fd      int
	local   uint16 // port
	poller  *udpPoller
	token   uint64 // that the poller knows it by
	handler upstreamHandler

	// users counts those who use fd; closedUDP is added once. The last one closes it.
	users atomic.Int64

	noGSO atomic.Bool // the system refused segmentation offload

	// What the socket was last told, by the one who sends.
	ttl uint8 // 0: never
	df  int8  // 0: never, 1: yes, -1: no
}

// closedUDP is more than there can be users.
const closedUDP = 1 << 32

// newUDPListener returns a function that opens upstream sockets: on any port, or at an address and
// port of this host. Sockets that it opened share pollers, which run while there are any.
func newUDPListener() func(at netip.AddrPort) (upstreamUDP, error) {
	pollers := newUDPPollers()
	return func(at netip.AddrPort) (upstreamUDP, error) {
		u, err := openUDP(at)
		if err != nil {
			return nil, err
		}
		u.poller = pollers.next()
		return u, nil
	}
}

func openUDP(at netip.AddrPort) (*linuxUDP, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	u := &linuxUDP{fd: fd}
	if err := u.prepare(at); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return u, nil
}

// prepare sets the socket's options and binds it. SO_BROADCAST is not among them: nobody reaches all
// hosts of a link through us.
func (u *linuxUDP) prepare(at netip.AddrPort) error {
	// The TTL is for the errors.
	for _, option := range []int{unix.IP_RECVERR, unix.IP_RECVTTL, unix.IP_RECVTOS} {
		if err := unix.SetsockoptInt(u.fd, unix.IPPROTO_IP, option, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	// As large as the system allows without a privilege, net.core.{r,w}mem_max; and systems older than
	// Linux 5.0 cannot coalesce.
	_ = unix.SetsockoptInt(u.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, udpSocketBuffer)
	_ = unix.SetsockoptInt(u.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, udpSocketBuffer)
	_ = unix.SetsockoptInt(u.fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1)
	sa := unix.SockaddrInet4{Port: int(at.Port())}
	if at.Addr().Is4() {
		sa.Addr = at.Addr().As4()
	}
	if err := unix.Bind(u.fd, &sa); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := unix.Getsockname(u.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	if a, ok := bound.(*unix.SockaddrInet4); ok {
		u.local = uint16(a.Port)
	}
	return nil
}

func (u *linuxUDP) receive(h upstreamHandler) {
	u.handler = h
	if u.use() {
		defer u.done()
		u.poller.add(u)
	}
}

func (u *linuxUDP) waits() bool  { return false }
func (u *linuxUDP) port() uint16 { return u.local }

// use reports whether fd may be used, until done.
func (u *linuxUDP) use() bool {
	if u.users.Add(1) >= closedUDP {
		u.done()
		return false
	}
	return true
}

func (u *linuxUDP) done() {
	if u.users.Add(-1) == closedUDP && u.users.CompareAndSwap(closedUDP, 2*closedUDP) {
		_ = unix.Close(u.fd)
	}
}

// close ends the socket. Calls of its handler that are under way may still be when it returns.
func (u *linuxUDP) close() {
	for {
		users := u.users.Load()
		if users >= closedUDP {
			return
		}
		if u.users.CompareAndSwap(users, users+closedUDP+1) {
			break
		}
	}
	u.poller.remove(u)
	u.done()
}

// ready takes what is there, once.
func (u *linuxUDP) ready(events uint32, r *mmsg.Receiver) {
	if !u.use() {
		return
	}
	defer u.done()
	if events&unix.EPOLLERR != 0 {
		drainErrors(u.fd, r.Buffer(), func(dst netip.AddrPort, _ []byte, why fault) {
			u.handler.failedUpstream(dst, why)
		})
	}
	if events&unix.EPOLLOUT != 0 {
		u.poller.watch(u, unix.EPOLLIN)
		u.handler.writable()
	}
	if events&unix.EPOLLIN != 0 {
		for _, errno := range []syscall.Errno{0, 0} { // an error of an earlier datagram comes once
			if errno = r.Receive(u.fd, u.handler.fromUpstream); errno == 0 || errno == unix.EAGAIN {
				break
			}
		}
	}
}

// send: see upstreamUDP.
func (u *linuxUDP) send(ds []udpDatagram) int {
	if !u.use() {
		for i := range ds {
			ds[i].Err = net.ErrClosed
		}
		return len(ds)
	}
	defer u.done()
	sent, retried := 0, false
	for sent < len(ds) {
		run := u.sameOptions(ds[sent:])
		count, segmented, errno := mmsg.Send(u.fd, ds[sent:sent+run], !u.noGSO.Load())
		if sent += count; count > 0 {
			retried = false
		}
		switch {
		case errno == 0:
		case errno == unix.EAGAIN:
			u.poller.watch(u, unix.EPOLLIN|unix.EPOLLOUT)
			return sent
		case segmented: // no offload in the device's checksums, or beyond the path's MTU
			u.noGSO.Store(true)
		case !retried && isPending(errno):
			// It was the error of an earlier datagram, which the error queue tells in full; reported,
			// it is gone.
			retried = true
		default:
			ds[sent].Err, retried = errno, false
			sent++
		}
	}
	return sent
}

// sameOptions sets the socket's options for the first datagram and says how many that is true for.
func (u *linuxUDP) sameOptions(ds []udpDatagram) int {
	if ttl := ds[0].TTL; ttl != u.ttl {
		value := int(ttl)
		if ttl == 0 {
			value = -1 // the system's
		}
		if unix.SetsockoptInt(u.fd, unix.IPPROTO_IP, unix.IP_TTL, value) == nil {
			u.ttl = ttl
		}
	}
	mode, df := unix.IP_PMTUDISC_DONT, int8(-1)
	if ds[0].DF {
		mode, df = unix.IP_PMTUDISC_DO, 1
	}
	if df != u.df && unix.SetsockoptInt(u.fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, mode) == nil {
		u.df = df
	}
	for i := range ds {
		if ds[i].TTL != ds[0].TTL || ds[i].DF != ds[0].DF {
			return i
		}
	}
	return len(ds)
}
