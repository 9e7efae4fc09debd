package adapter

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// listenBacklog is how many accepted connections wait for Accept: Linux's
// net.core.somaxconn. What comes above it is answered with SYN cookies or not at
// all, and the client tries again.
const listenBacklog = 4096

// TCPListener is a net.Listener over the tunnel. It is safe for concurrent use.
type TCPListener struct {
	net      *Net
	listener *ourstack.Listener
	accept   gate
	addr     netip.AddrPort
}

var _ net.Listener = (*TCPListener)(nil)

// ListenTCP listens on laddr. A nil address, or one without IP, means all of the
// Net's addresses; port 0 means a free one.
func (n *Net) ListenTCP(laddr *net.TCPAddr) (*TCPListener, error) {
	return n.ListenTCPAddrPort(tcpAddrPort(laddr))
}

// ListenTCPAddrPort is like ListenTCP; the zero addr means all addresses and a free port.
func (n *Net) ListenTCPAddrPort(addr netip.AddrPort) (*TCPListener, error) {
	addr = localAddr(addr)
	sl, err := create(n, func(tcp.Instant) (*ourstack.Listener, error) {
		return n.stack.Listen(addr, listenBacklog)
	})
	if err != nil {
		return nil, opError("listen", "tcp", nil, net.TCPAddrFromAddrPort(addr), err)
	}
	l := &TCPListener{net: n, listener: sl, addr: sl.Addr()}
	sl.SetNotify(l.accept.wake)
	return l, nil
}

// Accept waits for the next connection and returns it as a *TCPConn.
func (l *TCPListener) Accept() (net.Conn, error) {
	c, err := l.AcceptTCP()
	if err != nil {
		return nil, err // not a nil *TCPConn in a net.Conn
	}
	return c, nil
}

// AcceptTCP waits for the next connection. It fails with net.ErrClosed after
// Close and with os.ErrDeadlineExceeded after the deadline.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) {
	if err := l.accept.err(); err != nil {
		return nil, l.opError("accept", err)
	}
	for {
		armed := l.accept.arm()
		sc, err := l.listener.Accept()
		if err == nil {
			return newTCPConn(l.net, sc), nil
		}
		if !errors.Is(err, ourstack.ErrWouldBlock) {
			return nil, l.opError("accept", err)
		}
		if err := l.accept.wait(armed); err != nil {
			return nil, l.opError("accept", err)
		}
	}
}

// Close stops listening. Connections that nobody accepted yet are reset; accepted
// ones are not touched. Waiting calls of Accept return.
func (l *TCPListener) Close() error {
	if !l.accept.close() {
		return l.opError("close", net.ErrClosed)
	}
	l.listener.Close(l.net.now())
	return nil
}

// Addr returns the listening address, a *net.TCPAddr.
func (l *TCPListener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.addr) }

// SetDeadline makes Accept fail with os.ErrDeadlineExceeded from t on; the zero
// time means never.
func (l *TCPListener) SetDeadline(t time.Time) error {
	if err := l.accept.setDeadline(t); err != nil {
		return l.opError("set", err)
	}
	return nil
}

func (l *TCPListener) opError(op string, err error) error {
	return opError(op, "tcp", nil, l.Addr(), err)
}
