package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// errOwnAddress is returned for a connection that turned out to lead back to this host.
var errOwnAddress = errors.New("the destination is this host")

// A dialFunc connects to a destination, with SYNs that live for ttl hops, 1 to 255. It returns when ctx
// ends. If an ICMP error ended it, its error is a fault.
type dialFunc func(ctx context.Context, dst netip.AddrPort, ttl int) (tcpConn, error)

// upstreamKeepAlive is for connections with hosts outside.
var upstreamKeepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     upstreamKeepAliveIdle,
	Interval: upstreamKeepAliveInterval,
	Count:    upstreamKeepAliveCount,
}

// dialTCP is the dialFunc of a running gateway.
func dialTCP(ctx context.Context, dst netip.AddrPort, ttl int) (tcpConn, error) {
	syn := newSynWatch(dst, ttl)
	dialer := net.Dialer{KeepAliveConfig: upstreamKeepAlive, Control: syn.control}
	// Not DialTCP: that binds the socket first, to a port that then serves no other destination.
	c, err := dialer.DialContext(ctx, "tcp4", dst.String())
	if err != nil {
		return nil, syn.failed(err)
	}
	conn := c.(*net.TCPConn)
	if err := syn.connected(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	// The guard knows this host's addresses as of its last look. The system routes to an address of
	// its own with that very address as the source: that tells also of one that came since.
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if ok && local.AddrPort().Addr().Unmap() == dst.Addr() {
		_ = conn.SetLinger(0)
		_ = conn.Close()
		return nil, errOwnAddress
	}
	return conn, nil
}
