package tcp

import "vpngw/ourstack/seqnum"

// Packetization layer path MTU discovery (RFC 4821, RFC 8899), and what becomes of
// the path MTU that ICMP reported.
//
// A path that drops large packets without a word (a black hole) shows as timeouts
// of full segments. The size then falls to a base, in two steps, and the search for
// the largest size that passes begins: one segment of new text is sent larger than
// the path MTU, with ordinary ones behind it. If it is acknowledged it was small
// enough. If only the others are, it is resent in pieces, and that is no sign of
// congestion. What ICMP or the search found is questioned again after ten minutes.

const (
	// basePMTU, in bytes, is the first guess in a black hole: "The initial value for
	// search_low SHOULD be ... 1024 bytes" of text, RFC 4821 §7.2 and Linux
	// (tcp_base_mss). The second, in a deeper one, is minPMTU.
	basePMTU = 1024 + 40
	// blackHoleTimeouts is how many timeouts of one segment in a row make a black hole
	// likely, when it is larger than basePMTU and when it is not. The first may be
	// chance; at the second a smaller size costs little; the third is R1 of RFC 9293
	// §3.8.3, where Linux begins (tcp_mtu_probing 1).
	blackHoleTimeouts      = 2
	blackHoleTimeoutsSmall = 3
	// pmtuProbeTries is "MAX_PROBES ... The default value ... is 3" RFC 8899 §5.1.2.
	pmtuProbeTries = 3
	// pmtuSearchStep, in bytes, ends the search: less is not worth probing for.
	pmtuSearchStep = 32
	// pmtuRaise is "PMTU_RAISE_TIMER ... 600 seconds" (RFC 8899 §5.1.1) and the time
	// after which a reported PMTU is stale (RFC 1191 §6.3: ten minutes).
	pmtuRaise = 600 * Second
	// pmtuProbeFollowers is how many full segments must be ready to follow a probe:
	// their ACKs show whether it was lost.
	pmtuProbeFollowers = dupThresh
)

// pathSearch is the state of the search for a larger path MTU. All sizes are those of IP packets.
type pathSearch struct {
	searching bool
	first     bool // try the largest size first: most alarms are false or pass
	fromICMP  bool // the present value is a router's
	high      int  // the largest size that may pass
	tries     uint8
	raiseAt   Instant // when the search begins again; 0 = never

	probe    int          // size of the probe that is out; 0 = none
	probeSeq seqnum.Value // where it begins

	stuckAt seqnum.Value // SND.UNA at the last timeout
	stuck   uint8        // timeouts in a row there
}

// fullSize is the length of the IP packet that carries a full segment: the path MTU,
// unless the peer wants smaller segments.
func (c *Conn) fullSize() int { return c.packetSize(int(c.win.smss)) }

// packetSize returns the length of the IP packet with n octets of text.
func (c *Conn) packetSize(n int) int {
	if c.opts.timestamps {
		n += timestampOptionLen
	}
	return n + 40
}

// maxPMTU is the largest packet that both ends can take.
func (c *Conn) maxPMTU() int { return min(c.cfg.MTU, int(c.opts.peerMSS)+40) }

// sizeOf returns the length of the IP packet that carries t.
func (c *Conn) sizeOf(t *txSegment) int {
	n := int(t.len())
	if t.flags&txFIN != 0 {
		n--
	}
	return c.packetSize(n)
}

// oversize reports whether t no longer fits the path.
func (c *Conn) oversize(t *txSegment) bool { return c.sizeOf(t) > c.fullSize() }

// setPathMTU changes the size of segments from now on; what is outstanding the caller cuts, if
// need be.
func (c *Conn) setPathMTU(size int) {
	c.pmtu = size
	c.updateSMSS()
}

// suspectBlackHole looks at a timeout: the head of what is outstanding was lost
// again. From the second time on a full segment is taken to be too large.
func (c *Conn) suspectBlackHole(now Instant) {
	p := &c.plp
	c.abandonProbe()
	if p.stuckAt != c.sndUna {
		p.stuckAt, p.stuck = c.sndUna, 0
	}
	p.stuck = min(p.stuck+1, blackHoleTimeoutsSmall)
	size := c.sizeOf(c.sb.at(c.sb.head))
	if p.stuck < blackHoleTimeouts || size <= basePMTU && p.stuck < blackHoleTimeoutsSmall || size <= minPMTU {
		return
	}
	c.counters.BlackHoles++
	if !p.searching {
		p.high, p.first, p.tries = c.fullSize(), true, 0
	}
	p.searching, p.fromICMP, p.raiseAt = true, false, 0
	if size > basePMTU && c.fullSize() > basePMTU {
		c.setPathMTU(basePMTU)
	} else {
		c.setPathMTU(minPMTU)
	}
	c.sb.resegment(c.win.smss)
}

// routerPathMTU takes the next-hop MTU of a router (RFC 1191). Values below minPMTU are
// raised to it. What is larger than the present value is news of a probe, or none.
func (c *Conn) routerPathMTU(now Instant, mtu int) DropReason {
	p := &c.plp
	mtu = max(mtu, minPMTU)
	switch {
	case mtu < c.fullSize():
		c.abandonProbe()
		c.setPathMTU(mtu)
		c.sb.resegment(c.win.smss)
		c.sb.markAllLost()
		c.sb.relistLost()
		p.searching, p.fromICMP, p.raiseAt = false, true, now.Add(pmtuRaise)
	case mtu < p.probe:
		p.high, p.first, p.tries = mtu, false, 0
		i := c.sb.search(p.probeSeq)
		if c.sb.at(i).flags&(txSacked|txLost) == 0 {
			c.lost(i, now)
		}
	default:
		return DropICMPIgnored
	}
	// "the sender … retransmits the dropped segments" at once (RFC 1191 §6.4).
	c.rec.renoSacked = 0
	c.pending = true
	if !c.sb.empty() {
		c.resendUnreduced()
		c.timers.stop(timerLossProbe)
		c.setRexmit(now)
	}
	return DropNone
}

// resendUnreduced begins the repair of what was lost because of its size, and not
// by congestion: cwnd stays (RFC 4821 §7.6.2).
func (c *Conn) resendUnreduced() {
	if c.rec.phase == recOpen {
		c.rec.phase = recResend
		c.rec.point = c.sndNxt
		c.rec.undo = undoState{}
	}
	c.rec.force = true
}

// probeText returns how much of avail octets to send as a probe of a larger path
// MTU now; 0 = none.
func (c *Conn) probeText(now Instant, avail uint32) uint32 {
	p := &c.plp
	if !p.searching && (p.raiseAt == 0 || now < p.raiseAt) {
		return 0
	}
	if !p.searching && !c.searchAgain() {
		return 0
	}
	if p.probe != 0 || !c.opts.sack || c.rec.phase != recOpen || p.stuck > 0 && p.stuckAt == c.sndUna {
		return 0
	}
	size := p.high
	if !p.first {
		size = (c.fullSize() + p.high + 1) / 2
	}
	n := c.win.smss + uint32(max(size-c.fullSize(), 0))
	// "sufficient data following the probe" to detect its loss (RFC 4821 §7.4).
	need := n + pmtuProbeFollowers*c.win.smss
	if avail < need || int64(need) > c.usableWindow() || c.inFlight()+need > c.win.cwnd {
		return 0
	}
	return n
}

// searchAgain questions a path MTU that is ten minutes old.
func (c *Conn) searchAgain() bool {
	p := &c.plp
	p.raiseAt = 0
	if c.fullSize() >= c.maxPMTU() {
		return false
	}
	if !c.opts.sack {
		if p.fromICMP {
			c.setPathMTU(c.maxPMTU()) // the router will say if it is still too much
		}
		return false
	}
	p.searching, p.first, p.tries, p.high = true, true, 0, c.maxPMTU()
	return true
}

// probeSent notes that segment t is a probe.
func (c *Conn) probeSent(t *txSegment) {
	t.flags |= txMTUProbe
	c.plp.probe, c.plp.probeSeq = c.sizeOf(t), t.seq
	c.counters.MTUProbes++
}

// probeArrived raises the path MTU to the size of the probe.
func (c *Conn) probeArrived(now Instant, t *txSegment) {
	p := &c.plp
	t.flags &^= txMTUProbe
	c.setPathMTU(max(c.pmtu, p.probe))
	p.probe, p.tries, p.first, p.fromICMP = 0, 0, false, false
	c.checkSearch(now)
}

// probeLost narrows the search: at once after the first guess, else after
// pmtuProbeTries, since a probe can be lost like any segment.
func (c *Conn) probeLost(now Instant, t *txSegment) {
	p := &c.plp
	t.flags &^= txMTUProbe
	c.counters.MTUProbesLost++
	if p.tries++; p.first || p.tries >= pmtuProbeTries {
		p.high = min(p.high, p.probe-1)
		p.tries, p.first = 0, false
	}
	p.probe = 0
	c.checkSearch(now)
	c.resendUnreduced()
}

// checkSearch ends the search when there is nothing left to gain.
func (c *Conn) checkSearch(now Instant) {
	p := &c.plp
	if p.high-c.fullSize() >= pmtuSearchStep || p.first && p.high > c.fullSize() {
		return
	}
	p.searching = false
	if c.fullSize() < c.maxPMTU() {
		p.raiseAt = now.Add(pmtuRaise)
	}
}

// abandonProbe makes an ordinary segment of the probe that is out: what becomes of
// it tells nothing.
func (c *Conn) abandonProbe() {
	if c.plp.probe == 0 {
		return
	}
	c.plp.probe = 0
	if i := c.sb.search(c.plp.probeSeq); i != c.sb.tail {
		c.sb.at(i).flags &^= txMTUProbe
	}
}
