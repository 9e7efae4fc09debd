package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// errOwnAddress is returned for a connection that turned out to lead back to this host.
var errOwnAddress = errors.New("the destination is this host")

// An upstream is the side of a flow to its destination: a tcpConn, or on Linux a *hosttcp.Socket.
type upstream interface {
	CloseWrite() error
	SetLinger(seconds int) error
	Close() error
}

// A dialFunc begins to connect to a destination, with SYNs that live for ttl hops, 1 to 255. It does not
// block.
type dialFunc func(dst netip.AddrPort, ttl int) attempt

// An attempt is a dial that was begun.
type attempt struct {
	// wait returns when the dial has ended, or ctx. It is nil if the dial has ended already: destinations
	// nearby answer at once.
	wait func(ctx context.Context) (upstream, error)

	up  upstream
	err error // a fault if an ICMP error has ended the dial
}

// upstreamKeepAlive is for connections with hosts outside.
var upstreamKeepAlive = net.KeepAliveConfig{
	Enable:   true,
	Idle:     upstreamKeepAliveIdle,
	Interval: upstreamKeepAliveInterval,
	Count:    upstreamKeepAliveCount,
}

// dialTCP is the dialFunc of a running gateway.
func (f *forwarder) dialTCP(dst netip.AddrPort, ttl int) attempt {
	a := beginTCP(&f.poller, dst, ttl)
	if wait := a.wait; wait != nil {
		a.wait = func(ctx context.Context) (upstream, error) {
			up, err := wait(ctx)
			return notOurselves(dst, up, err)
		}
		return a
	}
	a.up, a.err = notOurselves(dst, a.up, a.err)
	return a
}

// notOurselves refuses a connection to dst that leads back to this host. The guard knows this host's
// addresses as of its last look. The system routes to an address of its own with that very address as the
// source: that tells also of one that came since.
func notOurselves(dst netip.AddrPort, up upstream, err error) (upstream, error) {
	if err == nil && localAddrPort(up).Addr() == dst.Addr() {
		reset(up)
		return nil, errOwnAddress
	}
	return up, err
}
