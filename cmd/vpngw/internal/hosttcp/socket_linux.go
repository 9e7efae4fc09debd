package hosttcp

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Socket is a connected TCP socket. No method waits. Safe for concurrent use.
type Socket struct {
	poller *Poller
	remote netip.AddrPort
	local  netip.AddrPort // set when it is connected
	number uint64         // in the poller, whose mu guards it; 0: none
	room   bool           // it is to tell of room to write, too; poller.mu guards it

	watcher atomic.Pointer[func(readable, writable bool)]
	lost    atomic.Uint32 // what a write said of a connection that was over, an Errno; set with mu held

	mu sync.RWMutex // held for reading while the descriptor is used
	fd int          // -1 after Close
}

// use calls f with the descriptor; op names the call in errors.
func (s *Socket) use(op string, f func(fd int) unix.Errno) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return s.opError(op, net.ErrClosed)
	}
	if errno := f(s.fd); errno != 0 {
		return s.opError(op, os.NewSyscallError(op, errno))
	}
	return nil
}

func (s *Socket) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: net.TCPAddrFromAddrPort(s.remote), Err: err}
}

// Configure makes of the socket of a dial an ordinary one: its segments live as long as the system's do, an
// ICMP error ends it only when retransmission has failed (RFC 1122 §4.2.3.9), Nagle's algorithm is off, and
// it is kept alive as k says, which names all and in whole seconds.
func (s *Socket) Configure(k net.KeepAliveConfig) error {
	const systemDefault = -1
	return s.use("setsockopt", func(fd int) unix.Errno {
		for _, o := range [...]struct{ level, option, value int }{
			{unix.IPPROTO_IP, unix.IP_RECVERR, 0},
			{unix.IPPROTO_IP, unix.IP_RECVTTL, 0},
			{unix.IPPROTO_IP, unix.IP_TTL, systemDefault},
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(k.Idle / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(k.Interval / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, k.Count},
		} {
			if errno := setInt(fd, o.level, o.option, o.value); errno != 0 {
				return errno
			}
		}
		return 0
	})
}

// Acknowledge sends the ACK that completes the handshake if it has not been sent yet.
func (s *Socket) Acknowledge() error {
	return s.use("setsockopt", func(fd int) unix.Errno { return setInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) })
}

// Watch makes changed be called when there may be something to read (the end and an error too), from now on
// and at once for what is there already, and when there may be room again after a WriteVector that found
// none. It is called by the poller's goroutine, must not block, and gets edges: whoever is told goes on
// until there is nothing more. nil ends the calls, but for one under way. Watch fails if the poller cannot
// take the socket.
func (s *Socket) Watch(changed func(readable, writable bool)) error {
	if changed == nil {
		s.watcher.Store(nil)
		return nil
	}
	s.watcher.Store(&changed)
	known, err := s.register(false)
	if err != nil {
		return s.opError("watch", err)
	}
	if known { // the edges of before came to an earlier watcher
		changed(true, true)
	}
	return nil
}

// register gives s to the poller, which tells also of room if that is set. known: it was there.
func (s *Socket) register(room bool) (known bool, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.fd < 0 {
		return false, net.ErrClosed
	}
	return s.poller.add(s, room)
}

func (s *Socket) tell(events uint32) {
	w := s.watcher.Load()
	if w == nil {
		return
	}
	const end = unix.EPOLLERR | unix.EPOLLHUP
	readable := events&(unix.EPOLLIN|unix.EPOLLRDHUP|end) != 0
	writable := events&(unix.EPOLLOUT|end) != 0
	(*w)(readable, writable)
}

// WriteVector writes one slice after the other, and returns how many bytes the socket had room for. If
// that were not all, the watcher is told when there is room.
func (s *Socket) WriteVector(p [][]byte) (n int, err error) {
	full := false
	err = s.use("write", func(fd int) unix.Errno {
		for len(p) > 0 {
			run := p[:min(len(p), slicesMax)]
			done, errno := sendVector(fd, run)
			n += done
			switch {
			case errno == unix.EINTR:
				continue
			case errno == unix.EAGAIN:
				full = true
				return 0
			case errno != 0:
				if errno != unix.EPIPE { // which tells what both know
					s.lost.CompareAndSwap(0, uint32(errno))
				}
				return errno
			}
			for _, b := range run {
				done -= len(b)
			}
			if done < 0 {
				full = true
				return 0
			}
			p = p[len(run):]
		}
		return 0
	})
	if full {
		if _, failed := s.register(true); err == nil && failed != nil {
			err = s.opError("write", failed)
		}
	}
	return n, err
}

// CloseWrite sends the end of the stream.
func (s *Socket) CloseWrite() error { return s.use("shutdown", shutdownWrite) }

// SetLinger with 0 makes Close reset the connection; with any other number, as by default, Close lets the
// kernel send what it has. It never waits for that.
func (s *Socket) SetLinger(seconds int) error {
	var l unix.Linger
	if seconds == 0 {
		l.Onoff = 1
	}
	return s.use("setsockopt", func(fd int) unix.Errno {
		if err, ok := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &l).(unix.Errno); ok {
			return err
		}
		return 0
	})
}

// Failure returns why the connection is over, or nil if it is not, ended in order or was asked for this
// before.
func (s *Socket) Failure() error {
	err := s.use("read", func(fd int) unix.Errno {
		v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return 0
		}
		return unix.Errno(v)
	})
	if op, ok := err.(*net.OpError); ok && op.Err == net.ErrClosed {
		return nil
	}
	return err
}

// Lost returns why the connection was over before its end, if a write has met that, otherwise nil. The kernel
// says it once, to whoever asks first, so that a read finds an end that is none: it is to be asked then.
func (s *Socket) Lost() error {
	s.mu.Lock() // a write that has met it has said so
	errno := unix.Errno(s.lost.Load())
	s.mu.Unlock()
	if errno == 0 {
		return nil
	}
	return s.opError("read", os.NewSyscallError("read", errno))
}

// Close closes the socket. Calls that use it end first; later ones fail with net.ErrClosed.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return s.opError("close", net.ErrClosed)
	}
	s.watcher.Store(nil)
	s.poller.remove(s)
	errno := closeSocket(s.fd)
	s.fd = -1
	if errno != 0 {
		return s.opError("close", os.NewSyscallError("close", errno))
	}
	return nil
}

// Conn makes a connection of package net of the socket, which is closed then.
func (s *Socket) Conn() (*net.TCPConn, error) {
	s.mu.RLock()
	fd := -1
	var err error
	if s.fd >= 0 {
		fd, err = unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	}
	s.mu.RUnlock()
	switch {
	case err != nil:
		return nil, s.opError("dup", os.NewSyscallError("fcntl", err))
	case fd < 0:
		return nil, s.opError("dup", net.ErrClosed)
	}
	f := os.NewFile(uintptr(fd), "tcp")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	_ = s.Close() // which sends nothing: c has the socket
	return c.(*net.TCPConn), nil
}

// RemoteAddr returns the other end, a *net.TCPAddr.
func (s *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

// LocalAddr returns this end, a *net.TCPAddr. Like RemoteAddr it is known after Close, too.
func (s *Socket) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.local) }

// LocalAddrPort is LocalAddr as a netip.AddrPort.
func (s *Socket) LocalAddrPort() netip.AddrPort { return s.local }

var _ syscall.RawConn = (*Socket)(nil)

// SyscallConn returns s.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return s, nil }

// Control calls f with the descriptor, which stays open meanwhile.
func (s *Socket) Control(f func(fd uintptr)) error {
	return s.use("control", func(fd int) unix.Errno {
		f(uintptr(fd))
		return 0
	})
}

// Read is Control: what f returns does not make it wait.
func (s *Socket) Read(f func(fd uintptr) bool) error {
	return s.Control(func(fd uintptr) { f(fd) })
}

// Write is Read.
func (s *Socket) Write(f func(fd uintptr) bool) error { return s.Read(f) }
