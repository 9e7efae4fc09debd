package ourstack

import (
	"net/netip"
	"testing"
)

// manyClients is how a socket and the echo server answer the first n of many clients.
type manyClients struct {
	h       *host
	u       *UDPSocket
	queries [][]byte
	pings   [][]byte
	b       [2048]byte
}

func newManyClients(t testing.TB, n int) *manyClients {
	m := &manyClients{h: newHost(t, gatewayAddr)}
	var err error
	if m.u, err = m.h.s.ListenUDP(ap(gatewayAddr + ":53")); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		from := netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
		m.queries = append(m.queries, udpDatagram(netip.AddrPortFrom(from, 5000).String(), gatewayAddr+":53", []byte("query")))
		m.pings = append(m.pings, echo(from.String(), gatewayAddr, 1, 1, []byte("ping")))
	}
	return m
}

// serve answers a query and a ping of client i.
func (m *manyClients) serve(t testing.TB, i int) {
	m.h.s.Input(m.h.now(), m.queries[i:i+1], 0)
	m.h.s.Input(m.h.now(), m.pings[i:i+1], 0)
	n, from, _, err := m.u.ReadFrom(m.b[:])
	if err == nil {
		err = m.u.WriteTo(m.h.now(), m.b[:n], netip.AddrPort{}, from)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := m.h.s.Output(m.h.now(), m.h.bufs, m.h.sizes, 0); n != 2 {
		t.Fatalf("%d answers", n)
	}
}

// TestIdleDestinationsAreBounded: what is kept for the next datagram to the same address is limited for each
// owner and for all of them; the longest idle goes first, and all of it goes with the socket.
func TestIdleDestinationsAreBounded(t *testing.T) {
	const extra = 10
	m := newManyClients(t, udpFlowsKept+extra)
	for i := range m.queries {
		m.serve(t, i)
	}
	q, s := &m.u.out, m.h.s
	if q.idle.n != udpFlowsKept || len(q.flows) != udpFlowsKept || s.echoes.idle.n != echoFlowsKept {
		t.Errorf("%d of %d flows of the socket idle, %d echoes", q.idle.n, len(q.flows), s.echoes.idle.n)
	}
	if n := int(s.idleFlows.Load()); n != udpFlowsKept+echoFlowsKept {
		t.Errorf("%d are idle in all", n)
	}
	if n := len(s.remotes.m); n != udpFlowsKept {
		t.Errorf("%d remote addresses are known", n)
	}
	if q.idle.oldest.key.dst != addr("10.9.0.10") {
		t.Errorf("the oldest is %v", q.idle.oldest.key.dst)
	}
	s.idleFlows.Store(idleFlowsMax + 2) // others keep more than there may be
	m.serve(t, 0)
	if q.idle.n >= udpFlowsKept {
		t.Errorf("%d idle, and %d in all", q.idle.n, s.idleFlows.Load())
	}
	s.idleFlows.Store(int64(q.idle.n + s.echoes.idle.n))
	m.u.Close()
	s.echoes.close()
	if n, idle := len(s.remotes.m), s.idleFlows.Load(); n != 0 || idle != 0 {
		t.Errorf("in the end %d remote addresses are known, %d flows idle", n, idle)
	}
}

// TestNewMTUsReachWhoIsIdle: a remote address that is kept for its next datagram does not keep its MTU.
func TestNewMTUsReachWhoIsIdle(t *testing.T) {
	m := newManyClients(t, 1)
	m.serve(t, 0)
	setMTUs(t, m.h, map[string]int{"10.9.0.0/16": 1280})
	r := m.h.s.acquireRemote(addr("10.9.0.0"))
	defer r.release()
	if r.cfg.MTU != 1280 {
		t.Errorf("connections would begin with an MTU of %d", r.cfg.MTU)
	}
}
