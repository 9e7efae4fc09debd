package gateway

import (
	"net/netip"

	"vpngw/adapter"
)

// judgeUDP decides about a datagram of p to dst. Our own address is guarded; but where dst is the
// external address of a mapping, inner is that mapping, which is reached without the host: "A NAT MUST
// support Hairpinning" RFC 4787 §6 REQ-9.
func (f *forwarder) judgeUDP(p *peer, dst netip.AddrPort) (d decision, inner *udpMapping) {
	d = f.policy.decide(p, protoUDP, dst)
	where := f.external(d, dst.Addr())
	if where == notExternal {
		return d, nil
	}
	inner = f.udpPorts.find(dst.Port())
	// A NAT before this host translates other ports as it likes.
	if inner == nil || where == beforeHost && inner.admits == nil || !f.mayHairpin(p, inner.peer) {
		return d, nil
	}
	return decision{verdictAllow, ruleHairpin}, inner
}

// hairpin passes a datagram of the client on to the client of another mapping, or to itself, as if it
// had been sent from this one's external address: "The Hairpinning behavior MUST be External source
// IP address and port" RFC 4787 §6 REQ-9 a. That is the address which the client knows us by, its
// destination's.
func (m *udpMapping) hairpin(to *udpMapping, d *adapter.Datagram) {
	one := [1]udpDatagram{{
		Payload: d.Payload, Addr: netip.AddrPortFrom(d.To.Addr(), m.up.port()), TOS: d.TOS,
	}}
	to.fromUpstream(one[:])
}
