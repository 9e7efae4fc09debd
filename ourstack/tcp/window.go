package tcp

import "vpngw/ourstack/seqnum"

// The receive window (RFC 9293 §3.8.6, RFC 7323 §2). It stays closed for as long as nobody
// reads (MAY-8).
//
//	   readSeq        RCV.NXT                 rcvAdv
//	-----|---------------|----------------------|-----------
//	     |    unread     |    announced window  |
//	     |<--------------- rcvBuf ------------------->|
//	                                            |<--->| room not yet announced

// rightEdge is how far the buffer reaches: the window edge that could be announced.
func (c *Conn) rightEdge() seqnum.Value {
	free := min(c.tune.rcvBuf-c.rcvBuf.unread(), c.tune.size())
	if c.mem().Pressure() > 1 {
		// Not less than is worth an update, or the peer would wait for its persist timer.
		free = min(free, max(c.cfg.rcvBufInit()/4, c.updateStep())-c.rcvBuf.unread())
	}
	return c.rcvNxt.Add(seqnum.Size(max(free, 0)))
}

// updateStep is by how much the edge must be able to move before an update is
// worth a segment: receiver SWS avoidance, "min( Fr * RCV.BUFF, Eff.snd.MSS )"
// with Fr = 1/2 (RFC 9293 §3.8.6.2.2, MUST-39), and two segments where the window
// is large, so that a reader of small pieces does not cause an ACK for each.
func (c *Conn) updateStep() int {
	return min(c.tune.rcvBuf/2, 2*int(c.rcvMSS()))
}

// windowUpdateDue reports whether the reader has made enough room for the peer to
// be told at once. A peer with plenty of window left hears of it with the next ACK.
func (c *Conn) windowUpdateDue() bool {
	if !c.state.canReceive() || c.finIn {
		return false
	}
	edge := c.rightEdge()
	if !c.rcvAdv.Less(edge) {
		return false
	}
	gain, left := int(c.rcvAdv.Size(edge)), int(c.rcvNxt.Size(c.rcvAdv))
	// With less than half of the window left the peer may stall within a round
	// trip; otherwise the ACKs of its text carry the news in time.
	size := c.tune.size()
	return gain >= c.updateStep() && left < size/2 || gain >= size/2
}

// advertise moves the right edge, never to the left (RFC 9293 §3.8.6, SHLD-14),
// and returns the window field, scaled.
func (c *Conn) advertise() uint16 {
	edge := c.rightEdge()
	if c.rcvAdv.Less(edge) && int(c.rcvAdv.Size(edge)) >= min(c.tune.rcvBuf/2, int(c.rcvMSS())) {
		c.rcvAdv = edge
	}
	shift := c.opts.rcvWindShift
	wnd := uint32(c.rcvNxt.Size(c.rcvAdv))
	unit := uint32(1) << shift
	field := wnd >> shift
	// The field counts units of 2^shift. Rounding down withdraws up to a unit less a
	// byte from a window that was announced; so round up while the excess over the
	// buffer stays bounded (RFC 7323 §2.4). Where it is rounded down, what was announced
	// is still accepted.
	if wnd&(unit-1) != 0 && edge.Add(windowSlack).Greater(c.rcvAdv) {
		field++
	}
	field = min(field, 0xFFFF)
	c.rcvAdv = seqnum.Max(c.rcvAdv, c.rcvNxt.Add(seqnum.Size(field<<shift)))
	return uint16(field)
}

// usableWindow is SND.UNA + SND.WND - SND.NXT: negative when the peer has shrunk
// its window (RFC 9293 §3.8.6, MUST-34).
func (c *Conn) usableWindow() int64 {
	return int64(c.sndWnd) - int64(c.sndUna.Size(c.sndNxt))
}
