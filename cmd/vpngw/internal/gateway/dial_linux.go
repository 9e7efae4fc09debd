package gateway

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// A synWatch gives the SYN of one dial its TTL, sends it, and reads from the socket's error queue who said
// that it cannot arrive (Linux 5.9 and later; before, only connect's error number is known). Package net
// closes the socket of a dial that failed, so it holds a second descriptor of it.
type synWatch struct {
	dst netip.AddrPort
	ttl int
	fd  int // -1: none
}

func newSynWatch(dst netip.AddrPort, ttl int) *synWatch { return &synWatch{dst: dst, ttl: ttl, fd: -1} }

// control is a net.Dialer's Control: it is called for each socket before it connects.
func (w *synWatch) control(_, _ string, c syscall.RawConn) error {
	w.close()
	var failed error
	err := c.Control(func(fd uintptr) {
		if failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TTL, w.ttl); failed != nil {
			return
		}
		if w.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); failed != nil {
			w.fd = -1
		}
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = setRecvErr(c)
	}
	if err != nil {
		return err
	}
	return w.connect(c)
}

// connect sends the SYN. Package net does so after control, but then waits for its poller, also if the
// answer came during connect(2), as it does from this host and through virtual links: a goroutine's wait
// that was half of such a dial. To its connect(2), the second, the system says what has come meanwhile.
func (w *synWatch) connect(c syscall.RawConn) error {
	to := &unix.SockaddrInet4{Port: int(w.dst.Port()), Addr: w.dst.Addr().As4()}
	var failed error
	if err := c.Control(func(fd uintptr) { failed = unix.Connect(int(fd), to) }); err != nil {
		return err
	}
	if errors.Is(failed, unix.EINPROGRESS) || errors.Is(failed, unix.EINTR) {
		return nil
	}
	return os.NewSyscallError("connect", failed)
}

// connected makes conn an ordinary one again: its segments are the gateway's own and live as long as any,
// and an ICMP error is to end it only when retransmission has failed (RFC 1122 §4.2.3.9).
func (w *synWatch) connected(conn *net.TCPConn) error {
	w.close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	const systemDefault = -1
	var failed error
	err = raw.Control(func(fd uintptr) {
		for _, o := range [...]struct{ option, value int }{
			{unix.IP_RECVERR, 0}, {unix.IP_RECVTTL, 0}, {unix.IP_TTL, systemDefault},
		} {
			if failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, o.option, o.value); failed != nil {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// failed returns the ICMP error that ended the dial, or err if there was none.
func (w *synWatch) failed(err error) error {
	if w.fd < 0 {
		return err
	}
	var quoted [64]byte
	drainErrors(w.fd, quoted[:], func(_ netip.AddrPort, _ []byte, why fault) {
		if why.From.IsValid() {
			err = why
		}
	})
	w.close()
	return err
}

func (w *synWatch) close() {
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
		w.fd = -1
	}
}
