package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A udpRequest is the first datagram of a client's socket. It waits until one of accept and reject.
type udpRequest interface {
	client() netip.AddrPort
	destination() netip.AddrPort // of this first datagram
	accept() (udpClient, error)
	reject(answer)
}

// A udpClient is a client's socket, seen from the network: whatever it sends, to wherever, is read
// here.
type udpClient interface {
	// receive blocks until close and calls datagram for each datagram of the client, the first one
	// included; p is valid during the call. While it waits it holds no buffer.
	receive(datagram func(p []byte, dst netip.AddrPort))
	// send passes a datagram to the client as from src. It does not block: an error says that it
	// was dropped.
	send(p []byte, src netip.AddrPort) error
	// unreachable tells the client that its last datagram to dst was not delivered.
	unreachable(dst netip.AddrPort, told answer)
	close()
}

// A udpMapping is a client's socket and ours that stands for it (RFC 4787). Filtering is
// address-dependent (§5): only hosts that the client has sent to may answer, from any port.
type udpMapping struct {
	f    *forwarder
	peer *peer
	src  netip.AddrPort

	down udpClient
	up   upstreamUDP

	idle   idleTimer
	notDNS atomic.Bool // it has sent to a port other than 53

	// admits says who may send to the client, of a mapping that the client asked for (portmap.go):
	// that one lives until its owner ends it. nil: hosts that the client has sent to.
	admits func(src netip.AddrPort) bool

	releaseOnce sync.Once
	abortOnce   sync.Once

	mu       sync.Mutex // guards contacts
	contacts map[netip.Addr]struct{}
}

const portDNS = 53

// handleUDP opens a mapping for a client's socket. It does not block.
func (f *forwarder) handleUDP(req udpRequest) {
	p := f.sender(req.client())
	if p == nil {
		req.reject(answerNothing)
		return
	}
	// A socket whose first datagram goes nowhere needs no mapping.
	if d := f.policy.decide(p, protoUDP, req.destination()); d.verdict != verdictAllow {
		f.counters.udpDenied.Add(1)
		f.log.Debug("udp denied", "peer", p.name(), "dst", req.destination(), "rule", d.rule)
		req.reject(d.verdict.answer())
		return
	}
	m := &udpMapping{f: f, peer: p, src: req.client(), contacts: map[netip.Addr]struct{}{}}
	m.idle.init(f.epoch)
	if !m.takeBudget() {
		f.counters.udpOverBudget.Add(1)
		req.reject(answerNothing)
		return
	}
	up, err := f.listenUDP(netip.AddrPort{})
	if err != nil {
		m.release()
		f.counters.udpOverBudget.Add(1)
		f.log.Warn("cannot open a UDP socket", "peer", p.name(), "err", err)
		req.reject(answerNothing)
		return
	}
	m.up = up
	if m.down, err = req.accept(); err != nil {
		m.release()
		up.close()
		return
	}
	m.start()
}

// start runs the mapping's two goroutines until abort.
func (m *udpMapping) start() {
	if !m.peer.enter(m) { // removed in this moment
		m.release()
		m.up.close()
		m.down.close()
		return
	}
	m.f.counters.udpMapped.Add(1)
	if m.admits == nil {
		m.idle.start(m.idleMax, func() { m.abort(nil) })
	}
	go func() {
		defer m.peer.leave(m)
		var other sync.WaitGroup
		other.Go(func() { _ = m.up.receive(m.fromUpstream, m.failedUpstream) })
		m.down.receive(m.fromClient)
		m.abort(nil) // the stack has closed the client's side, if nobody else has
		other.Wait()
		m.release()
	}()
}

// takeBudget takes one mapping; if the peer has none left, its longest idle one makes room.
func (m *udpMapping) takeBudget() bool {
	b := m.f.budgets
	if b.take(&b.udp, m.peer, netip.AddrPort{}) {
		return true
	}
	oldest := m.peer.longestIdleMapping()
	if oldest == nil {
		return false
	}
	m.f.counters.udpEvicted.Add(1)
	oldest.abort(errEvicted)
	oldest.release()
	return b.take(&b.udp, m.peer, netip.AddrPort{})
}

// release returns the mapping's budget, once.
func (m *udpMapping) release() {
	m.releaseOnce.Do(func() { m.f.budgets.release(&m.f.budgets.udp, m.peer, netip.AddrPort{}) })
}

// fromClient carries a datagram of the client.
func (m *udpMapping) fromClient(p []byte, dst netip.AddrPort) {
	if d := m.f.policy.decide(m.peer, protoUDP, dst); d.verdict != verdictAllow {
		m.f.counters.udpDenied.Add(1)
		m.down.unreachable(dst, d.verdict.answer())
		return
	}
	m.idle.touch() // "NAT Outbound refresh behavior" RFC 4787 §4.3 REQ-6
	if dst.Port() != portDNS && !m.notDNS.Load() {
		m.notDNS.Store(true)
	}
	m.contact(dst.Addr())
	if err := m.up.send(p, dst); err != nil {
		m.f.counters.udpSendError.Add(1)
		if _, told := classifyErrno(err); told != answerNothing && told != answerRefused {
			m.down.unreachable(dst, told)
		}
	}
}

// fromUpstream carries an answer to the client, if it comes from a host that the client has sent
// to.
func (m *udpMapping) fromUpstream(p []byte, src netip.AddrPort) {
	if m.admits != nil && !m.admits(src) || m.admits == nil && !m.contacted(src.Addr()) {
		m.f.counters.udpStranger.Add(1)
		return
	}
	m.idle.touch()
	if err := m.down.send(p, src); err != nil {
		m.f.counters.udpDropped.Add(1)
	}
}

// failedUpstream tells the client what became of its datagram. It ends nothing: RFC 4787 §8 REQ-12.
func (m *udpMapping) failedUpstream(dst netip.AddrPort, told answer) {
	m.f.counters.udpUnreachable.Add(1)
	m.down.unreachable(dst, told)
}

func (m *udpMapping) contact(host netip.Addr) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.contacts[host]; known {
		return
	}
	if len(m.contacts) >= udpContactsMax {
		for any := range m.contacts { // map order: as good as random
			delete(m.contacts, any)
			break
		}
	}
	m.contacts[host] = struct{}{}
}

func (m *udpMapping) contacted(host netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.contacts[host]
	return ok
}

// idleMax is how long the mapping may be idle.
func (m *udpMapping) idleMax() time.Duration {
	s := m.f.settings.Load()
	if m.notDNS.Load() {
		return s.UDPIdleTimeout
	}
	return s.UDPDNSTimeout
}

func (m *udpMapping) client() netip.AddrPort { return m.src }

// abort closes both sockets. A UDP client learns nothing of it.
func (m *udpMapping) abort(error) {
	m.idle.stop()
	m.abortOnce.Do(func() {
		m.up.close()
		m.down.close()
	})
}

// longestIdleMapping returns the UDP mapping of the peer that was used least recently, nil if it
// has none.
func (p *peer) longestIdleMapping() *udpMapping {
	p.mu.Lock()
	defer p.mu.Unlock()
	var oldest *udpMapping
	for f := range p.flows {
		m, ok := f.(*udpMapping)
		if ok && m.admits == nil && (oldest == nil || m.idle.used.Load() < oldest.idle.used.Load()) {
			oldest = m
		}
	}
	return oldest
}
