package adapter

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// PingAddr is the address of a PingConn: an IP address as a net.Addr.
type PingAddr struct{ addr netip.Addr }

// PingAddrFromAddr returns addr as a net.Addr for DialPing, ListenPing and WriteTo.
func PingAddrFromAddr(addr netip.Addr) *PingAddr { return &PingAddr{addr} }

// String returns the IP address.
func (a PingAddr) String() string { return a.addr.String() }

// Network returns "ping4" or "ping6"; "ping" for no address.
func (a PingAddr) Network() string {
	switch {
	case a.addr.Is4():
		return "ping4"
	case a.addr.Is6():
		return "ping6"
	}
	return "ping"
}

// Addr returns the IP address.
func (a PingAddr) Addr() netip.Addr { return a.addr }

// PingConn sends echo requests and receives the replies: a net.PacketConn and a net.Conn whose
// messages are ICMP messages (RFC 792) without IP header, as from golang.org/x/net/icmp. In a
// request, which must be of type 8 and code 0, the sequence number and the data count; the
// identifier and the checksum are the stack's, and a reply carries its identifier too. An ICMP
// error about a request fails a Read (EHOSTUNREACH, …). It is safe for concurrent use.
type PingConn struct {
	net    *Net
	socket *ourstack.PingSocket
	remote netip.Addr // of DialPing; otherwise invalid
	rd     gate
	wr     gate
	stop   func() bool // takes the watch on the Net's end away
}

var (
	_ net.PacketConn = (*PingConn)(nil)
	_ net.Conn       = (*PingConn)(nil)
)

// DialPing makes a PingConn that exchanges messages with raddr only. A nil laddr is chosen. With a
// nil raddr it is ListenPing.
func (n *Net) DialPing(laddr, raddr *PingAddr) (*PingConn, error) {
	return n.DialPingAddr(pingNetip(laddr), pingNetip(raddr))
}

// DialPingAddr is like DialPing; the zero Addr is what nil is there. One of them must be given.
func (n *Net) DialPingAddr(laddr, raddr netip.Addr) (*PingConn, error) {
	fail := func(err error) (*PingConn, error) {
		return nil, opError("dial", "ping", pingNetAddr(laddr), pingNetAddr(raddr), err)
	}
	if !laddr.IsValid() && !raddr.IsValid() {
		return fail(errMissingAddress)
	}
	remote := raddr.Unmap()
	if remote.Is6() {
		return fail(ourstack.ErrUnreachable)
	}
	s, err := create(n, func(tcp.Instant) (*ourstack.PingSocket, error) {
		return n.stack.ListenPing(localAddr(netip.AddrPortFrom(laddr, 0)).Addr())
	})
	if err != nil {
		return fail(err)
	}
	c := &PingConn{net: n, socket: s, remote: remote}
	c.stop = n.onClose(c.wakeAll)
	s.SetNotify(c.notify)
	return c, nil
}

// ListenPing makes a PingConn that exchanges messages with everybody.
func (n *Net) ListenPing(laddr *PingAddr) (*PingConn, error) {
	return n.ListenPingAddr(pingNetip(laddr))
}

// ListenPingAddr is like ListenPing.
func (n *Net) ListenPingAddr(laddr netip.Addr) (*PingConn, error) {
	return n.DialPingAddr(laddr, netip.Addr{})
}

func pingNetip(a *PingAddr) netip.Addr {
	if a == nil {
		return netip.Addr{}
	}
	return a.addr
}

// pingNetAddr returns a as a net.Addr, nil if it is not valid.
func pingNetAddr(a netip.Addr) net.Addr {
	if !a.IsValid() {
		return nil
	}
	return &PingAddr{a}
}

func (c *PingConn) notify(e tcp.Event) {
	if e&tcp.EventReadable != 0 {
		c.rd.wake()
	}
	if e&tcp.EventWritable != 0 {
		c.wr.wake()
	}
}

func (c *PingConn) wakeAll() {
	c.rd.wake()
	c.wr.wake()
}

// WriteTo sends the echo request p to addr, a *PingAddr or a *net.IPAddr; a nil addr is that of
// DialPing. It blocks while too many requests wait to be sent.
func (c *PingConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	to, err := c.target(addr)
	if err != nil {
		return 0, c.opError("write", err)
	}
	if len(p) < echoHeaderLen || p[0] != echoRequest || p[1] != 0 {
		return 0, c.opError("write", syscall.EINVAL)
	}
	seq := uint16(p[6])<<8 | uint16(p[7])
	if err := c.wr.err(); err != nil {
		return 0, c.opError("write", err)
	}
	for {
		armed := c.wr.arm()
		err := c.socket.WriteTo(c.net.now(), seq, p[echoHeaderLen:], to)
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

// target returns where WriteTo sends to.
func (c *PingConn) target(addr net.Addr) (netip.Addr, error) {
	var to netip.Addr
	switch a := addr.(type) {
	case nil:
		to = c.remote
	case *PingAddr:
		to = pingNetip(a)
	case PingAddr:
		to = a.addr
	case *net.IPAddr:
		to, _ = netip.AddrFromSlice(a.IP)
	default:
		return to, &net.AddrError{Err: "not a ping address", Addr: addr.String()}
	}
	if !to.IsValid() {
		return to, errMissingAddress
	}
	return to.Unmap(), nil
}

// Write sends the echo request p to the address of DialPing.
func (c *PingConn) Write(p []byte) (int, error) { return c.WriteTo(p, nil) }

// ReadFrom waits for an echo reply, copies the whole ICMP message to p and returns its length and
// its sender, a *PingAddr. What does not fit in p is lost.
func (c *PingConn) ReadFrom(p []byte) (int, net.Addr, error) {
	if err := c.rd.err(); err != nil {
		return 0, nil, c.opError("read", err)
	}
	for {
		armed := c.rd.arm()
		n, from, err := c.readReply(p)
		if c.remote.IsValid() && from.IsValid() && from != c.remote {
			continue // somebody else's
		}
		if err == nil {
			return n, &PingAddr{from}, nil
		}
		if !errors.Is(err, ourstack.ErrWouldBlock) {
			return 0, nil, c.opError("read", err)
		}
		if err := c.rd.wait(armed); err != nil {
			return 0, nil, c.opError("read", err)
		}
	}
}

// readReply takes one reply from the stack and makes the ICMP message of it again.
func (c *PingConn) readReply(p []byte) (int, netip.Addr, error) {
	if len(p) < echoHeaderLen {
		var whole [echoHeaderLen]byte
		n, from, err := c.readReply(whole[:])
		return copy(p, whole[:n]), from, err
	}
	n, seq, from, err := c.socket.ReadFrom(p[echoHeaderLen:])
	if err != nil {
		return 0, from, err
	}
	reply := p[:echoHeaderLen+n]
	putEchoHeader(reply, c.socket.ID(), seq)
	return len(reply), from, nil
}

// Types of an echo message, and the length of its header in bytes (RFC 792).
const (
	echoReply     = 0
	echoRequest   = 8
	echoHeaderLen = 8
)

// putEchoHeader writes the header of an echo reply before its data.
func putEchoHeader(msg []byte, id, seq uint16) {
	msg[0], msg[1] = echoReply, 0
	binary.BigEndian.PutUint16(msg[2:], 0)
	binary.BigEndian.PutUint16(msg[4:], id)
	binary.BigEndian.PutUint16(msg[6:], seq)
	binary.BigEndian.PutUint16(msg[2:], checksum(msg))
}

// checksum is the Internet checksum of b (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint64
	for ; len(b) >= 2; b = b[2:] {
		sum += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) > 0 {
		sum += uint64(b[0]) << 8
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}

// Read is ReadFrom without the sender.
func (c *PingConn) Read(p []byte) (int, error) {
	n, _, err := c.ReadFrom(p)
	return n, err
}

// Close closes the connection. Waiting calls return net.ErrClosed.
func (c *PingConn) Close() error {
	if !c.rd.close() {
		return c.opError("close", net.ErrClosed)
	}
	c.wr.close()
	c.stop()
	c.socket.Close()
	return nil
}

// LocalAddr returns this end's address, a *PingAddr; 0.0.0.0 stands for all of the Net's.
func (c *PingConn) LocalAddr() net.Addr { return &PingAddr{c.socket.LocalAddr()} }

// RemoteAddr returns the address of DialPing, a *PingAddr; after ListenPing its Addr is not valid.
func (c *PingConn) RemoteAddr() net.Addr { return &PingAddr{c.remote} }

// SetDeadline sets both deadlines.
func (c *PingConn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded from t on, also one that waits now;
// the zero time means never.
func (c *PingConn) SetReadDeadline(t time.Time) error { return c.setError(c.rd.setDeadline(t)) }

// SetWriteDeadline is SetReadDeadline for writes.
func (c *PingConn) SetWriteDeadline(t time.Time) error { return c.setError(c.wr.setDeadline(t)) }

func (c *PingConn) setError(err error) error {
	return opError("set", "ping", nil, c.LocalAddr(), err)
}

func (c *PingConn) opError(op string, err error) error {
	if errors.Is(c.rd.err(), net.ErrClosed) {
		err = net.ErrClosed
	}
	return opError(op, "ping", c.LocalAddr(), pingNetAddr(c.remote), err)
}
