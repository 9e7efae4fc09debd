package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// rackState is RACK-TLP (RFC 8985): losses are found by the time at which
// segments were sent, relative to the newest one known to have arrived.
type rackState struct {
	xmitTime       Instant      // RACK.xmit_ts
	endSeq         seqnum.Value // RACK.end_seq
	rtt            Duration     // RACK.rtt
	fack           seqnum.Value // RACK.fack: highest sequence number delivered
	started        bool         // a segment has been delivered
	reorderingSeen bool         // RACK.reordering_seen
	reoWndMult     uint8        // RACK.reo_wnd_mult
	reoWndPersist  uint8        // RACK.reo_wnd_persist
	dsackRound     seqnum.Value // RACK.dsack_round
	hasDsackRound  bool

	probeDue     bool         // the probe timer expired
	probeOut     bool         // TLP.end_seq is set
	probeEnd     seqnum.Value // TLP.end_seq
	probeRetrans bool         // TLP.is_retrans
	sampled      bool         // there was an RTT sample since the last probe (RFC 8985 §7.3)
}

// reoWndPersistRounds is how many recoveries a widened window outlives (RFC 8985 §6.2 step 4).
const reoWndPersistRounds = 16

func (r *rackState) init() { r.reoWndMult = 1 }

// onDelivered is RFC 8985 §6.2 steps 2 and 3, for one newly delivered segment.
func (r *rackState) onDelivered(c *Conn, a *ackWork, t *txSegment) {
	retrans := t.flags&txRetrans != 0
	r.detectReordering(t.end, retrans)
	rtt := max(a.now.Sub(t.xmitTime), 0) // stamps of a burst run ahead of the clock
	if retrans && (rtt < c.rtt.minRTT() || c.opts.timestamps && !c.echoes(a.seg, t.xmitTime)) {
		// "If the TSecr is less than the transmission time, or the RTT is less than
		// the minimum": the ACK is for the original.
		return
	}
	if !r.started || sentAfter(t.xmitTime, t.end, r.xmitTime, r.endSeq) {
		r.xmitTime, r.endSeq, r.rtt, r.started = t.xmitTime, t.end, rtt, true
	}
}

func (r *rackState) detectReordering(end seqnum.Value, retrans bool) {
	if !r.started || r.fack.Less(end) {
		r.fack = end
	} else if end.Less(r.fack) && !retrans {
		r.reorderingSeen = true
	}
}

// sentAfter is RACK_sent_after of RFC 8985 §6.2.
func sentAfter(t1 Instant, end1 seqnum.Value, t2 Instant, end2 seqnum.Value) bool {
	return t1 > t2 || t1 == t2 && end2.Less(end1)
}

// reoWnd is RACK_update_reo_wnd (RFC 8985 §6.2 step 4).
func (r *rackState) reoWnd(c *Conn) Duration {
	if r.hasDsackRound && r.dsackRound.LessEq(c.sndUna) {
		r.hasDsackRound = false // "RACK.dsack_round = None"
	}
	if !r.reorderingSeen && (c.rec.phase != recOpen || c.sb.sackedCount >= dupThresh) {
		return 0
	}
	wnd := Duration(r.reoWndMult) * c.rtt.minRTT() / 4
	// On a coarse clock times differ by up to a tick without any reordering.
	return min(wnd, c.rtt.srtt) + c.rtt.clockGranularity
}

// onDSACK widens the reordering window: "RACK.reo_wnd_mult += 1", once a round trip.
func (r *rackState) onDSACK(c *Conn) {
	if r.hasDsackRound && c.sndUna.Less(r.dsackRound) {
		return
	}
	r.dsackRound, r.hasDsackRound = c.sndNxt, true
	r.reoWndMult = min(r.reoWndMult+1, 64)
	r.reoWndPersist = reoWndPersistRounds
	r.reorderingSeen = true
}

// onExitRecovery narrows it again after recoveries without DSACK.
func (r *rackState) onExitRecovery() {
	if r.reoWndPersist > 0 {
		if r.reoWndPersist--; r.reoWndPersist == 0 {
			r.reoWndMult = 1
		}
	}
}

// detect is RACK_detect_loss (RFC 8985 §6.2 step 5). Segments in flight are kept in
// the order of their transmission, so the work is one step per segment marked.
func (r *rackState) detect(c *Conn, now Instant) (lost uint32) {
	c.timers.stop(timerReorder)
	if !r.started {
		return 0
	}
	wnd := r.reoWnd(c)
	for i := c.sb.flightHead; i != noSegment; i = c.sb.flightHead {
		t := c.sb.at(i)
		if !sentAfter(r.xmitTime, r.endSeq, t.xmitTime, t.end) {
			break
		}
		// Stamps of a burst run ahead of the clock.
		if due := min(t.xmitTime, now).Add(r.rtt + wnd); now < due {
			c.timers.set(timerReorder, due)
			break
		}
		lost += c.lost(i, now)
	}
	return lost
}

// onReorderTimer is RFC 8985 §6.3.
func (c *Conn) onReorderTimer(now Instant) {
	a := ackWork{now: now, rtt: -1, prior: c.inFlight()}
	a.lost = c.rack.detect(c, now)
	if a.lost > 0 && (c.rec.phase == recOpen || c.rec.phase == recResend) {
		c.enterRecovery(&a)
	}
	c.pending = true
	c.armAfterACK(now, false)
}

// markSACKed enters the selective acknowledgments of seg (RFC 2018 §5, RFC 6675 §4
// Update).
func (c *Conn) markSACKed(a *ackWork, seg *wire.TCP) {
	for i := range seg.Opts.NumSACK {
		b := seg.Opts.SACK[i]
		if !b.Left.Less(b.Right) || b.Left.Less(c.sndUna) || c.sndNxt.Less(b.Right) {
			continue // a D-SACK, an old block, or nonsense
		}
		c.markRange(a, b.Left, b.Right)
	}
}

// markRange marks the segments that lie wholly in [left, right).
func (c *Conn) markRange(a *ackWork, left, right seqnum.Value) {
	for i := c.sb.search(left); i != c.sb.tail; {
		if i = c.sb.skipSacked(i); i == c.sb.tail {
			return
		}
		t := c.sb.at(i)
		if right.Less(t.end) {
			return
		}
		c.deliver(a, t)
		c.sb.markSacked(i)
		i++
	}
}

// checkDSACK looks for a report of duplicate text (RFC 2883 §4): a first block at
// or below the ACK, or inside the second. It returns its length.
func (c *Conn) checkDSACK(seg *wire.TCP) uint32 {
	if !c.opts.sack || seg.Opts.NumSACK == 0 {
		return 0
	}
	b := seg.Opts.SACK[0]
	if !b.Left.Less(b.Right) {
		return 0
	}
	n := uint32(b.Left.Size(b.Right))
	dup := b.Right.LessEq(seg.Ack)
	if !dup && seg.Opts.NumSACK > 1 {
		s := seg.Opts.SACK[1]
		dup = s.Left.LessEq(b.Left) && b.Right.LessEq(s.Right)
	}
	if !dup || n > c.maxSndWnd {
		return 0
	}
	c.counters.DSACKsIn++
	if c.counters.DSACKsIn > c.counters.Retransmits {
		return 0 // the network duplicates: it is none of our doing (as in Linux)
	}
	if !c.rack.probeOut || !c.rack.probeRetrans {
		c.rack.onDSACK(c) // that of a tail loss probe says nothing about reordering
	}
	return n
}
