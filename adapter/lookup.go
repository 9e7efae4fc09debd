package adapter

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	// dnsTimeout is how long one server may take for one question, over one transport:
	// the default of resolv.conf and of Go's resolver.
	dnsTimeout = 5 * time.Second
	// dnsAttempts is how often the list of servers is gone through, likewise.
	dnsAttempts = 2
	// dnsPort is where servers listen.
	dnsPort = 53
)

// LookupHost looks host up; see LookupContextHost.
func (n *Net) LookupHost(host string) (addrs []string, err error) {
	return n.LookupContextHost(context.Background(), host)
}

// LookupContextHost returns the IPv4 addresses of host, which is always a full
// name: no search domain is appended and no hosts file is read. It asks the servers
// of Options.DNS through the tunnel, one after the other and twice around, five
// seconds each; by UDP, and by TCP when the answer did not fit. An IP address, also
// an IPv6 one, is returned as it is. AAAA records are not asked for: the path is
// IPv4.
//
// Errors are *net.DNSError: IsNotFound when a server said that the name does not
// exist or has no IPv4 address, IsTimeout when nobody answered in time. If ctx
// ends first the error also matches context.Canceled or context.DeadlineExceeded.
func (n *Net) LookupContextHost(ctx context.Context, host string) ([]string, error) {
	literal := host
	if i := strings.LastIndexByte(host, '%'); i > 0 && strings.IndexByte(host, ':') >= 0 {
		literal = host[:i]
	}
	if ip, err := netip.ParseAddr(literal); err == nil {
		return []string{ip.String()}, nil
	}
	if !isDomainName(host) {
		return nil, dnsError(host, "", errNoSuchHost)
	}
	addrs, err := n.lookupA(ctx, host)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(addrs))
	for i, a := range addrs {
		list[i] = a.String()
	}
	return list, nil
}

// lookupA asks one server after the other. A server that says what the name is, or
// that it is not, ends the search; any other trouble leads to the next server. The
// last error is returned.
func (n *Net) lookupA(ctx context.Context, host string) ([]netip.Addr, error) {
	name := host
	if !strings.HasSuffix(name, ".") {
		name += "."
	}
	last := dnsError(host, "", errNoServers)
	for range dnsAttempts {
		for _, ip := range n.dns {
			server := netip.AddrPortFrom(ip, dnsPort)
			addrs, err := n.askServer(ctx, server, name)
			if err == nil {
				return addrs, nil
			}
			last = dnsError(host, server.String(), err)
			if last.IsNotFound || ctx.Err() != nil {
				return nil, last
			}
		}
	}
	return nil, last
}

// askServer asks one server for the addresses of name.
func (n *Net) askServer(ctx context.Context, server netip.AddrPort, name string) ([]netip.Addr, error) {
	q, err := newDNSQuery(name)
	if err != nil {
		return nil, err
	}
	answer, err := n.exchange(ctx, server, q)
	if err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			err = systemError("", ctxErr)
		}
		return nil, err
	}
	return answer.addresses()
}

// dnsError describes the failure of a lookup as package net does.
func dnsError(host, server string, err error) *net.DNSError {
	e := &net.DNSError{
		UnwrapErr:  err,
		Err:        err.Error(),
		Name:       host,
		Server:     server,
		IsNotFound: errors.Is(err, errNoSuchHost),
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		e.IsTimeout = true
		e.Err = timeoutError{}.Error()
	}
	var op *net.OpError
	e.IsTemporary = e.IsTimeout || errors.Is(err, errServerFailure) || errors.As(err, &op)
	return e
}
