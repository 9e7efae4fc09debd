package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// A tcpRequest is a client's SYN to an address behind the gateway. The client waits until one of
// accept and reject.
type tcpRequest interface {
	client() netip.AddrPort
	destination() netip.AddrPort
	ttl() int // of the SYN as it came in
	// Context ends when the client gives up: it sends RST, or its SYNs stop.
	Context() context.Context
	accept() (tcpConn, error)
	reject(answer)
	fail(fault)
}

// A tcpConn is one side of a flow: *adapter.TCPConn or *net.TCPConn.
type tcpConn interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseWrite() error
	SetLinger(seconds int) error
}

// A tcpFlow is a client's connection from its SYN to its end.
type tcpFlow struct {
	f     *forwarder
	peer  *peer
	src   netip.AddrPort
	dst   netip.AddrPort
	inner *peerPort // whose port dst is; nil: nobody's
	ttl   int       // of our SYN: a hop less than the client's, as behind any router
	began time.Time

	dialOnce  sync.Once    // returns the dial's budget
	halves    atomic.Int32 // directions that have ended in order
	abortOnce sync.Once

	mu      sync.Mutex              // guards the fields below
	cancel  context.CancelCauseFunc // ends the dial; nil if nothing waits for it
	aborted error
	down    tcpConn  // to the client; nil while dialling
	up      upstream // to the destination; nil while dialling
	stopped func()   // if not nil: called after the connections were reset
}

// handleTCP answers a request. It does not block: what has to wait does so in a goroutine of the flow.
func (f *forwarder) handleTCP(req tcpRequest) {
	t := f.admitTCP(req)
	if t == nil {
		return
	}
	a := t.connect()
	if a.wait != nil {
		go t.await(req, a.wait)
		return
	}
	end, told := classifyDial(context.Background(), a.err)
	t.dialled(req, a.up, a.err, end, told)
}

// admitTCP returns the flow that is to run for a request. nil: the request has been answered.
func (f *forwarder) admitTCP(req tcpRequest) *tcpFlow {
	p := f.sender(req.client())
	if p == nil {
		req.reject(answerNothing)
		return nil
	}
	dst := req.destination()
	d, inner := f.judgeTCP(p, dst)
	if d.verdict != verdictAllow {
		f.counters.tcpDenied.Add(1)
		f.log.Debug("tcp denied", "peer", p.name(), "dst", dst, "rule", d.rule)
		req.reject(d.verdict.answer())
		return nil
	}
	t := &tcpFlow{f: f, peer: p, src: req.client(), dst: dst, inner: inner, ttl: req.ttl() - 1, began: time.Now()}
	if !t.takeBudget() {
		f.counters.tcpOverBudget.Add(1)
		req.reject(answerNothing)
		return nil
	}
	if !t.traces() && !f.dead.admit(t.began, dst) {
		f.counters.tcpDead.Add(1)
		t.releaseBudget()
		req.reject(answerNothing)
		return nil
	}
	if !p.enter(t) {
		t.undecided()
		f.counters.noPeer.Add(1)
		t.releaseBudget()
		req.reject(answerNothing)
		return nil
	}
	return t
}

// takeBudget takes one dial and one flow. If dials are short, one that has waited for long gives
// way.
func (t *tcpFlow) takeBudget() bool {
	b := t.f.budgets
	for range 2 {
		b.mu.Lock()
		short := b.dials.check(t.peer, t.dst)
		if short == enough {
			fits := b.tcp.check(t.peer, t.dst) == enough
			if fits {
				b.dials.take(t.peer, t.dst)
				b.tcp.take(t.peer, t.dst)
			}
			b.mu.Unlock()
			return fits
		}
		b.mu.Unlock()

		var dst netip.AddrPort // any
		if short == shortDst {
			dst = t.dst
		}
		oldest := t.peer.oldestDial(dst, t.began.Add(-dialEvictAge))
		if oldest == nil {
			return false
		}
		t.f.counters.tcpEvicted.Add(1)
		oldest.abort(errEvicted)
		oldest.endDial()
	}
	return false
}

// endDial returns the budget of the dial, once.
func (t *tcpFlow) endDial() {
	t.dialOnce.Do(func() {
		t.peer.dialled(t)
		t.f.budgets.release(&t.f.budgets.dials, t.peer, t.dst)
	})
}

func (t *tcpFlow) releaseBudget() {
	t.endDial()
	t.f.budgets.release(&t.f.budgets.tcp, t.peer, t.dst)
}

// await waits for the end of a dial, and goes on.
func (t *tcpFlow) await(req tcpRequest, wait func(context.Context) (upstream, error)) {
	ctx, cancel := context.WithCancelCause(req.Context())
	// A timer is a third of a context with a deadline.
	limit := time.AfterFunc(t.f.settings.Load().DialTimeout, func() { cancel(errDialTimeout) })
	if aborted := t.setCancel(cancel); aborted != nil {
		cancel(aborted)
	}
	up, err := wait(ctx)
	limit.Stop()
	end, told := classifyDial(ctx, err)
	t.setCancel(nil)
	cancel(nil) // it need not live as long as the flow
	t.dialled(req, up, err, end, told)
}

// dialled answers the client and, if there is a connection, copies. Whatever it comes to, gone is called in
// the end, perhaps later.
func (t *tcpFlow) dialled(req tcpRequest, up upstream, err error, end fate, told answer) {
	t.remember(end)
	if end != fateConnected {
		t.log(slog.LevelDebug, "tcp dial failed", "err", err, "after", time.Since(t.began))
		var why fault
		if errors.As(err, &why) && told != answerNothing {
			req.fail(t.f.seen(why))
		} else {
			req.reject(told)
		}
		t.gone()
		return
	}
	down, err := req.accept()
	if err != nil { // the client went away in the last moment, or the stack is full
		t.f.counters.tcpGaveUp.Add(1)
		req.reject(answerNothing)
		reset(up)
		t.gone()
		return
	}
	t.endDial()
	if !t.opened(down, up) {
		t.gone()
		return
	}
	t.f.counters.tcpAccepted.Add(1)
	t.carry()
}

// setCancel says what ends the dial; nil: it is over. It returns why the flow was aborted, if it was.
func (t *tcpFlow) setCancel(cancel context.CancelCauseFunc) (aborted error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel = cancel
	return t.aborted
}

// gone cleans up after the flow, which has left the peer then.
func (t *tcpFlow) gone() {
	t.mu.Lock()
	opened, cause := t.down != nil, t.aborted
	t.mu.Unlock()
	if opened {
		if cause != nil {
			t.f.counters.tcpReset.Add(1)
		}
		t.log(slog.LevelDebug, "tcp flow ended", "cause", cause, "after", time.Since(t.began))
	}
	t.releaseBudget()
	t.peer.leave(t)
}

// traces reports whether the SYN may be one of a traceroute, which need not arrive: silence then says
// nothing about the destination.
func (t *tcpFlow) traces() bool { return t.ttl < traceTTLMax }

// remember records what the end of the dial says about the destination.
func (t *tcpFlow) remember(end fate) {
	c, dead := &t.f.counters, t.f.dead
	if end == fateGaveUp {
		c.tcpGaveUp.Add(1)
	}
	switch end {
	case fateConnected:
		dead.answered(t.dst)
	case fateRefused:
		c.tcpRefused.Add(1)
		dead.answered(t.dst)
	case fateUnreachable:
		c.tcpUnreachable.Add(1)
		if !t.traces() {
			dead.answered(t.dst) // said at once, and no memory of ours is to outlive the network's
		}
	case fateProhibited:
		c.tcpDenied.Add(1)
		dead.answered(t.dst)
	case fateTimeout:
		c.tcpTimeout.Add(1)
		if !t.traces() {
			dead.unanswered(time.Now(), t.dst)
		}
	case fateLocal:
		c.tcpLocalError.Add(1)
		t.undecided()
	case fateGaveUp, fateEvicted:
		if !t.traces() && time.Since(t.began) >= deadSuspectAfter {
			dead.unanswered(time.Now(), t.dst)
		} else {
			t.undecided()
		}
	}
}

// undecided tells the memory of dead hosts, if that admitted the dial, that it said nothing.
func (t *tcpFlow) undecided() {
	if !t.traces() {
		t.f.dead.undecided(t.dst)
	}
}

// opened records the two connections. It reports false if the flow was aborted meanwhile; they are
// reset then.
func (t *tcpFlow) opened(down tcpConn, up upstream) bool {
	t.mu.Lock()
	aborted := t.aborted
	if aborted == nil {
		t.down, t.up = down, up
	}
	t.mu.Unlock()
	if aborted != nil {
		reset(down)
		reset(up)
	}
	return aborted == nil
}

func (t *tcpFlow) client() netip.AddrPort { return t.src }

// abort ends the flow at once: the dial is cancelled, an open connection is reset on both sides.
func (t *tcpFlow) abort(cause error) {
	t.mu.Lock()
	if t.aborted == nil {
		t.aborted = cause
	}
	cancel, down, up, stopped := t.cancel, t.down, t.up, t.stopped
	t.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
	if down == nil {
		return
	}
	t.abortOnce.Do(func() {
		reset(down)
		reset(up)
	})
	if stopped != nil {
		stopped()
	}
}

func (t *tcpFlow) log(level slog.Level, msg string, args ...any) {
	if t.f.log.Enabled(context.Background(), level) {
		t.f.log.Log(context.Background(), level, msg,
			append([]any{"peer", t.peer.name(), "src", t.src, "dst", t.dst}, args...)...)
	}
}
