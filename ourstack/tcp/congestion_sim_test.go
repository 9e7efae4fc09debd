package tcp

import (
	"container/heap"
	"math"
	"math/rand/v2"

	"vpngw/ourstack/seqnum"
)

// This file is a small packet simulator for the congestion controls: flows that
// share one bottleneck. It drives congestionControl, rateState, pacer and
// rttEstimator and nothing else of the package. One seed, one outcome.
//
//	flow ─► drop-tail queue ─► link (rate) ─► random loss ─► rtt/2 ─► receiver
//	  ▲                                                                  │
//	  └────────────────────────── rtt/2 ◄────────────────────────── ACK ─┘
//
// A sender numbers its transmissions, so that an ACK names what arrived without
// ambiguity, as SACK and RACK do together. A transmission is lost when one sent
// three later has arrived: the path does not reorder.

// simPath describes the shared bottleneck.
type simPath struct {
	rate    uint64   // bytes per second
	buffer  uint32   // bytes of queue, what is on the link included
	loss    float64  // probability that the link loses a packet
	ackLoss float64  // probability that an ACK is lost
	jitter  Duration // each packet is late by up to this much, without reordering
	tick    Duration // the sender is polled only at multiples of this
	policer bool     // buffer is the depth of a token bucket: it drops but does not delay
}

// mbit converts megabits per second to bytes per second.
func mbit(v float64) uint64 { return uint64(v * 1e6 / 8) }

// bdp returns the bandwidth-delay product in bytes.
func (p *simPath) bdp(rtt Duration) uint32 { return uint32(bytesIn(p.rate, rtt)) }

const (
	simSMSS = 1360
	simIW   = 10 * simSMSS
)

type simEventKind uint8

const (
	simArrive simEventKind = iota // a packet reaches the receiver
	simAck                        // an ACK reaches the sender
	simPoll                       // the pacer asked to be polled
	simRTO                        // the retransmission timer may have expired
	simDelAck                     // the delayed-ACK timer of the receiver
	simWrite                      // the application writes
)

type simEvent struct {
	at   Instant
	seq  uint64 // ties are resolved in the order of creation
	kind simEventKind
	flow int32
	arg  uint64
}

type simHeap []simEvent

func (h simHeap) Len() int { return len(h) }
func (h simHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].seq < h[j].seq
}
func (h simHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *simHeap) Push(x any)   { *h = append(*h, x.(simEvent)) }
func (h *simHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// sim is one run.
type sim struct {
	path   simPath
	flows  []*simFlow
	events simHeap
	seq    uint64
	now    Instant
	rng    *rand.Rand

	stopped bool // the condition of until holds

	busyUntil Instant // when the link has sent all that is queued
	queueSum  float64 // queued bytes seen by arriving packets
	queueN    float64
	dropped   uint64
	accepted  uint64
}

const simStart = Instant(Second) // not 0: 0 means "none"

func newSim(seed uint64, p simPath) *sim {
	return &sim{path: p, rng: rand.New(rand.NewPCG(seed, 1)), now: simStart}
}

// simTx is one transmission.
type simTx struct {
	seg      uint64
	xmitTime Instant
	tx       txRate
	done     bool // delivered or lost
}

const (
	simRing    = 1 << 15
	simMask    = simRing - 1
	simSegRing = 1 << 17
	simSegMask = simSegRing - 1
)

// simFlow is one sender with its receiver.
type simFlow struct {
	id  int32
	rtt Duration
	cc  congestionControl
	w   window
	r   rateState
	est rttEstimator
	p   pacer

	ring      []simTx
	nextTx    uint64 // number of the next transmission
	oldestTx  uint64 // all before are done
	largest   uint64 // highest transmission delivered, plus one
	pipe      uint32
	nextSeg   uint64 // SND.NXT in segments
	una       uint64 // SND.UNA in segments
	got       []bool // segments delivered, by ring position
	resend    []uint64
	available uint64 // segments the application has written; MaxUint64 = endless
	chunk     uint64 // segments per application write
	interval  Duration

	inRecovery    bool
	recoveryPoint uint64
	cwndLimited   bool
	pollAt        Instant
	rtoAt         Instant
	rtoEvent      Instant // the pending simRTO event
	lastSent      Instant

	// Receiver.
	pending   []uint64 // transmissions received and not yet acknowledged
	acks      [][]uint64
	expected  uint64
	delAckAt  Instant
	ackEvery  int
	stopped   bool
	goodput   uint64 // segments delivered in the measured time
	measureAt Instant
	lossCount uint64
	sentCount uint64
	lastDue   Instant // arrival of the last packet, for jitter without reordering

	onAckHook func(before, after uint32, inRecovery bool)
}

// add starts a flow at the given time after the start.
func (s *sim) add(cc congestionControl, rtt, at Duration) *simFlow {
	f := &simFlow{
		id: int32(len(s.flows)), rtt: rtt, cc: cc,
		ring: make([]simTx, simRing), got: make([]bool, simSegRing),
		available: math.MaxUint64, ackEvery: 2,
	}
	f.w = window{
		cwnd: simIW, initial: simIW, ssthresh: math.MaxUint32,
		smss: simSMSS, maxCwnd: (simRing / 2) * simSMSS, rate: &f.r,
	}
	f.est.init(Microsecond)
	f.est.onEstablished()
	if x, ok := cc.(interface{ seed(uint64) }); ok {
		x.seed(s.rng.Uint64())
	}
	s.flows = append(s.flows, f)
	s.schedule(s.now.Add(at), simPoll, f, 0)
	return f
}

// writes makes the flow application-limited: chunk segments every interval.
func (s *sim) writes(f *simFlow, chunk uint64, interval Duration) {
	f.available, f.chunk, f.interval = 0, chunk, interval
	s.schedule(s.now, simWrite, f, 0)
}

func (s *sim) schedule(at Instant, kind simEventKind, f *simFlow, arg uint64) {
	s.seq++
	heap.Push(&s.events, simEvent{at: at, seq: s.seq, kind: kind, flow: f.id, arg: arg})
}

// run simulates d and counts goodput after warm.
func (s *sim) run(warm, d Duration) {
	end := s.now.Add(d)
	for _, f := range s.flows {
		f.measureAt = s.now.Add(warm)
	}
	for len(s.events) > 0 && s.events[0].at <= end && !s.stopped {
		e := heap.Pop(&s.events).(simEvent)
		s.now = e.at
		f := s.flows[e.flow]
		switch e.kind {
		case simArrive:
			s.arrive(f, e.arg)
		case simAck:
			s.ack(f)
		case simPoll:
			s.send(f)
		case simRTO:
			s.checkRTO(f)
		case simDelAck:
			if s.now == f.delAckAt {
				s.sendAck(f)
			}
		case simWrite:
			s.checkAppLimited(f)
			f.available += f.chunk
			s.schedule(s.now.Add(f.interval), simWrite, f, 0)
			s.send(f)
		}
	}
	if !s.stopped {
		s.now = end
	}
}

// until simulates until the condition holds after an ACK of the first flow, at most d.
func (s *sim) until(d Duration, condition func() bool) {
	s.flows[0].onAckHook = func(_, _ uint32, _ bool) { s.stopped = condition() }
	s.run(0, d)
	s.stopped, s.flows[0].onAckHook = false, nil
}

// rate returns the goodput of a flow in bytes per second after the warm-up.
func (s *sim) rate(f *simFlow) float64 {
	return float64(f.goodput) * simSMSS / seconds(s.now.Sub(f.measureAt))
}

// meanQueue returns the mean queue that arriving packets found, in bytes.
func (s *sim) meanQueue() float64 { return s.queueSum / max(s.queueN, 1) }

// send transmits what window and pacer permit.
func (s *sim) send(f *simFlow) {
	if f.stopped {
		return
	}
	if f.pipe == 0 && f.lastSent != 0 && s.now.Sub(f.lastSent) > f.est.rto() && f.una == f.nextSeg {
		f.cc.onIdleRestart(&f.w, s.now, s.now.Sub(f.lastSent))
	}
	for {
		if len(f.resend) == 0 && f.nextSeg >= f.available {
			return
		}
		if f.pipe+simSMSS > f.w.cwnd && f.pipe > 0 {
			f.cwndLimited = true
			return
		}
		if f.nextTx-f.oldestTx >= simRing-1 || f.nextSeg-f.una >= simSegRing-1 {
			return
		}
		if at := f.p.delayUntil(s.now, &f.w); at != 0 {
			if t := Instant(s.path.tick); t > 0 {
				at = (at + t - 1) / t * t
			}
			if f.pollAt != at {
				f.pollAt = at
				s.schedule(at, simPoll, f, 0)
			}
			return
		}
		s.transmit(f)
	}
}

// checkAppLimited is CheckIfApplicationLimited of the BBR draft (§4.1.2.4).
func (s *sim) checkAppLimited(f *simFlow) {
	if f.nextSeg >= f.available && len(f.resend) == 0 && f.pipe < f.w.cwnd {
		f.r.markAppLimited(f.pipe)
	}
}

// transmit sends one segment: lost ones first.
func (s *sim) transmit(f *simFlow) {
	var seg uint64
	if len(f.resend) > 0 {
		seg = f.resend[0]
		f.resend = f.resend[1:]
	} else {
		seg = f.nextSeg
		f.got[seg&simSegMask] = false
		f.nextSeg++
	}
	t := &f.ring[f.nextTx&simMask]
	*t = simTx{seg: seg, xmitTime: s.now}
	f.cc.onSent(&f.w, s.now, simSMSS, f.pipe)
	f.r.onSent(&t.tx, s.now, simSMSS, f.pipe)
	f.p.onSent(s.now, &f.w, simSMSS)
	f.pipe += simSMSS
	f.lastSent = s.now
	f.sentCount++
	if f.rtoAt == 0 {
		s.armRTO(f)
	}
	s.link(f, f.nextTx)
	f.nextTx++
}

// link passes a packet through queue, link and random loss.
func (s *sim) link(f *simFlow, n uint64) {
	queued := float64(0)
	if s.busyUntil > s.now {
		queued = seconds(s.busyUntil.Sub(s.now)) * float64(s.path.rate)
	}
	s.queueSum += queued
	s.queueN++
	if queued+simSMSS > float64(s.path.buffer) {
		s.dropped++
		return
	}
	s.accepted++
	s.busyUntil = max(s.busyUntil, s.now).Add(durationOf(simSMSS, s.path.rate))
	if s.path.loss > 0 && s.rng.Float64() < s.path.loss {
		return
	}
	due := s.busyUntil.Add(f.rtt / 2)
	if s.path.policer {
		due = s.now.Add(f.rtt / 2)
	}
	if s.path.jitter > 0 {
		due = max(due.Add(Duration(s.rng.Int64N(int64(s.path.jitter)))), f.lastDue)
		f.lastDue = due
	}
	s.schedule(due, simArrive, f, n)
}

// arrive is the receiver: an ACK for every second packet, at once when one is missing.
func (s *sim) arrive(f *simFlow, n uint64) {
	f.pending = append(f.pending, n)
	gap := n != f.expected
	f.expected = n + 1
	switch {
	case gap || len(f.pending) >= f.ackEvery:
		s.sendAck(f)
	case len(f.pending) == 1:
		f.delAckAt = s.now.Add(25 * Millisecond)
		s.schedule(f.delAckAt, simDelAck, f, 0)
	}
}

func (s *sim) sendAck(f *simFlow) {
	f.delAckAt = 0
	if len(f.pending) == 0 || s.path.ackLoss > 0 && s.rng.Float64() < s.path.ackLoss {
		return // the next ACK tells as much
	}
	f.acks = append(f.acks, f.pending)
	f.pending = nil
	s.schedule(s.now.Add(f.rtt-f.rtt/2), simAck, f, 0)
}

// ack processes one ACK in the order that congestionControl promises.
func (s *sim) ack(f *simFlow) {
	list := f.acks[0]
	f.acks = f.acks[1:]
	s.checkAppLimited(f)
	a := ackSample{now: s.now, rtt: -1, priorInFlight: f.pipe, cwndLimited: f.cwndLimited}
	f.cwndLimited = false
	for _, n := range list {
		s.deliver(f, &a, n)
	}
	priorUna := f.una
	for f.una < f.nextSeg && f.got[f.una&simSegMask] {
		f.una++
	}
	a.ackedCum = uint32(f.una-priorUna) * simSMSS
	if a.rtt >= 0 {
		f.est.onSample(s.now, a.rtt)
	}
	s.detectLoss(f, &a)
	if a.lost > 0 && !f.inRecovery {
		f.inRecovery, f.recoveryPoint = true, f.nextSeg
		f.cc.onCongestionEvent(&f.w, s.now, congestionLoss, uint32(f.nextSeg-f.una)*simSMSS)
		if !f.cc.ownsRecovery() {
			f.w.cwnd = f.w.ssthresh // where rate reduction leads to
		}
	} else if f.inRecovery && f.una >= f.recoveryPoint {
		f.inRecovery = false
		f.cc.onExitRecovery(&f.w, s.now)
	}
	f.r.finish(&a.rs, f.est.minRTT())
	a.srtt, a.minRTT = f.est.srtt, f.est.minRTT()
	a.inFlight, a.inRecovery = f.pipe, f.inRecovery
	a.sndUna, a.sndNxt = seqnum.Value(uint32(f.una*simSMSS)), seqnum.Value(uint32(f.nextSeg*simSMSS))
	before := f.w.cwnd
	f.cc.onAck(&f.w, &a)
	if f.onAckHook != nil {
		f.onAckHook(before, f.w.cwnd, f.inRecovery)
	}
	s.armRTO(f)
	s.send(f)
}

// deliver accounts for one transmission that arrived.
func (s *sim) deliver(f *simFlow, a *ackSample, n uint64) {
	t := &f.ring[n&simMask]
	if n < f.oldestTx || t.done {
		return
	}
	t.done = true
	f.pipe -= simSMSS
	a.delivered += simSMSS
	a.rtt = s.now.Sub(t.xmitTime)
	f.r.onDelivered(simSMSS, s.now, &t.tx, &a.rs, t.xmitTime)
	f.largest = max(f.largest, n+1)
	if !f.got[t.seg&simSegMask] {
		f.got[t.seg&simSegMask] = true
		if s.now >= f.measureAt {
			f.goodput++
		}
	}
}

// detectLoss marks what three later transmissions have overtaken.
func (s *sim) detectLoss(f *simFlow, a *ackSample) {
	for f.oldestTx < f.nextTx {
		t := &f.ring[f.oldestTx&simMask]
		if !t.done {
			if f.oldestTx+3 >= f.largest {
				return
			}
			s.markLost(f, t)
			a.lost += simSMSS
		}
		f.oldestTx++
	}
}

func (s *sim) markLost(f *simFlow, t *simTx) {
	t.done = true
	f.pipe -= simSMSS
	f.lossCount++
	f.resend = append(f.resend, t.seg)
	f.r.onLost(simSMSS)
	f.cc.onLost(&f.w, &lossSample{now: s.now, bytes: simSMSS, tx: t.tx, totalLost: f.r.lost, delivered: f.r.delivered})
}

// armRTO restarts the retransmission timer; one event at a time is pending.
func (s *sim) armRTO(f *simFlow) {
	if f.una == f.nextSeg {
		f.rtoAt = 0
		return
	}
	f.rtoAt = s.now.Add(f.est.rto())
	if f.rtoEvent == 0 {
		f.rtoEvent = f.rtoAt
		s.schedule(f.rtoAt, simRTO, f, 0)
	}
}

func (s *sim) checkRTO(f *simFlow) {
	f.rtoEvent = 0
	if f.rtoAt == 0 || f.stopped {
		return
	}
	if s.now < f.rtoAt {
		f.rtoEvent = f.rtoAt
		s.schedule(f.rtoAt, simRTO, f, 0)
		return
	}
	flight := uint32(f.nextSeg-f.una) * simSMSS
	for ; f.oldestTx < f.nextTx; f.oldestTx++ {
		if t := &f.ring[f.oldestTx&simMask]; !t.done {
			s.markLost(f, t)
		}
	}
	f.inRecovery, f.recoveryPoint = true, f.nextSeg
	f.cc.onCongestionEvent(&f.w, s.now, congestionRTO, flight)
	f.est.backoff()
	s.armRTO(f)
	s.send(f)
}

// jain returns Jain's fairness index of the flows' rates.
func (s *sim) jain() float64 {
	var sum, sq float64
	for _, f := range s.flows {
		r := s.rate(f)
		sum += r
		sq += r * r
	}
	return sum * sum / (float64(len(s.flows)) * sq)
}
