package gateway

import (
	"net/netip"

	"vpngw/adapter"
	"vpngw/config"
)

// contacts are the hosts, and the ports of them, that a client has sent to, boundedly many. A host is
// entered as its port 0 too, which no datagram is sent to; see also quicOf. The zero value is empty.
type contacts struct {
	few  []netip.AddrPort            // at most udpContactsFew
	many map[netip.AddrPort]struct{} // instead of few
}

func (c *contacts) has(a netip.AddrPort) bool {
	if c.many != nil {
		_, ok := c.many[a]
		return ok
	}
	for _, known := range c.few {
		if known == a {
			return true
		}
	}
	return false
}

// add enters a; if there are too many, any one is forgotten.
func (c *contacts) add(a netip.AddrPort) {
	switch {
	case c.has(a):
		return
	case c.many == nil && len(c.few) < udpContactsFew:
		c.few = append(c.few, a)
		return
	case c.many == nil:
		c.many = make(map[netip.AddrPort]struct{}, 2*udpContactsFew)
		for _, known := range c.few {
			c.many[known] = struct{}{}
		}
		c.few = nil
	case len(c.many) >= udpContactsMax:
		for any := range c.many { // map order: as good as random
			delete(c.many, any)
			break
		}
	}
	c.many[a] = struct{}{}
}

func hostOf(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }

// contact remembers that the client has sent to dst.
func (m *udpMapping) contact(dst netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contacts.add(hostOf(dst))
	m.contacts.add(dst)
}

// filter moves the datagrams that the client is to get to out and says how many those are (RFC 4787 §5).
// All others are counted as strangers'.
func (m *udpMapping) filter(ds []udpDatagram, out []adapter.Datagram) (count int) {
	mode := m.f.settings.Load().UDPFiltering
	m.mu.Lock()
	var of netip.AddrPort
	passes, quic := false, false
	for i := range ds {
		if ds[i].Addr != of {
			of = ds[i].Addr
			passes = m.passesLocked(mode, of)
			quic = passes && m.contacts.has(quicOf(of))
		}
		if passes {
			out[count] = adapter.Datagram{Payload: ds[i].Payload, From: of, TOS: ds[i].TOS, DF: quic}
			count++
		}
	}
	m.mu.Unlock()
	if strangers := len(ds) - count; strangers > 0 {
		m.f.counters.udpStranger.Add(uint64(strangers))
	}
	return count
}

func (m *udpMapping) passesLocked(mode string, src netip.AddrPort) bool {
	switch {
	case m.admits != nil:
		return m.admits(src)
	case mode == config.FilterEndpointIndependent:
		return true
	case mode == config.FilterAddressAndPort:
		return m.contacts.has(src)
	}
	return m.contacts.has(hostOf(src))
}
