package hosttcp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// A Dial says how to connect.
type Dial struct {
	TTL int // of the SYN, 1 to 255

	// Explain, if not nil, is called when the network has refused the connection, with what connect(2) said.
	// It may read the error queue of the descriptor (IP_RECVERR and IP_RECVTTL are on) and say it better.
	// With a nil error it is called while there is no answer yet, and returns one if the queue holds what
	// ends the dial: of an ICMP error that came during connect(2), as a neighbour's does, the kernel itself
	// makes nothing before it has sent the SYN a second time.
	Explain func(fd int, err error) error
}

// Dial begins to connect to a destination. It does not wait: if the answer has not come with the call, it
// returns what does. Of s, p and err one is not nil. The socket is as the dial needs it until Configure.
//
// The ACK that completes the handshake waits until Acknowledge, or goes with what is written before; after
// 200 ms (TCP_DELACK_MAX) the kernel sends it by itself. So the destination, which begins to work then, does
// not do so before whoever the connection is for has his.
func (p *Poller) Dial(dst netip.AddrPort, d Dial) (s *Socket, pending *Pending, err error) {
	for range addressTries {
		s, pending, err = p.dial(dst, d)
		if !errors.Is(err, unix.EADDRNOTAVAIL) {
			break
		}
	}
	return s, pending, err
}

func (p *Poller) dial(dst netip.AddrPort, d Dial) (*Socket, *Pending, error) {
	fd, errno := newSocket()
	if errno != 0 {
		return nil, nil, dialError(dst, os.NewSyscallError("socket", errno))
	}
	s := &Socket{poller: p, remote: dst, fd: fd}
	for _, o := range [...]struct{ option, value int }{
		{unix.IP_TTL, d.TTL}, {unix.IP_RECVERR, 1}, {unix.IP_RECVTTL, 1},
	} {
		if errno := setInt(fd, unix.IPPROTO_IP, o.option, o.value); errno != 0 {
			_ = s.Close()
			return nil, nil, dialError(dst, os.NewSyscallError("setsockopt", errno))
		}
	}
	_ = setInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0) // without it the ACK is early, no more
	to := rawSockaddr(dst)
	if errno = connect(fd, &to); errno == unix.EINPROGRESS {
		// The answer of this host, or of one behind a virtual link, has come during the call.
		errno = connect(fd, &to)
	}
	pending := &Pending{s, d.Explain}
	if errno == unix.EALREADY {
		if err := pending.refused(); err != nil {
			return nil, nil, err
		}
		return nil, pending, nil
	}
	if err := pending.connected(errno); err != nil {
		return nil, nil, err
	}
	return s, nil, nil
}

// A Pending is a dial that waits for an answer. Wait must be called, once.
type Pending struct {
	socket  *Socket
	explain func(fd int, err error) error
}

// Wait returns the socket when it is connected, or when ctx ends an error that is ctx's. There is no other
// timeout but that of the kernel, two minutes and more.
func (p *Pending) Wait(ctx context.Context) (*Socket, error) {
	s := p.socket
	changed := make(chan struct{}, 1)
	watcher := func(bool, bool) {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	s.watcher.Store(&watcher)
	if _, err := s.register(true); err != nil {
		_ = s.Close()
		return nil, dialError(s.remote, err)
	}
	to := rawSockaddr(s.remote)
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			_ = s.Close()
			return nil, dialError(s.remote, ctx.Err())
		}
		errno := connect(s.fd, &to)
		if errno == unix.EALREADY {
			if err := p.refused(); err != nil {
				return nil, err
			}
			continue
		}
		if err := p.connected(errno); err != nil {
			return nil, err
		}
		return s, nil
	}
}

// refused returns what the error queue says while there is no answer. If it is an error, the socket is
// closed.
func (p *Pending) refused() error {
	if p.explain == nil {
		return nil
	}
	err := p.explain(p.socket.fd, nil)
	if err == nil {
		return nil
	}
	_ = p.socket.Close()
	return dialError(p.socket.remote, err)
}

// connected is what the errno of the last connect(2) means. If it is an error, the socket is closed.
func (p *Pending) connected(errno unix.Errno) error {
	s := p.socket
	if errno == 0 || errno == unix.EISCONN {
		if s.local, errno = localAddr(s.fd); errno == 0 {
			return nil
		}
	}
	err := os.NewSyscallError("connect", errno)
	if p.explain != nil {
		err = p.explain(s.fd, err)
	}
	_ = s.Close()
	return dialError(s.remote, err)
}

func dialError(dst netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(dst), Err: err}
}
