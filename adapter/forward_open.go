package adapter

import (
	"context"
	"net/netip"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// DialContextTCPAs is DialContextTCPAddrPort with laddr, a unicast address and port that need not be
// the Net's, as the source: for a connection that came from there and is carried on to raddr, whose
// host then sees where it comes from. That host must route laddr back to this Net.
func (n *Net) DialContextTCPAs(ctx context.Context, laddr, raddr netip.AddrPort) (*TCPConn, error) {
	raddr = remoteAddr(raddr)
	if err := ctx.Err(); err != nil {
		return nil, opError("dial", "tcp", tcpAddr(laddr), tcpAddr(raddr), err)
	}
	sc, err := create(n, func(now tcp.Instant) (*ourstack.Conn, error) {
		return n.stack.DialAs(now, laddr, raddr)
	})
	if err != nil {
		return nil, opError("dial", "tcp", tcpAddr(laddr), tcpAddr(raddr), err)
	}
	return n.finishDial(ctx, sc, raddr)
}

// finishDial waits until the handshake of sc is done or ctx ends.
func (n *Net) finishDial(ctx context.Context, sc *ourstack.Conn, raddr netip.AddrPort) (*TCPConn, error) {
	c := newTCPConn(n, sc)
	if err := c.waitConnected(ctx); err != nil {
		source := c.LocalAddr()
		sc.Abort(n.now())
		return nil, opError("dial", "tcp", source, tcpAddr(raddr), err)
	}
	return c, nil
}

// OpenUDP makes what UDPRequest.Accept gives, for the client socket with that address and port, without
// waiting for a datagram of it. If there is one already, this one takes over what the client sends;
// the other can still send to the client until it is closed. Read tells the destinations of
// the client's datagrams as ever; Write, without an address, fails.
func (n *Net) OpenUDP(client netip.AddrPort) (*UDPConn, error) {
	s, err := create(n, func(tcp.Instant) (*ourstack.UDPSocket, error) {
		return n.stack.OpenForwardUDP(client)
	})
	if err != nil {
		return nil, opError("open", "udp", nil, udpAddr(client), err)
	}
	return newUDPConn(n, s, netip.AddrPortFrom(netip.IPv4Unspecified(), 0)), nil
}
