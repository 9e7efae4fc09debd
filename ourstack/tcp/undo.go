package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// Spurious retransmissions: when it turns out that nothing was lost, the
// reduction of the window is taken back. Three ways to tell: the timestamp echo of
// the original (Eifel, RFC 3522), D-SACKs for everything that was resent (RFC 3708
// §3), and F-RTO (frto.go).

// undoState is what is needed to tell.
type undoState struct {
	valid    bool
	hadRTO   bool         // the episode began with a timeout
	point    seqnum.Value // SND.UNA when the episode began
	firstAt  Instant      // when the first segment of the episode was resent
	tsFirst  uint32       // timestamp of the first retransmission (RFC 3522 §3.2)
	hasFirst bool
	resent   int // segments resent that no D-SACK has reported yet; -1: cannot tell
}

// saveUndo begins an episode, unless one is under way.
func (c *Conn) saveUndo() {
	if c.rec.phase != recOpen && c.rec.undo.valid {
		c.rec.undo.resent = -1 // a second reduction: D-SACK counting no longer tells
		return
	}
	c.rec.undo = undoState{valid: true, point: c.sndUna}
}

// onRetransmit counts a retransmission of the episode.
func (r *recovery) onRetransmit(c *Conn, now Instant) {
	u := &r.undo
	if !u.valid {
		return
	}
	if !u.hasFirst {
		u.firstAt, u.tsFirst, u.hasFirst = now, c.tsNow(now), true
	}
	if u.resent >= 0 {
		u.resent++
	}
}

// checkSpurious looks whether this ACK shows the episode to be spurious.
func (c *Conn) checkSpurious(a *ackWork, seg *wire.TCP) {
	u := &c.rec.undo
	if !u.valid {
		return
	}
	if c.opts.ecn && seg.Flags&wire.FlagECE != 0 {
		// "unless the acceptable ACK signals congestion through the ECN-Echo flag. In
		// that case, the TCP sender MUST refrain from reversing" RFC 4015 §3.4.
		u.valid = false
		return
	}
	if c.dsackedAll(a, seg) || c.eifel(a, seg) {
		c.undo(a)
	}
}

// dsackedAll reports whether with this ACK everything that was resent has been
// reported as a duplicate: all originals had arrived (RFC 3708 §3).
func (c *Conn) dsackedAll(a *ackWork, seg *wire.TCP) bool {
	u := &c.rec.undo
	if a.dsack == 0 || u.resent <= 0 || seg.Opts.SACK[0].Right.LessEq(u.point) {
		return false // none, or of text from before the episode
	}
	// One block may report several segments that were resent side by side.
	u.resent -= min(u.resent, int((a.dsack+c.win.smss-1)/c.win.smss))
	return u.resent == 0
}

// eifel is the detection algorithm of RFC 3522: "if the value of the Timestamp Echo
// Reply field of the acceptable ACK is smaller than the value of RetransmitTS", the
// original caused it (§3.2 (5)). Only an ACK that the segment at SND.UNA caused tells:
// an ACK held back since before echoes an older timestamp as well (RFC 7323 §4.3).
func (c *Conn) eifel(a *ackWork, seg *wire.TCP) bool {
	u := &c.rec.undo
	return c.rec.phase != recOpen && u.hasFirst && a.headResent >= u.firstAt && c.opts.timestamps &&
		seg.Opts.HasTimestamps && int32(seg.Opts.TSEcr-u.tsFirst) < 0
}

// undo restores what the congestion control had before (RFC 4015 §3.2).
func (c *Conn) undo(a *ackWork) {
	c.counters.Undos++
	c.cc.onUndo(&c.win, a.now)
	if c.rec.phase == recRTO {
		c.rtt.onSpuriousTimeout()
	}
	// What is marked lost is in flight after all.
	c.sb.unmarkLost()
	c.rec.phase = recOpen
	c.rec.force = false
	c.rec.frto.step = frtoOff
	c.rec.undo = undoState{}
	c.rec.dupAcks, c.rec.renoSacked = 0, 0
}
