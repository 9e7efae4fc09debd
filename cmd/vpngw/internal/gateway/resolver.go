package gateway

import (
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
	})
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
