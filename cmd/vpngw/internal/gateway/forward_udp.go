package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"vpngw/adapter"
)

// A udpRequest is the first datagram of a client's socket. It waits until one of accept and reject.
type udpRequest interface {
	client() netip.AddrPort
	destination() netip.AddrPort // of this first datagram
	accept() (udpClient, error)
	reject(answer)
}

// A udpClient is a client's socket, seen from the network: whatever it sends, to wherever, is read
// here. Nothing blocks.
type udpClient interface {
	// readable says who is told that there may be something to read; see adapter.UDPConn.
	readable(f func())
	// read takes datagrams, the first one included, and returns how many; they are the caller's until
	// release.
	read(ds []adapter.Datagram) int
	release(ds []adapter.Datagram)
	// write passes datagrams to the client, each from its From, and returns how many were not dropped.
	write(ds []adapter.Datagram) int
	// unreachable and fail tell the client that its last datagram to dst was not delivered.
	unreachable(dst netip.AddrPort, told answer)
	fail(dst netip.AddrPort, why adapter.Fault)
	close()
}

// A udpMapping is a client's socket and ours that stands for it (RFC 4787). It has no goroutine: what
// the client sends is carried by whoever brings it, what comes back by the socket's poller.
type udpMapping struct {
	f    *forwarder
	peer *peer
	src  netip.AddrPort

	down udpClient
	up   upstreamUDP

	idle idleTimer
	rank idleRank      // among the peer's mappings
	rule atomic.Uint32 // the destination port whose timeout is in force; see idleMax

	// admits says who may send to the client, of a mapping that the client asked for (portmap.go):
	// that one lives until its owner ends it. nil: see filter.
	admits func(src netip.AddrPort) bool
	ended  func() // called at the end of such a mapping

	// carrying is not 0 while somebody is at fromClient; who comes meanwhile adds one.
	carrying atomic.Int32
	pending  *udpBatch // whose rest waits for the system's buffer; of who carries
	last     netip.AddrPort

	releaseOnce sync.Once
	abortOnce   sync.Once

	mu       sync.Mutex // guards contacts
	contacts contacts
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
	if d, _ := f.judgeUDP(p, req.destination()); d.verdict != verdictAllow {
		f.counters.udpDenied.Add(1)
		f.log.Debug("udp denied", "peer", p.name(), "dst", req.destination(), "rule", d.rule)
		req.reject(d.verdict.answer())
		return
	}
	m := &udpMapping{f: f, peer: p, src: req.client()}
	m.idle.init(f.epoch)
	m.ruleBy(req.destination().Port())
	if !m.takeBudget() {
		f.counters.udpOverBudget.Add(1)
		req.reject(answerNothing)
		return
	}
	up, err := f.listenUDP(netip.AddrPort{})
	if err != nil {
		m.release()
		f.counters.udpOverBudget.Add(1)
		if f.noSocket.Due() {
			f.log.Warn("cannot open a UDP socket", "peer", p.name(), "err", err)
		}
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

// start makes the mapping carry datagrams until abort.
func (m *udpMapping) start() {
	if !m.peer.enter(m) { // removed in this moment
		m.release()
		m.up.close()
		m.down.close()
		return
	}
	m.f.counters.udpMapped.Add(1)
	m.f.udpPorts.add(m.up.port(), m)
	if m.admits == nil {
		m.peer.rank(m)
		m.idle.start(m.idleMax, func() { m.abort(nil) })
	}
	m.up.receive(m)
	m.down.readable(m.fromClient)
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
	return b.take(&b.udp, m.peer, netip.AddrPort{})
}

// release returns the mapping's budget, once.
func (m *udpMapping) release() {
	m.releaseOnce.Do(func() { m.f.budgets.release(&m.f.budgets.udp, m.peer, netip.AddrPort{}) })
}

func (m *udpMapping) client() netip.AddrPort { return m.src }

// abort closes both sockets. A UDP client learns nothing of it.
func (m *udpMapping) abort(error) {
	m.idle.stop()
	m.abortOnce.Do(func() {
		m.f.udpPorts.remove(m.up.port(), m)
		m.up.close()
		m.down.close() // which ends what is pending, too
		m.release()
		m.peer.unrank(m)
		m.peer.leave(m)
	})
	if m.ended != nil {
		m.ended()
	}
}
