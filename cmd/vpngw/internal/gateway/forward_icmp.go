package gateway

import (
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A pingRequest is an echo request to a host behind the gateway.
type pingRequest interface {
	client() netip.Addr
	destination() netip.Addr
	id() uint16
	seq() uint16
	ttl() int // as it came in
	tos() int
	dontFragment() bool
	payload() []byte
	forget() // the payload is not needed any more
	// reply passes the answer to the client, with ttl hops to live; payload is copied.
	reply(payload []byte, ttl int)
	reject(answer)
	fail(fault)
}

// A pingFlow is a socket that stands for pinging processes of one client (RFC 5508 §3). Several share
// it: what tells their requests apart is the destination and the sequence number.
type pingFlow struct {
	f    *forwarder
	peer *peer
	src  netip.Addr // the client
	sock pingSocket
	idle idleTimer
	once sync.Once // of abort

	mu      sync.Mutex // guards the fields below
	pending map[echoKey]pendingPing
	order   []sentPing // oldest first; those that were answered stay until their turn
	nextSeq uint16     // where the search for a free sequence number begins
}

// An echoKey is what an answer tells about its request.
type echoKey struct {
	dst netip.Addr
	seq uint16
}

// A pendingPing is an echo request without an answer yet.
type pendingPing struct {
	req  pingRequest
	size int // of its payload, in bytes
	sent time.Time
}

// A sentPing is where a pendingPing is, or was.
type sentPing struct {
	key  echoKey
	sent time.Time
}

// pingFlows are the ping flows of all peers.
type pingFlows struct {
	open     func() (pingSocket, error)
	mu       sync.Mutex // guards byClient
	byClient map[netip.Addr][]*pingFlow
	allowed  bool // set before the first request: this host lets us have ping sockets
}

// handlePing relays an echo request. It does not block.
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
	flow, seq := f.expectPing(p, req)
	if flow == nil {
		f.counters.pingOverBudget.Add(1)
		req.reject(answerNothing)
		return
	}
	f.counters.pingRelayed.Add(1)
	flow.idle.touch()
	err := flow.sock.send(pingMessage{
		dst: req.destination(), seq: seq, ttl: req.ttl() - 1, tos: req.tos(),
		dontFragment: req.dontFragment(), payload: req.payload(),
	})
	req.forget()
	if err != nil && err != syscall.EMSGSIZE {
		if waiting := flow.answered(echoKey{req.destination(), seq}); waiting != nil {
			_, told := classifyErrno(err)
			waiting.reject(told)
		}
	}
}

// expectPing records that req waits for its answer, and says on which flow and under which sequence
// number: its own, if another request with that number does not wait for the same host on every one.
// The first flow that fits is taken, so that a process is seen with one identifier. nil means
// that there is no room.
func (f *forwarder) expectPing(p *peer, req pingRequest) (*pingFlow, uint16) {
	f.pings.mu.Lock()
	defer f.pings.mu.Unlock()
	flows := f.pings.byClient[req.client()]
	for _, flow := range flows {
		if flow.expect(req, req.seq()) {
			return flow, req.seq()
		}
	}
	if len(flows) < pingFlowsPerClientMax {
		if flow := f.openPingLocked(p, req.client()); flow != nil && flow.expect(req, req.seq()) {
			return flow, req.seq()
		}
	}
	for _, flow := range flows {
		if seq, ok := flow.expectAny(req); ok {
			return flow, seq
		}
	}
	return nil, 0
}

// openPingLocked opens a flow; nil if that is not possible.
func (f *forwarder) openPingLocked(p *peer, client netip.Addr) *pingFlow {
	if !f.budgets.take(&f.budgets.pings, p, netip.AddrPort{}) {
		return nil
	}
	flow := &pingFlow{f: f, peer: p, src: client, pending: map[echoKey]pendingPing{}}
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
	f.pings.byClient[client] = append(f.pings.byClient[client], flow)
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

// expect records that req waits for its answer under seq. It reports false if another one does, or
// too many.
func (p *pingFlow) expect(req pingRequest, seq uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.expectLocked(req, seq, time.Now())
}

// expectAny is expect with a sequence number of its own choice.
func (p *pingFlow) expectAny(req pingRequest) (seq uint16, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for range pingSequenceTries {
		p.nextSeq++
		if p.expectLocked(req, p.nextSeq, now) {
			return p.nextSeq, true
		}
	}
	return 0, false
}

func (p *pingFlow) expectLocked(req pingRequest, seq uint16, now time.Time) bool {
	p.expireLocked(now)
	key := echoKey{req.destination(), seq}
	if _, taken := p.pending[key]; taken || len(p.pending) >= pingOutstandingMax {
		return false
	}
	p.pending[key] = pendingPing{req, len(req.payload()), now}
	p.order = append(p.order, sentPing{key, now})
	return true
}

// expireLocked forgets the requests that have waited long enough, and from order those that were
// answered: at its head at once, elsewhere when there are many.
func (p *pingFlow) expireLocked(now time.Time) {
	waits := func(s sentPing) bool {
		w, ok := p.pending[s.key]
		return ok && w.sent.Equal(s.sent)
	}
	for len(p.order) > 0 {
		first := p.order[0]
		if waits(first) {
			if now.Sub(first.sent) < pingAnswerMax {
				break
			}
			delete(p.pending, first.key)
		}
		p.order = p.order[1:]
	}
	if len(p.order) >= 2*pingOutstandingMax {
		p.order = slices.DeleteFunc(p.order, func(s sentPing) bool { return !waits(s) })
	}
}

// answered takes the request that waits for an answer; nil if there is none.
func (p *pingFlow) answered(key echoKey) pingRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, ok := p.pending[key]
	if !ok {
		return nil
	}
	delete(p.pending, key)
	return waiting.req
}

// tooLarge takes a request that this host would not send, being larger than mtu.
func (p *pingFlow) tooLarge(dst netip.Addr, mtu int) pingRequest {
	const headers = 20 + 8
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, sent := range p.order {
		waiting, ok := p.pending[sent.key]
		if ok && waiting.sent.Equal(sent.sent) && sent.key.dst == dst && waiting.req.dontFragment() && waiting.size+headers > mtu {
			delete(p.pending, sent.key)
			return waiting.req
		}
	}
	return nil
}

func (p *pingFlow) replied(src netip.Addr, seq uint16, ttl int, payload []byte) {
	if req := p.answered(echoKey{src, seq}); req != nil {
		p.idle.touch()
		p.f.counters.pingAnswered.Add(1)
		if ttl > 1 {
			ttl-- // this host is a hop
		}
		req.reply(payload, ttl)
	}
}

func (p *pingFlow) failed(dst netip.Addr, seq int, why fault) {
	var req pingRequest
	if seq < 0 {
		req = p.tooLarge(dst, why.MTU)
	} else {
		req = p.answered(echoKey{dst, uint16(seq)})
	}
	if req != nil {
		p.idle.touch()
		p.f.counters.pingFailed.Add(1)
		req.fail(p.f.seen(why))
	}
}

func (p *pingFlow) client() netip.AddrPort { return netip.AddrPortFrom(p.src, 0) }

// abort closes the flow's socket.
func (p *pingFlow) abort(error) {
	p.once.Do(func() {
		p.idle.stop()
		pings := &p.f.pings
		pings.mu.Lock()
		rest := slices.DeleteFunc(pings.byClient[p.src], func(flow *pingFlow) bool { return flow == p })
		if pings.byClient[p.src] = rest; len(rest) == 0 {
			delete(pings.byClient, p.src)
		}
		pings.mu.Unlock()
		p.sock.close()
	})
}
