package adapter

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// UDPConn is a UDP socket over the tunnel: a net.PacketConn and a net.Conn. It is
// safe for concurrent use. There are three kinds:
//
//   - ListenUDP: receives from anybody. ReadFrom returns the sender, WriteTo sends to
//     its address.
//   - DialUDP: exchanges datagrams with one remote address only. Read and Write
//     suffice. An ICMP error from there fails the next call (ECONNREFUSED, EHOSTUNREACH, …).
//   - UDPRequest.Accept: everything that one client socket sends to addresses that
//     are not local, whatever the destination. All addresses are then destinations as
//     the client sees them: ReadFrom returns the destination that the client's datagram
//     was sent to, and WriteTo(p, addr) sends p to the client with addr as its source.
//     RemoteAddr is the client, LocalAddr the destination of its first datagram; Read
//     does not tell the destination, and Write answers from LocalAddr.
//
// A datagram has at most 65507 bytes; a longer one is refused with EMSGSIZE. What is
// larger than the MTU is fragmented. Reading a datagram into a slice that is too
// short loses the rest of it.
type UDPConn struct {
	net    *Net
	socket *ourstack.UDPSocket
	first  netip.AddrPort // of a forwarded flow, its first destination; otherwise invalid
	rd     gate
	wr     gate
}

var (
	_ net.PacketConn = (*UDPConn)(nil)
	_ net.Conn       = (*UDPConn)(nil)
)

// DialUDP makes a socket that exchanges datagrams with raddr. A nil laddr, and what
// it leaves open, is chosen. With a nil raddr it is ListenUDP.
func (n *Net) DialUDP(laddr, raddr *net.UDPAddr) (*UDPConn, error) {
	return n.DialUDPAddrPort(udpAddrPort(laddr), udpAddrPort(raddr))
}

// DialUDPAddrPort is like DialUDP; the zero value is what nil is there.
func (n *Net) DialUDPAddrPort(laddr, raddr netip.AddrPort) (*UDPConn, error) {
	if raddr == (netip.AddrPort{}) {
		return n.ListenUDPAddrPort(laddr)
	}
	laddr, raddr = localAddr(laddr), remoteAddr(raddr)
	fail := func(err error) (*UDPConn, error) {
		return nil, opError("dial", "udp", nil, udpAddr(raddr), err)
	}
	if !raddr.IsValid() {
		return fail(errMissingAddress)
	}
	s, err := create(n, func(tcp.Instant) (*ourstack.UDPSocket, error) {
		return n.stack.DialUDP(laddr, raddr)
	})
	if err != nil {
		return fail(err)
	}
	return newUDPConn(n, s, netip.AddrPort{}), nil
}

// ListenUDP makes a socket that receives on laddr. A nil address, or one without IP,
// means all of the Net's addresses; port 0 means a free one.
func (n *Net) ListenUDP(laddr *net.UDPAddr) (*UDPConn, error) {
	return n.ListenUDPAddrPort(udpAddrPort(laddr))
}

// ListenUDPAddrPort is like ListenUDP; the zero value is what nil is there.
func (n *Net) ListenUDPAddrPort(laddr netip.AddrPort) (*UDPConn, error) {
	laddr = localAddr(laddr)
	s, err := create(n, func(tcp.Instant) (*ourstack.UDPSocket, error) {
		return n.stack.ListenUDP(laddr)
	})
	if err != nil {
		return nil, opError("listen", "udp", nil, udpAddr(laddr), err)
	}
	return newUDPConn(n, s, netip.AddrPort{}), nil
}

// newUDPConn makes a UDPConn of s. first is valid for a forwarded flow.
func newUDPConn(n *Net, s *ourstack.UDPSocket, first netip.AddrPort) *UDPConn {
	c := &UDPConn{net: n, socket: s, first: first}
	s.SetNotify(c.notify) // also when the Net's end closes the socket
	return c
}

// notify is the stack's call-back.
func (c *UDPConn) notify(e tcp.Event) {
	if e&tcp.EventReadable != 0 {
		c.rd.wake()
	}
	if e&tcp.EventWritable != 0 {
		c.wr.wake()
	}
}

func (c *UDPConn) forwarded() bool { return c.first.IsValid() }

// ReadFromUDPAddrPort waits for a datagram, copies it to p and returns its length and
// its address: the sender's, or in a forwarded flow the destination's.
func (c *UDPConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	if err := c.rd.err(); err != nil {
		return 0, netip.AddrPort{}, c.opError("read", err)
	}
	for {
		armed := c.rd.arm()
		n, from, to, err := c.socket.ReadFrom(p)
		if err == nil {
			if c.forwarded() {
				from = to
			}
			return n, from, nil
		}
		if !errors.Is(err, ourstack.ErrWouldBlock) {
			return 0, netip.AddrPort{}, c.opError("read", err)
		}
		if err := c.rd.wait(armed); err != nil {
			return 0, netip.AddrPort{}, c.opError("read", err)
		}
	}
}

// ReadFrom is ReadFromUDPAddrPort with the address as a *net.UDPAddr.
func (c *UDPConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, addr, err := c.ReadFromUDPAddrPort(p)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(addr), nil
}

// Read is ReadFromUDPAddrPort without the address.
func (c *UDPConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFromUDPAddrPort(p)
	return n, err
}

// WriteToUDPAddrPort sends p to addr; in a forwarded flow it sends p to the client
// with addr as its source. It blocks while the socket's queue is full, until the
// device has taken datagrams from it or the write deadline passes.
func (c *UDPConn) WriteToUDPAddrPort(p []byte, addr netip.AddrPort) (int, error) {
	addr = remoteAddr(addr)
	if !addr.IsValid() {
		return 0, c.opError("write", errMissingAddress)
	}
	from, to := c.route(addr)
	return c.send(p, from, to)
}

// route returns the source and the destination of a datagram that is written to addr. Zero stands
// for the socket's own address and for its peer's.
func (c *UDPConn) route(addr netip.AddrPort) (from, to netip.AddrPort) {
	if c.forwarded() {
		return addr, netip.AddrPort{}
	}
	return netip.AddrPort{}, addr
}

// WriteTo is WriteToUDPAddrPort; addr must be a *net.UDPAddr. A nil addr is that of
// DialUDP, which is also the only one that it takes after DialUDP.
func (c *UDPConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	if addr == nil {
		return c.Write(p)
	}
	ua, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.opError("write", &net.AddrError{Err: "not a UDP address", Addr: addr.String()})
	}
	if ua == nil {
		return c.Write(p)
	}
	return c.WriteToUDPAddrPort(p, ua.AddrPort())
}

// Write sends p to the address of DialUDP; in a forwarded flow, to the client from
// the destination that it wrote to first. After ListenUDP it fails.
func (c *UDPConn) Write(p []byte) (int, error) {
	if c.RemoteAddr() == nil {
		return 0, c.opError("write", errMissingAddress)
	}
	return c.send(p, c.first, netip.AddrPort{})
}

// send queues one datagram; see route.
func (c *UDPConn) send(p []byte, from, to netip.AddrPort) (int, error) {
	if err := c.wr.err(); err != nil {
		return 0, c.opError("write", err)
	}
	for {
		armed := c.wr.arm()
		err := c.socket.WriteTo(c.net.now(), p, from, to)
		if err == nil {
			return len(p), nil
		}
		if !errors.Is(err, ourstack.ErrWouldBlock) {
			return 0, c.opError("write", err)
		}
		if err := c.wr.wait(armed); err != nil {
			return 0, c.opError("write", err)
		}
	}
}

// Unreachable tells the client of a forwarded flow that dst, a destination which it
// wrote to, cannot be reached: it is sent the ICMP error for reason, quoting its
// last datagram to dst. The flow goes on. It does nothing in other sockets.
func (c *UDPConn) Unreachable(dst netip.AddrPort, reason Reason) {
	if c.forwarded() {
		c.socket.Unreachable(c.net.now(), remoteAddr(dst), reason)
	}
}

// Fail tells the client of a forwarded flow of an ICMP error from the network behind about its last
// datagram to dst, which the error quotes. Otherwise it is like Unreachable.
func (c *UDPConn) Fail(dst netip.AddrPort, f Fault) {
	if c.forwarded() {
		c.socket.Fail(c.net.now(), remoteAddr(dst), f)
	}
}

// Close closes the socket. Waiting calls return net.ErrClosed. Datagrams that were
// written are still sent, those that were not read are lost.
func (c *UDPConn) Close() error {
	if !c.rd.close() {
		return c.opError("close", net.ErrClosed)
	}
	c.wr.close()
	c.socket.Close()
	return nil
}

// LocalAddr returns this end's address, a *net.UDPAddr; see UDPConn for forwarded flows.
func (c *UDPConn) LocalAddr() net.Addr {
	if c.forwarded() {
		return udpAddr(c.first)
	}
	return udpAddr(c.socket.LocalAddr())
}

// RemoteAddr returns the address of DialUDP, or the client of a forwarded flow, as a
// *net.UDPAddr; nil after ListenUDP.
func (c *UDPConn) RemoteAddr() net.Addr {
	if r := c.socket.RemoteAddr(); r.Port() != 0 {
		return udpAddr(r)
	}
	return nil
}

// SetDeadline sets both deadlines.
func (c *UDPConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on, also one
// that waits now; the zero time means never.
func (c *UDPConn) SetReadDeadline(t time.Time) error { return c.setError(c.rd.setDeadline(t)) }

// SetWriteDeadline is SetReadDeadline for writes.
func (c *UDPConn) SetWriteDeadline(t time.Time) error { return c.setError(c.wr.setDeadline(t)) }

// setError wraps the error of a Set method.
func (c *UDPConn) setError(err error) error {
	return opError("set", "udp", nil, c.LocalAddr(), err)
}

func (c *UDPConn) opError(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(c.rd.err(), net.ErrClosed) {
		err = net.ErrClosed
	}
	return opError(op, "udp", c.LocalAddr(), c.RemoteAddr(), err)
}
