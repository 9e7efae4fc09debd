package gateway

import (
	"context"
	"net/netip"

	"vpngw/cmd/vpngw/internal/hosttcp"
)

// poller is of upstream TCP sockets.
type poller = hosttcp.Poller

// beginTCP begins to connect to a destination. The error is a fault if an ICMP error has ended it (Linux 5.9
// and later; before, only connect's error number is known).
func beginTCP(p *poller, dst netip.AddrPort, ttl int) attempt {
	s, pending, err := p.Dial(dst, hosttcp.Dial{TTL: ttl, Explain: icmpError})
	switch {
	case err != nil:
		return attempt{err: err}
	case pending == nil:
		return attempt{up: s}
	}
	return attempt{wait: func(ctx context.Context) (upstream, error) {
		s, err := pending.Wait(ctx)
		if err != nil {
			return nil, err
		}
		return s, nil
	}}
}

// icmpError returns the ICMP error that ended the dial of a socket, or err if there was none.
func icmpError(fd int, err error) error {
	var quoted [64]byte
	drainErrors(fd, quoted[:], func(_ netip.AddrPort, _ []byte, why fault) {
		if why.From.IsValid() {
			err = why
		}
	})
	return err
}

// localAddrPort is this host's end of what beginTCP has connected.
func localAddrPort(up upstream) netip.AddrPort { return up.(*hosttcp.Socket).LocalAddrPort() }
