package tcp

import "vpngw/ourstack/wire"

// Tail loss probe (RFC 8985 §7).

const (
	// probeDelayedACK is TLP.max_ack_delay: how long the peer may hold back the ACK
	// of a single segment ("WCDelAckT … 200 milliseconds").
	probeDelayedACK = 200 * Millisecond
	// probeMargin keeps the probe timer from expiring on the very ACK it waits for
	// when the clock is coarse or round trips are microseconds.
	probeMargin = 2 * Millisecond
)

// probeTimeout is TLP_calc_PTO (RFC 8985 §7.2). There is an RTT sample whenever it is
// asked for, so the case without one does not arise.
func (c *Conn) probeTimeout() Duration {
	pto := 2*c.rtt.srtt + probeMargin
	if c.sb.len() == 1 {
		pto += probeDelayedACK
	}
	return pto
}

// mayProbe reports whether a tail loss probe is to be scheduled: SACK is in use, no
// loss is being repaired (§7.2), no probe is out, and the RTT was measured since the
// last one (§7.3).
func (c *Conn) mayProbe() bool {
	return c.opts.sack && c.rec.phase == recOpen && c.sb.lostHead == noSegment &&
		!c.rack.probeOut && c.rack.sampled && c.sndWnd > 0 && c.state.Synchronized()
}

// onLossProbeTimer is TLP_send_probe (§7.3): the probe goes out at the next poll.
func (c *Conn) onLossProbeTimer() {
	c.rack.probeDue = true
	c.pending = true
}

// sendLossProbe sends "a previously unsent segment … if the window allows", or
// else the last one again.
func (c *Conn) sendLossProbe(now Instant, b []byte) int {
	if c.sb.empty() || !c.mayProbe() {
		return 0
	}
	if c.plp.probe != 0 {
		c.abandonProbe() // what is resent must fit the path for certain
		c.sb.resegment(c.win.smss)
	}
	c.counters.LossProbes++
	var n int
	if c.state.canSend() && c.sndNxt.Less(c.sndBuf.end) {
		size := int64(min(uint32(c.sndNxt.Size(c.sndBuf.end)), c.win.smss))
		if size <= c.usableWindow() {
			t := c.transmitNew(now, uint32(size), false, c.inFlight())
			n = c.buildText(now, b, t)
			c.rack.probeRetrans = false
		}
	}
	if n == 0 {
		i := c.sb.tail - 1
		if c.sb.at(i).flags&txSacked != 0 {
			i = c.sb.flightTail // the newest that may still be missing
			if i == noSegment {
				return 0
			}
		}
		if int64(c.sndUna.Size(c.sb.at(i).end)) > int64(c.sndWnd) {
			i = c.sb.head // the peer has shrunk its window (SHLD-16)
		}
		n = c.resend(now, b, i)
		c.rack.probeRetrans = true
	}
	c.rack.probeOut, c.rack.probeEnd, c.rack.sampled = true, c.sndNxt, false
	c.timers.stop(timerLossProbe)
	c.setRexmit(now) // §7.3: "rearm the RTO timer"
	return n
}

// lossProbeACK is TLP_process_ack (§7.4.2): did the probe repair a loss?
func (c *Conn) lossProbeACK(a *ackWork, seg *wire.TCP) {
	r := &c.rack
	if !r.probeOut || seg.Ack.Less(r.probeEnd) {
		return
	}
	switch {
	case !r.probeRetrans:
		r.probeOut = false // the probe was new text: its ACK says nothing about a loss
	case a.dsack > 0:
		r.probeOut = false // both original and probe arrived
	case r.probeEnd.Less(seg.Ack):
		// "SEG.ACK > TLP.end_seq": the probe must have repaired a loss.
		r.probeOut = false
		c.lossByProbe(a)
	case a.ackedCum == 0 && a.dsack == 0 && len(seg.Payload) == 0 && seg.Opts.NumSACK == 0:
		r.probeOut = false // a second ACK of the end: both arrived, the peer has no DSACK
	}
}

// lossByProbe reacts to a loss that is repaired already: "invoke a congestion
// control response equivalent to a fast recovery".
func (c *Conn) lossByProbe(a *ackWork) {
	c.counters.ProbeRecoveries++
	c.rec.undo = undoState{}
	c.cc.onCongestionEvent(&c.win, a.now, congestionLoss, max(a.prior, c.win.smss))
	c.win.cwnd = min(c.win.cwnd, max(c.win.ssthresh, c.win.smss))
	c.cc.onExitRecovery(&c.win, a.now)
}
