package gateway

import (
	"net/netip"
	"sync"
	"time"
)

// A pingRequest is an echo request to a host behind the gateway.
type pingRequest interface {
	client() netip.Addr
	destination() netip.Addr
	id() uint16
	seq() uint16
	ttl() int        // as it came in
	payload() []byte // valid until handlePing returns
	// reply passes the answer to the client; payload is copied.
	reply(payload []byte)
	reject(answer)
}

// A pingKey is a pinging process: what the client's system tells its echo requests apart by.
type pingKey struct {
	client netip.Addr
	id     uint16
}

// A pingFlow is a pinging process of a client and the socket of ours that stands for it (RFC 5508
// §3).
type pingFlow struct {
	f    *forwarder
	peer *peer
	key  pingKey
	sock pingSocket
	idle idleTimer
	once sync.Once // of abort

	mu      sync.Mutex // guards pending
	pending map[uint16]pendingPing
}

// A pendingPing is an echo request without an answer yet.
type pendingPing struct {
	req  pingRequest
	dst  netip.Addr
	sent time.Time
}

// pingFlows are the ping flows of all peers.
type pingFlows struct {
	open    func() (pingSocket, error)
	mu      sync.Mutex // guards byKey
	byKey   map[pingKey]*pingFlow
	allowed bool // set before the first request: this host lets us have ping sockets
}

// probePing finds out whether this host lets us have ping sockets. Where it does not, echo requests
// to other hosts are answered with "administratively prohibited"; those to the gateway's own
// address are the stack's and work anyhow.
func (f *forwarder) probePing() {
	sock, err := f.pings.open()
	if err != nil {
		f.log.Warn("ping through the gateway is off: this host allows no unprivileged ping sockets "+
			"(Linux: sysctl net.ipv4.ping_group_range must contain the process's group)", "err", err)
		return
	}
	sock.close()
	f.pings.allowed = true
}

// handlePing relays an echo request. It does not block for longer than a send takes.
func (f *forwarder) handlePing(req pingRequest) {
	p := f.sender(netip.AddrPortFrom(req.client(), req.id()))
	if p == nil {
		req.reject(answerNothing)
		return
	}
	if d := f.policy.decide(p, protoICMP, netip.AddrPortFrom(req.destination(), 0)); d.verdict != verdictAllow {
		f.counters.pingDenied.Add(1)
		req.reject(d.verdict.answer())
		return
	}
	if !f.pings.allowed {
		f.counters.pingUnavailable.Add(1)
		req.reject(answerProhibited)
		return
	}
	flow := f.pingFlow(p, pingKey{req.client(), req.id()})
	if flow == nil || !flow.expect(req) {
		f.counters.pingOverBudget.Add(1)
		req.reject(answerNothing)
		return
	}
	f.counters.pingRelayed.Add(1)
	flow.idle.touch()
	if err := flow.sock.send(req.destination(), req.seq(), req.ttl()-1, req.payload()); err != nil {
		_, told := classifyErrno(err)
		flow.failed(req.destination(), req.seq(), told)
	}
}

// pingFlow finds or opens the flow of key; nil if that is not possible.
func (f *forwarder) pingFlow(p *peer, key pingKey) *pingFlow {
	f.pings.mu.Lock()
	defer f.pings.mu.Unlock()
	if flow := f.pings.byKey[key]; flow != nil {
		return flow
	}
	if !f.budgets.take(&f.budgets.pings, p, netip.AddrPort{}) {
		return nil
	}
	flow := &pingFlow{f: f, peer: p, key: key, pending: map[uint16]pendingPing{}}
	var err error
	if flow.sock, err = f.pings.open(); err != nil {
		f.budgets.release(&f.budgets.pings, p, netip.AddrPort{})
		return nil
	}
	if !p.enter(flow) {
		flow.sock.close()
		f.budgets.release(&f.budgets.pings, p, netip.AddrPort{})
		return nil
	}
	f.pings.byKey[key] = flow
	flow.idle.init(f.epoch)
	flow.idle.start(func() time.Duration { return pingIdleMax }, func() { flow.abort(nil) })
	go flow.run()
	return flow
}

func (p *pingFlow) run() {
	defer p.peer.leave(p)
	defer p.f.budgets.release(&p.f.budgets.pings, p.peer, netip.AddrPort{})
	p.sock.receive(p.replied, p.failed)
	p.abort(nil)
}

// expect records that req waits for its answer. It reports false if too many do.
func (p *pingFlow) expect(req pingRequest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if len(p.pending) >= pingOutstandingMax {
		for seq, old := range p.pending {
			if now.Sub(old.sent) >= pingAnswerMax {
				delete(p.pending, seq)
			}
		}
	}
	if len(p.pending) >= pingOutstandingMax {
		return false
	}
	p.pending[req.seq()] = pendingPing{req, req.destination(), now}
	return true
}

// answered takes the request that waits for an answer from host.
func (p *pingFlow) answered(host netip.Addr, seq uint16) pingRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, ok := p.pending[seq]
	if !ok || waiting.dst != host {
		return nil
	}
	delete(p.pending, seq)
	return waiting.req
}

func (p *pingFlow) replied(src netip.Addr, seq uint16, payload []byte) {
	if req := p.answered(src, seq); req != nil {
		p.idle.touch()
		p.f.counters.pingAnswered.Add(1)
		req.reply(payload)
	}
}

func (p *pingFlow) failed(dst netip.Addr, seq uint16, told answer) {
	if req := p.answered(dst, seq); req != nil {
		req.reject(told)
	}
}

func (p *pingFlow) client() netip.AddrPort { return netip.AddrPortFrom(p.key.client, p.key.id) }

// abort closes the flow's socket.
func (p *pingFlow) abort(error) {
	p.once.Do(func() {
		p.idle.stop()
		p.f.pings.mu.Lock()
		if p.f.pings.byKey[p.key] == p {
			delete(p.f.pings.byKey, p.key)
		}
		p.f.pings.mu.Unlock()
		p.sock.close()
	})
}
