package adapter

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"vpngw/ourstack"
)

// datagramMax is the size in bytes of the largest UDP payload over IPv4 (RFC 768, RFC 791).
const datagramMax = 65507

// datagrams holds buffers of that size, as *[]byte, while nobody uses them.
var datagrams = sync.Pool{New: func() any {
	b := make([]byte, datagramMax)
	return &b
}}

// Receive calls f for each datagram, with the address that ReadFrom would return, until the socket
// is closed (net.ErrClosed) or the read deadline passes. p is valid during the call only. ICMP errors
// about single datagrams are ignored. While it waits it holds no buffer, which is its advantage over
// ReadFrom for a program with thousands of sockets.
func (c *UDPConn) Receive(f func(p []byte, addr netip.AddrPort)) error {
	if err := c.rd.err(); err != nil {
		return c.opError("read", err)
	}
	for {
		armed := c.rd.arm()
		if err := c.receiveAll(f); err != nil {
			return c.opError("read", err)
		}
		if err := c.rd.wait(armed); err != nil {
			return c.opError("read", err)
		}
	}
}

// receiveAll hands over what has arrived.
func (c *UDPConn) receiveAll(f func(p []byte, addr netip.AddrPort)) error {
	buf := datagrams.Get().(*[]byte)
	defer datagrams.Put(buf)
	for {
		n, from, to, err := c.socket.ReadFrom(*buf)
		switch {
		case errors.Is(err, ourstack.ErrWouldBlock):
			return nil
		case errors.Is(err, ourstack.ErrClosed):
			return err
		case err != nil:
			continue // about one datagram
		}
		if err := c.rd.err(); err != nil {
			return err
		}
		if c.forwarded() {
			from = to
		}
		f((*buf)[:n], from)
	}
}

// TryWriteToUDPAddrPort is WriteToUDPAddrPort for callers that must not wait: if the socket's queue is
// full it drops p and returns ENOBUFS.
func (c *UDPConn) TryWriteToUDPAddrPort(p []byte, addr netip.AddrPort) error {
	if errors.Is(c.wr.err(), net.ErrClosed) {
		return c.opError("write", net.ErrClosed)
	}
	from, to := c.route(remoteAddr(addr))
	err := c.socket.WriteTo(c.net.now(), p, from, to)
	if errors.Is(err, ourstack.ErrWouldBlock) {
		err = syscall.ENOBUFS
	}
	return c.opError("write", err)
}
