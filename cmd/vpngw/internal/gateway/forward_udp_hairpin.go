package gateway

import (
	"net/netip"
	"sync"

	"vpngw/adapter"
)

// ownEndpoint is the guard's rule for the address that clients connect to.
const ownEndpoint = "the gateway's endpoint"

// udpPorts finds the mapping that has a port of this host. The zero value is empty.
type udpPorts struct {
	mu sync.RWMutex
	m  map[uint16]*udpMapping
}

func (t *udpPorts) add(m *udpMapping) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m == nil {
		t.m = map[uint16]*udpMapping{}
	}
	t.m[m.up.port()] = m
}

func (t *udpPorts) remove(m *udpMapping) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if port := m.up.port(); t.m[port] == m {
		delete(t.m, port)
	}
}

func (t *udpPorts) find(port uint16) *udpMapping {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[port]
}

// judgeUDP decides about a datagram of p to dst. Our own address is guarded; but where dst is the
// external address of a mapping, inner is that mapping, which is reached without the host: "A NAT MUST
// support Hairpinning" RFC 4787 §6 REQ-9.
func (f *forwarder) judgeUDP(p *peer, dst netip.AddrPort) (d decision, inner *udpMapping) {
	d = f.policy.decide(p, protoUDP, dst)
	if d.verdict != verdictProhibited || d.rule != ownAddress && d.rule != ownEndpoint {
		return d, nil
	}
	inner = f.udpPorts.find(dst.Port())
	if inner == nil || inner.peer != p && !f.policy.peerToPeer.Load() {
		return d, nil
	}
	return decision{verdictAllow, "hairpin"}, inner
}

// hairpin passes a datagram of the client on to the client of another mapping, or to itself, as if it
// had been sent from this one's external address: "The Hairpinning behavior MUST be External source
// IP address and port" RFC 4787 §6 REQ-9 a. That is the address which the client knows us by, its
// destination's.
func (m *udpMapping) hairpin(to *udpMapping, d *adapter.Datagram) {
	one := [1]udpDatagram{{Payload: d.Payload, Addr: netip.AddrPortFrom(d.To.Addr(), m.up.port())}}
	to.fromUpstream(one[:])
}
