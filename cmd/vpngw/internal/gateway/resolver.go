package gateway

import (
	"context"
	"net"
	"net/netip"

	"vpngw/cmd/vpngw/internal/dns"
	"vpngw/config"
)

// newResolver makes the resolver of the gateway's address in the tunnel; it does not listen yet.
func newResolver(cfg *config.Config, opts Options, f *forwarder) *dns.Server {
	return dns.New(cfg, dns.Options{
		Logger: opts.Logger,
		PeerName: func(a netip.Addr) string {
			if p, _ := f.peers.Load().lookup(a); p != nil {
				return p.name()
			}
			return ""
		},
		Dial: f.dialResolver,
	})
}

// dialResolver connects to an upstream of the resolver: one in a network behind a peer through the
// tunnel, from the gateway's address there, any other as everything that this host asks.
func (f *forwarder) dialResolver(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	if p, bits := f.peers.Load().lookup(addr.Addr()); p != nil && bits > 0 {
		return f.inward.dial(ctx, network, addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr.String())
}

// dial connects to a host in the tunnel.
func (s *stack) dial(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	return s.net.DialContext(ctx, network, addr.String())
}

// listenDNS lets the resolver answer.
func (s *stack) listenDNS(resolver *dns.Server) error {
	addr := netip.AddrPortFrom(s.started.Interface.Address.Addr(), portDNS)
	udp, err := s.net.ListenUDPAddrPort(addr)
	if err != nil {
		return err
	}
	tcp, err := s.net.ListenTCPAddrPort(addr)
	if err != nil {
		_ = udp.Close()
		return err
	}
	resolver.Serve(udp, tcp)
	return nil
}

// startDNS lets the resolver answer if cfg, but not the configuration in force, wants that.
func (g *Gateway) startDNS(cfg *config.Config) error {
	if !cfg.DNS.Enabled || g.cfg.DNS.Enabled {
		return nil
	}
	return g.stack.listenDNS(g.dns)
}

// settleDNS silences the resolver if cfg, which is in force, does not want it.
func (g *Gateway) settleDNS(cfg *config.Config) {
	if !cfg.DNS.Enabled {
		g.dns.Silence()
	}
}
