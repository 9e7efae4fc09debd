package tcp

import "math"

// Idle is what is worth keeping of a connection on which nothing moves: about a third of a Conn. A
// stack holds many connections of which few are busy at any time.
//
// What it leaves out belongs to text on its way (there is none), or would be out of date: the
// congestion control starts again from cwnd and ssthresh, as after any silence (RFC 5681 §4.1), and
// pacing and delivery rate are measured anew. Past difficulties are forgotten: what a recovery would
// need to be undone, and a soft error from before the peer was last heard of.
type Idle struct {
	sendSpace
	recvSpace
	opts negotiated
	user userState
	plp  pathSearch

	alive       keepAliveState
	keepAliveAt Instant // its timer; 0 = off

	cwnd, ssthresh, initial uint32
	pmtu                    int
	srtt, rttvar, minRTT    Duration
	minRTTAt                Instant
	lastSent                Instant
	lastWnd                 uint16
	reoWndMult              uint8
	reoWndPersist           uint8
	reorderingSeen          bool
	cwrDue, ece             bool
	quick                   uint8

	rcvBuf  int
	rcvRTT  Duration
	rcvCopy int
	lastEcr uint32

	tsOffset   uint32
	tsRecent   uint32
	tsRecentAt Instant

	traffic [4]uint64
	rare    [numRareCounters]uint32
}

// AtRest reports whether the connection has been silent for long enough that Freeze is worth it.
func (c *Conn) AtRest() bool { return c.state == StateEstablished && !c.timers.isSet(timerIdle) }

// Freeze writes to f what Thaw needs to make an equal connection, if nothing moves on c: then c may be
// forgotten. It reports whether it did.
func (c *Conn) Freeze(f *Idle) bool {
	if !c.freezable() {
		return false
	}
	*f = Idle{
		sendSpace: c.sendSpace, recvSpace: c.recvSpace, opts: c.opts, user: c.user, plp: c.plp,
		alive: c.alive, keepAliveAt: c.timers.at[timerKeepAlive],
		cwnd: c.win.cwnd, ssthresh: c.win.ssthresh, initial: c.win.initial, pmtu: c.pmtu,
		srtt: c.rtt.srtt, rttvar: c.rtt.rttvar, minRTT: c.rtt.minRTT(), minRTTAt: c.rtt.minRTTAt(),
		lastSent: c.rec.lastSent, lastWnd: c.rec.lastWnd,
		reoWndMult: c.rack.reoWndMult, reoWndPersist: c.rack.reoWndPersist, reorderingSeen: c.rack.reorderingSeen,
		cwrDue: c.rec.cwrDue, ece: c.ack.ece,
		quick: c.ack.quick, rcvBuf: c.tune.rcvBuf, rcvRTT: c.tune.rtt, rcvCopy: c.tune.space, lastEcr: c.tune.lastEcr,
		tsOffset: c.tsOffset, tsRecent: c.tsRecent, tsRecentAt: c.tsRecentAt,
		traffic: [4]uint64{c.counters.SegmentsIn, c.counters.SegmentsOut, c.counters.BytesIn, c.counters.BytesOut},
	}
	for i, n := range c.counters.rare() {
		f.rare[i] = uint32(min(*n, math.MaxUint32))
	}
	return true
}

// freezable reports whether nothing is on its way or due, and nothing has gone wrong.
func (c *Conn) freezable() bool {
	for k, at := range c.timers.at {
		if at != 0 && timerKind(k) != timerKeepAlive && timerKind(k) != timerIdle {
			return false
		}
	}
	// At the same reading of a coarse clock the error counts as past: everything has arrived.
	trouble := c.softErr != nil && c.softErrAt > c.user.progressAt
	quiet := c.state == StateEstablished && !c.pending && c.events == 0 && c.err == nil && !trouble &&
		!c.rst.set && !c.user.finQueued && !c.user.closed && !c.user.wantWrite
	send := c.sb.empty() && c.sndBuf.len() == 0 && c.sndBuf.end == c.sndNxt && c.sndBuf.q.n == 0 && !c.sndBuf.reserved &&
		c.rec.phase == recOpen && !c.rec.windowProbeDue &&
		!c.rack.probeDue && !c.alive.probeDue && c.plp.probe == 0
	receive := c.rcvBuf.unread() == 0 && c.rcvBuf.q.n == 0 && len(c.rcvBuf.ranges) == 0 && !c.rcvBuf.peeked &&
		!c.rcvBuf.discard && !c.hasFin && !c.urgent && !c.ack.now && c.ack.unacked == 0 && !c.ack.hasDSACK &&
		c.ack.lastSent == c.rcvNxt
	// A control with a model of the path keeps it.
	return quiet && send && receive && c.cc != nil && !c.cc.ownsRecovery()
}

// Thaw makes c the connection that Freeze wrote to f. cfg and t must be those that it had.
func (c *Conn) Thaw(cfg *Config, t Tuple, f *Idle) {
	c.Init(cfg, t, f.iss, f.tsOffset)
	c.state = StateEstablished
	c.sendSpace, c.recvSpace, c.opts, c.user, c.plp, c.alive = f.sendSpace, f.recvSpace, f.opts, f.user, f.plp, f.alive
	c.sndBuf.init(c.sndNxt)
	c.rcvBuf.init(c.rcvNxt)
	c.pmtu = f.pmtu
	c.updateSMSS()
	c.rtt.srtt, c.rtt.rttvar, c.rtt.latest = f.srtt, f.rttvar, f.srtt
	if f.minRTT != 0 {
		c.rtt.min.reset(uint64(f.minRTTAt), uint64(f.minRTT))
	}
	c.startCongestion(f.lastSent)
	if cc, ok := c.cc.(*cubic); ok && f.ssthresh != c.win.ssthresh {
		cc.hy.stop() // it is "only for the initial slow start" (RFC 9406 §4.3), which ended before the rest
	}
	c.win.cwnd, c.win.ssthresh, c.win.initial = f.cwnd, f.ssthresh, f.initial
	c.win.clamp()
	c.rec.lastSent, c.rec.lastWnd, c.rec.cwrDue = f.lastSent, f.lastWnd, f.cwrDue
	c.rack.sampled = f.srtt != 0 // whatever probe was out has been answered
	c.rack.reoWndMult, c.rack.reoWndPersist, c.rack.reorderingSeen = f.reoWndMult, f.reoWndPersist, f.reorderingSeen
	c.ack.quick, c.ack.lastSent, c.ack.ece = f.quick, f.rcvNxt, f.ece
	c.tune.rcvBuf, c.tune.rtt, c.tune.space, c.tune.lastEcr = f.rcvBuf, f.rcvRTT, f.rcvCopy, f.lastEcr
	c.tune.start(f.alive.lastSeen, f.rcvNxt)
	c.boundRanges()
	c.tsRecent, c.tsRecentAt = f.tsRecent, f.tsRecentAt
	c.timers.set(timerKeepAlive, f.keepAliveAt)
	c.timers.set(timerIdle, f.alive.lastSeen.Add(idleShrink)) // to freeze again
	n := &c.counters
	n.SegmentsIn, n.SegmentsOut, n.BytesIn, n.BytesOut = f.traffic[0], f.traffic[1], f.traffic[2], f.traffic[3]
	for i, p := range n.rare() {
		*p = uint64(f.rare[i])
	}
	c.tune.disorder = n.OutOfOrder // it is no news
}

// numRareCounters is the number of counters that an Idle keeps in 32 bits.
const numRareCounters = 23

// rare returns the counters of what seldom happens.
func (n *Counters) rare() [numRareCounters]*uint64 {
	return [...]*uint64{
		&n.Dropped, &n.Retransmits, &n.Timeouts, &n.SpuriousTimeouts, &n.FastRecoveries, &n.Lost, &n.LossProbes,
		&n.ProbeRecoveries, &n.WindowProbes, &n.MTUProbes, &n.MTUProbesLost, &n.BlackHoles, &n.KeepAlives, &n.Undos,
		&n.Reneges, &n.OutOfOrder, &n.DuplicateIn, &n.DSACKsIn, &n.CEIn, &n.Challenges, &n.ChallengesLimited,
		&n.ResetsOut, &n.IllegalTransitions,
	}
}
