package portmap

import (
	"net/netip"
	"time"
)

// externalAddress is this host's address as others see it; not valid if nobody knows. When it changes
// the epoch starts anew: RFC 6887 §8.5.
func (s *Server) externalAddress(now time.Time) netip.Addr {
	if !s.externalAt.IsZero() && now.Sub(s.externalAt) < externalCheck {
		return s.external
	}
	addr := s.settings.ExternalAddress
	if !addr.IsValid() {
		addr = s.options.External()
	}
	if !addr.Is4() {
		addr = netip.Addr{}
	}
	if addr.IsValid() && addr != s.lastExternal {
		if s.lastExternal.IsValid() {
			s.log.Info("the external address has changed", "from", s.lastExternal, "to", addr)
			s.epoch = now
		}
		s.lastExternal = addr
	}
	s.external, s.externalAt = addr, now
	return addr
}

// epochTime is the time since the table was last known to lack nothing, in seconds: Epoch Time (RFC
// 6887 §8.5), Seconds Since Start of Epoch (RFC 6886 §3.6).
func (s *Server) epochTime(now time.Time) uint32 { return uint32(now.Sub(s.epoch) / time.Second) }
