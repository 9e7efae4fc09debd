package adapter

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// past is a deadline that has always expired already.
var past = time.Unix(1, 0)

// exchange puts q to server: by UDP, and again by TCP if the answer was truncated
// (RFC 7766 §5).
func (n *Net) exchange(ctx context.Context, server netip.AddrPort, q *dnsQuery) (dnsAnswer, error) {
	a, err := n.exchangeUDP(ctx, server, q)
	if err != nil || !a.header.Truncated {
		return a, err
	}
	return n.exchangeTCP(ctx, server, q)
}

// exchangeUDP waits for a datagram that answers q. Others are ignored, so that a
// forger must guess ID and port within the time that the server takes.
func (n *Net) exchangeUDP(ctx context.Context, server netip.AddrPort, q *dnsQuery) (dnsAnswer, error) {
	c, err := n.DialUDPAddrPort(netip.AddrPort{}, server)
	if err != nil {
		return dnsAnswer{}, err
	}
	defer c.Close()
	defer limit(ctx, c)()
	if _, err := c.Write(q.forUDP()); err != nil {
		return dnsAnswer{}, err
	}
	buf := make([]byte, dnsUDPSize)
	for {
		size, err := c.Read(buf)
		if err != nil {
			return dnsAnswer{}, err
		}
		if a, ok := q.match(buf[:size]); ok {
			return a, nil
		}
	}
}

// exchangeTCP asks over a connection of its own.
func (n *Net) exchangeTCP(ctx context.Context, server netip.AddrPort, q *dnsQuery) (dnsAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	c, err := n.DialContextTCPAddrPort(ctx, server)
	if err != nil {
		return dnsAnswer{}, err
	}
	defer c.Close()
	defer limit(ctx, c)()
	if _, err := c.Write(q.forTCP()); err != nil {
		return dnsAnswer{}, err
	}
	var size [2]byte // RFC 1035 §4.2.2
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return dnsAnswer{}, err
	}
	msg := make([]byte, int(size[0])<<8|int(size[1]))
	if _, err := io.ReadFull(c, msg); err != nil {
		return dnsAnswer{}, err
	}
	a, ok := q.match(msg)
	if !ok {
		return dnsAnswer{}, errInvalidResponse
	}
	return a, nil
}

// limit ends what c is doing after dnsTimeout, or when ctx ends. The function that
// it returns takes the watch on ctx away.
func limit(ctx context.Context, c net.Conn) (release func()) {
	_ = c.SetDeadline(time.Now().Add(dnsTimeout))
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	return func() { stop() }
}
