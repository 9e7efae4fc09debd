package adapter

import (
	"context"
	"net"
	"net/netip"
	"time"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// Dial connects to address through the tunnel; see DialContext.
func (n *Net) Dial(network, address string) (net.Conn, error) {
	return n.DialContext(context.Background(), network, address)
}

// DialContext connects to address through the tunnel. Networks are "tcp", "udp" and
// "ping", each also with "4" appended; the same with "6" find no address, because
// the path is IPv4. The host is an IP address or a name, which is looked up as
// LookupContextHost does; the port, which "ping" has not, is a number or a service
// name. With several addresses each gets a fair share of the time that ctx leaves;
// the first that connects wins, and if none does the first error is returned. The
// result is a *TCPConn, *UDPConn or *PingConn.
//
// ctx limits the dialing only. When it ends meanwhile, the error matches
// context.Canceled or context.DeadlineExceeded, and the half-open connection is
// aborted. DialContext panics if ctx is nil.
func (n *Net) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if ctx == nil {
		panic("nil context")
	}
	proto, family, ok := splitNetwork(network)
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	addrs, err := n.resolve(ctx, proto, family, address)
	if err != nil {
		return nil, opError("dial", network, nil, nil, err)
	}
	var first error
	for i, addr := range addrs {
		c, err := n.dialOne(ctx, proto, addr, len(addrs)-i)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

// splitNetwork takes a network's name apart: "udp4" is "udp" and '4'. family is 0
// when any will do.
func splitNetwork(network string) (proto string, family byte, ok bool) {
	proto = network
	if last := len(network) - 1; last > 0 && (network[last] == '4' || network[last] == '6') {
		proto, family = network[:last], network[last]
	}
	return proto, family, proto == "tcp" || proto == "udp" || proto == "ping"
}

// resolve returns the addresses of a dial target: at least one, or an error.
func (n *Net) resolve(ctx context.Context, proto string, family byte, address string) ([]netip.AddrPort, error) {
	host, port := address, 0
	if proto != "ping" {
		h, service, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		if port, err = net.DefaultResolver.LookupPort(ctx, proto, service); err != nil {
			return nil, err
		}
		host = h
	}
	if host == "" {
		return nil, errMissingAddress
	}
	found, err := n.LookupContextHost(ctx, host)
	if err != nil {
		return nil, err
	}
	var addrs []netip.AddrPort
	for _, s := range found {
		ip, err := netip.ParseAddr(s)
		if err == nil && (family == 0 || ip.Unmap().Is4() == (family == '4')) {
			addrs = append(addrs, netip.AddrPortFrom(ip, uint16(port)))
		}
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: errNoSuitableAddress.Error(), Addr: host}
	}
	return addrs, nil
}

// dialOne dials one of left addresses within its share of the time.
func (n *Net) dialOne(ctx context.Context, proto string, addr netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, dialShare(time.Until(deadline), left))
		defer cancel()
	}
	var c net.Conn
	var err error
	switch proto {
	case "tcp":
		c, err = n.DialContextTCPAddrPort(ctx, addr)
	case "udp":
		c, err = n.DialUDPAddrPort(netip.AddrPort{}, addr)
	default:
		c, err = n.DialPingAddr(netip.Addr{}, addr.Addr())
	}
	if err != nil {
		return nil, err // not a typed nil in c
	}
	return c, nil
}

// dialShare is how long the next of left addresses may take of remaining: an equal
// share, but at least two seconds, which one lost SYN costs, as in package net.
func dialShare(remaining time.Duration, left int) time.Duration {
	const least = 2 * time.Second
	return min(max(remaining/time.Duration(left), least), remaining)
}

// DialTCP connects to addr and waits as long as the stack tries (Options.DialTimeout).
func (n *Net) DialTCP(addr *net.TCPAddr) (*TCPConn, error) {
	return n.DialContextTCPAddrPort(context.Background(), tcpAddrPort(addr))
}

// DialTCPAddrPort connects to addr and waits as long as the stack tries.
func (n *Net) DialTCPAddrPort(addr netip.AddrPort) (*TCPConn, error) {
	return n.DialContextTCPAddrPort(context.Background(), addr)
}

// DialContextTCP connects to addr; ctx limits the dialing.
func (n *Net) DialContextTCP(ctx context.Context, addr *net.TCPAddr) (*TCPConn, error) {
	return n.DialContextTCPAddrPort(ctx, tcpAddrPort(addr))
}

// DialContextTCPAddrPort connects to addr. An ICMP message that addr is unreachable ends the attempt
// at once (ENETUNREACH, EHOSTUNREACH), as on most systems (RFC 5461 §4.1), so that the next address
// has its turn. When ctx ends first, the connection is
// aborted at whatever step it is, and the peer, if it had answered already, gets a RST.
func (n *Net) DialContextTCPAddrPort(ctx context.Context, addr netip.AddrPort) (*TCPConn, error) {
	addr = remoteAddr(addr)
	fail := func(err error) (*TCPConn, error) {
		return nil, opError("dial", "tcp", nil, tcpAddr(addr), err)
	}
	if !addr.IsValid() {
		return fail(errMissingAddress)
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	sc, err := create(n, func(now tcp.Instant) (*ourstack.Conn, error) {
		return n.stack.Dial(now, netip.AddrPort{}, addr)
	})
	if err != nil {
		return fail(err)
	}
	return n.finishDial(ctx, sc, addr)
}

// waitConnected blocks until the handshake has succeeded or failed, or ctx ends.
func (c *TCPConn) waitConnected(ctx context.Context) error {
	stop := context.AfterFunc(ctx, c.wr.wake)
	defer stop()
	if err := c.wr.acquire(); err != nil {
		return err
	}
	defer c.wr.release()
	for {
		armed := c.wr.arm()
		switch c.conn.State() {
		case tcp.StateSynSent, tcp.StateSynReceived:
			if err := c.conn.SoftError(); err != nil {
				return err
			}
		case tcp.StateClosed:
			if err := c.conn.Err(); err != nil {
				return err
			}
			return net.ErrClosed
		default:
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.wr.wait(armed); err != nil {
			return err
		}
	}
}
