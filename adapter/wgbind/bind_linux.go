package wgbind

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
)

// bind is a conn.Bind. It may be opened again after Close.
type bind struct {
	mu     sync.Mutex             // of Open, Close and SetMark
	v4, v6 atomic.Pointer[socket] // nil while closed, or if the system has no such protocol

	senders sync.Pool // of *sender
}

var _ conn.Bind = (*bind)(nil)

// New returns a bind.
func New() conn.Bind { return &bind{} }

// A socket is one of the two UDP sockets. It is immutable but for segment.
type socket struct {
	conn    *net.UDPConn
	raw     syscall.RawConn
	segment atomic.Bool // UDP_SEGMENT works
	grown   bool        // immutable: UDP_GRO is on
}

// portTries is how often a port that IPv4 was given at random may be taken in IPv6.
const portTries = 100

// Open opens a socket for each of IPv4 and IPv6 that the system has, both at port, or both at one that
// the system chooses if it is 0. Each receive function is for one caller at a time; others wait.
func (b *bind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.v4.Load() != nil || b.v6.Load() != nil {
		return nil, 0, conn.ErrBindAlreadyOpen
	}
	v4, v6, err := openBoth(int(port))
	for try := 0; port == 0 && errors.Is(err, syscall.EADDRINUSE) && try < portTries; try++ {
		v4, v6, err = openBoth(0)
	}
	if err != nil {
		return nil, 0, err
	}
	var fns []conn.ReceiveFunc
	if v4 != nil {
		b.v4.Store(v4)
		fns, port = append(fns, newReceiver(v4).receiveIPv4), v4.port()
	}
	if v6 != nil {
		b.v6.Store(v6)
		fns, port = append(fns, newReceiver(v6).receiveIPv6), v6.port()
	}
	return fns, port, nil
}

// openBoth opens both sockets at the same port. One of them is nil if the system lacks its protocol.
func openBoth(port int) (v4, v6 *socket, err error) {
	v4, err = openSocket("udp4", port)
	if err != nil && !errors.Is(err, syscall.EAFNOSUPPORT) {
		return nil, nil, err
	}
	if v4 != nil {
		port = int(v4.port())
	}
	v6, err = openSocket("udp6", port)
	switch {
	case err == nil:
		return v4, v6, nil
	case v4 != nil && errors.Is(err, syscall.EAFNOSUPPORT):
		return v4, nil, nil
	case v4 != nil:
		_ = v4.conn.Close()
	}
	return nil, nil, err
}

func openSocket(network string, port int) (*socket, error) {
	s := &socket{}
	config := net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = s.configure(int(fd), network) })
		return errors.Join(err, failed)
	}}
	c, err := config.ListenPacket(context.Background(), network, ":"+strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	s.conn = c.(*net.UDPConn)
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		_ = s.conn.Close()
		return nil, err
	}
	return s, nil
}

// configure sets the options that must be there before the socket has an address, and learns what
// the kernel can do.
func (s *socket) configure(fd int, network string) error {
	set := func(level, option, value int) error { return unix.SetsockoptInt(fd, level, option, value) }
	_ = set(unix.SOL_SOCKET, unix.SO_RCVBUF, SocketBuffer)
	_ = set(unix.SOL_SOCKET, unix.SO_SNDBUF, SocketBuffer)
	_ = set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, SocketBuffer)
	_ = set(unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, SocketBuffer)
	s.grown = set(unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
	_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
	s.segment.Store(err == nil)
	if network == "udp4" {
		return set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	return errors.Join(
		set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1),
		set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1),
	)
}

func (s *socket) port() uint16 { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// Close closes the sockets. Receive functions that wait, and calls that come later, return
// net.ErrClosed.
func (b *bind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs [2]error
	for i, p := range []*atomic.Pointer[socket]{&b.v4, &b.v6} {
		if s := p.Swap(nil); s != nil {
			errs[i] = s.conn.Close()
		}
	}
	return errors.Join(errs[:]...)
}

// SetMark sets SO_MARK, which takes CAP_NET_ADMIN.
func (b *bind) SetMark(mark uint32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range []*atomic.Pointer[socket]{&b.v4, &b.v6} {
		s := p.Load()
		if s == nil {
			continue
		}
		var failed error
		err := s.raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark))
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

// ParseEndpoint makes an endpoint of "address:port".
func (b *bind) ParseEndpoint(s string) (conn.Endpoint, error) {
	e, err := parseEndpoint(s)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// BatchSize returns 128.
func (b *bind) BatchSize() int { return batchSize }
