package ourstack

import (
	"net/netip"
	"sync"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// TCPRequest is a client's wish to connect to an address that is not the stack's: a SYN that has not
// been answered. The client waits until Accept or Reject; its retransmitted SYNs join the request.
// If it gives up, by a RST or because its SYNs stop, the request is canceled. All methods are
// safe for concurrent use and none blocks.
type TCPRequest struct {
	stack  *Stack
	remote *remote
	tuple  tcp.Tuple
	syn    wire.TCP // options and all, without payload; mu guards its timestamp until it is answered
	ecn    uint8
	ttl    uint8         // of the SYN as it arrived
	first  bool          // of the requests that its call of Input raised
	minISS *seqnum.Value // least ISS if the tuple is reused; nil if it is not
	quote  []byte        // the start of the SYN's packet, for an ICMP error
	timer  timer         // deadlines.mu guards it

	mu sync.Mutex
	// mu guards the fields below.
	answered bool // accepted, rejected or canceled
	canceled bool
	lastSYN  tcp.Instant
	deadline tcp.Instant // when the client counts as silent
	onCancel func()
}

// SetForwardTCP says who handles SYNs to addresses that are not the stack's own; nil: they are
// answered with RST. handler is called without locks held, from Input; it must not block, and
// must see to it that each request is accepted or rejected at some time.
func (s *Stack) SetForwardTCP(handler func(*TCPRequest)) {
	if handler == nil || s.closed.Load() {
		s.forwardTCP.Store(nil)
		return
	}
	s.forwardTCP.Store(&handler)
}

// raiseRequest makes a forward request of the SYN in hand and passes it to the handler.
func (in *input) raiseRequest(t tcp.Tuple, handler func(*TCPRequest), minISS *seqnum.Value) dropReason {
	s := in.s
	rem := s.acquireRemote(t.Remote.Addr)
	if !reserve(&s.requestCount, s.limits.ForwardRequests, &rem.requests, s.limits.ForwardRequestsPerRemote) {
		rem.release()
		return dropRequestLimit // the client's next SYN may find room
	}
	r := &TCPRequest{
		stack: s, remote: rem, tuple: t, syn: in.seg, ecn: in.ip.ECN(), ttl: in.ip.TTL, first: !in.raised, minISS: minISS,
	}
	in.raised = true
	r.syn.Payload = nil
	r.quote = append(r.quote, in.raw[:min(len(in.raw), requestQuoteMax)]...)
	r.timer.owner = r
	r.lastSYN = in.now
	r.deadline = in.now.Add(requestSilenceMin)
	if !s.table.addRequest(r) {
		r.forget()
		return dropRequestJoined // by another goroutine, just now
	}
	if s.closed.Load() { // and Close may not have seen it
		r.cancel()
		return dropClosed
	}
	s.counters.requestsRaised.Add(1)
	handler(r)
	if r.awaitAnswer() {
		s.wake()
	}
	return accepted
}

// awaitAnswer sets the timer unless the request was answered at once, as those to destinations nearby
// are: then nobody need be woken for it. It reports whether Wake must be called.
func (r *TCPRequest) awaitAnswer() (wake bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.answered && r.stack.deadlines.set(&r.timer, r.deadline)
}

// segmentArrives handles a segment with the tuple of the request. done is false if the segment is
// to be handled as if the request had never been, because it ended it.
func (r *TCPRequest) segmentArrives(now tcp.Instant, seg *wire.TCP) (why dropReason, done bool) {
	switch {
	case isSYN(seg) && seg.Seq == r.syn.Seq:
		r.joined(now, &seg.Opts)
		return dropRequestJoined, true
	case isSYN(seg):
		r.cancel() // the client began anew
		return accepted, false
	case seg.Flags&wire.FlagRST != 0:
		// We have sent nothing, so it acknowledges nothing; its sequence number is the SYN's or
		// the one after it (RFC 5961 §3.2 asks for the exact one).
		if seg.Seq == r.syn.Seq || seg.Seq == r.syn.Seq.Add(1) {
			r.cancel()
			return dropRequestEnded, true
		}
		return dropNoConn, true
	default:
		return accepted, false // as in LISTEN: an ACK gets a RST, the rest nothing
	}
}

// joined notes a retransmitted SYN with its options. Its timestamp is the one to echo: the client
// measures the round trip by it, and not the time that the destination has taken (RFC 7323 §4.3).
func (r *TCPRequest) joined(now tcp.Instant, o *wire.Options) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered {
		return
	}
	if t := &r.syn.Opts; t.HasTimestamps && o.HasTimestamps && int32(o.TSVal-t.TSVal) > 0 {
		t.TSVal = o.TSVal
	}
	gap := now.Sub(r.lastSYN)
	silence := min(max(requestSilenceFactor*gap+tcp.Second, requestSilenceMin), requestSilenceMax)
	r.lastSYN = now
	r.deadline = max(r.deadline, now.Add(silence)) // the timer is corrected when it fires
}

// expire implements expirer: the client may have fallen silent.
func (r *TCPRequest) expire(now tcp.Instant) {
	r.mu.Lock()
	answered, deadline := r.answered, r.deadline
	r.mu.Unlock()
	switch {
	case answered:
	case now < deadline:
		if r.stack.deadlines.set(&r.timer, deadline) {
			r.stack.wake()
		}
	default:
		r.cancel()
	}
}

// answer marks the request as answered; false if it was before.
func (r *TCPRequest) answer(canceled bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered {
		return false
	}
	r.answered, r.canceled = true, canceled
	return true
}

// cancel ends the request because the client gave up.
func (r *TCPRequest) cancel() {
	if !r.answer(true) {
		return
	}
	r.stack.table.removeRequest(r)
	r.forget()
	r.stack.counters.requestsCanceled.Add(1)
	r.mu.Lock()
	onCancel := r.onCancel
	r.onCancel = nil
	r.mu.Unlock()
	if onCancel != nil {
		onCancel()
	}
}

// forget gives back what the request counted for.
func (r *TCPRequest) forget() {
	r.stack.deadlines.stop(&r.timer)
	unreserve(&r.stack.requestCount, &r.remote.requests)
	r.remote.release()
}

// Local returns the destination that the client chose.
func (r *TCPRequest) Local() netip.AddrPort { return addrPort(r.tuple.Local) }

// Remote returns the client.
func (r *TCPRequest) Remote() netip.AddrPort { return addrPort(r.tuple.Remote) }

// TTL returns the time to live of the SYN as it arrived, at least 2.
func (r *TCPRequest) TTL() int { return int(r.ttl) }

// First reports whether this is the first request of a call of Input, which the handler may take its time
// for (a system call or two); the packets behind it wait.
func (r *TCPRequest) First() bool { return r.first }

// SetCancel says what to call when the client gives up; it is called once, without locks held, and
// at once if that has happened already. It is not called after Accept or Reject.
func (r *TCPRequest) SetCancel(f func()) {
	r.mu.Lock()
	if !r.canceled {
		r.onCancel = f
		f = nil
	}
	r.mu.Unlock()
	if f != nil {
		f()
	}
}

// Accept answers the SYN with a SYN-ACK. The connection is in SYN-RECEIVED: EventConnected tells when
// the client has completed the handshake, EventClosed if it never does; data may be written
// before. Errors: ErrCanceled when the client gave up or the request was answered before, ErrLimit
// (then the request still waits for an answer).
func (r *TCPRequest) Accept(now tcp.Instant) (*Conn, error) {
	r.mu.Lock()
	if r.answered {
		r.mu.Unlock()
		return nil, ErrCanceled
	}
	s := r.stack
	c, err := s.openPassive(r.tuple, nil, s.nextISS(now, r.tuple, r.minISS), r)
	r.answered = err == nil
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.counters.forwardOpens.Add(1)
	c.tcb.OpenPassive(now, &r.syn, r.ecn)
	c.finish()
	r.forget()
	return c, nil
}

// Reject answers the client as reason says. It does nothing if the request was answered or canceled.
func (r *TCPRequest) Reject(now tcp.Instant, reason Reason) {
	if !r.answer(false) {
		return
	}
	r.stack.table.removeRequest(r)
	r.forget()
	if reason == RejectRefused {
		r.stack.sendReset(r.tuple, &r.syn)
		return
	}
	r.stack.reject(now, r.quote, r.tuple.Local.Addr, reason)
}
