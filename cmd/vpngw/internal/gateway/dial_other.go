//go:build !linux

package gateway

import (
	"context"
	"net"
	"net/netip"
)

// A poller is what other systems do without: two goroutines of each flow wait.
type poller struct{}

// Close does nothing.
func (*poller) Close() {}

// beginTCP begins to connect to a destination. Here SYNs live as long as any, so that a TCP traceroute sees
// the destination behind the gateway at once, and connect's error number tells what came back.
func beginTCP(_ *poller, dst netip.AddrPort, _ int) attempt {
	return attempt{wait: func(ctx context.Context) (upstream, error) {
		dialer := net.Dialer{KeepAliveConfig: upstreamKeepAlive}
		// Not DialTCP: that binds the socket first, to a port that then serves no other destination.
		c, err := dialer.DialContext(ctx, "tcp4", dst.String())
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}}
}

// localAddrPort is this host's end of what beginTCP has connected.
func localAddrPort(up upstream) netip.AddrPort { return endpoint(up.(*net.TCPConn).LocalAddr()) }
