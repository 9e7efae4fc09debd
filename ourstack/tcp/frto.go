package tcp

// F-RTO (RFC 5682): was a retransmission timeout spurious? After it only the first
// segment is resent. Once that is acknowledged, up to two segments of new text go
// out instead of further retransmissions. If the next ACK reports text that was
// never resent, its original has arrived after the timer: nothing was lost.
//
// It serves peers without timestamps; with them the first ACK tells (Eifel, undo.go).

// frtoStep is the step of the algorithm that comes next (RFC 5682 §2.1, §3.1).
type frtoStep uint8

const (
	frtoOff   frtoStep = iota // not in use, or decided
	frtoWait                  // step 2: the ACK of what the timeout has resent
	frtoProbe                 // step 3: the ACK after that
)

// frtoNewSegments: "transmit up to two new (previously unsent) segments".
const frtoNewSegments = 2

type frtoState struct {
	step frtoStep
	sent uint8 // new segments sent in frtoProbe
}

// startFRTO is step 1, at a timeout. "This algorithm SHOULD NOT be applied if the TCP
// sender is already in loss recovery when a retransmission timeout occurs" (§3.1),
// except when the timer expires again for the same segment (§3.2).
func (c *Conn) startFRTO() {
	f := &c.rec.frto
	again := c.rec.phase == recRTO && f.step == frtoWait
	f.step, f.sent = frtoOff, 0
	if c.rec.phase == recOpen || again {
		f.step = frtoWait
	}
}

// frtoACK takes an ACK through steps 2 and 3.
func (c *Conn) frtoACK(a *ackWork) {
	f := &c.rec.frto
	if c.rec.phase != recRTO {
		f.step = frtoOff
		return
	}
	switch f.step {
	case frtoOff:
	case frtoWait:
		c.frtoStep2(a)
	case frtoProbe:
		c.frtoStep3(a)
	}
}

// frtoStep2: the ACK of what was resent decides whether to probe.
func (c *Conn) frtoStep2(a *ackWork) {
	f := &c.rec.frto
	if a.ackedCum == 0 {
		switch {
		case a.original:
			// DEVIATION RFC 5682 §3.1 (2): "If duplicate ACKs arrive before the cumulative
			// acknowledgment for retransmitted data, ... stay in step 2". As in Linux, an
			// original that is selectively acknowledged now shows that the pipe was not
			// empty: the timer was early. If the head is lost nevertheless, RACK finds out
			// without waiting for another timeout.
			c.spuriousTimeout(a)
		case a.duplicate && !c.opts.sack:
			f.step = frtoOff // §2.1 (2a)
		}
		return
	}
	f.step = frtoOff
	switch {
	case !c.sndUna.Less(c.rec.point):
		// "If the Cumulative Acknowledgment field covers "RecoveryPoint" ... revert" (2a).
	case !c.sb.empty() && c.sb.at(c.sb.head).flags&(txRetrans|txLost) == txRetrans:
		// "does not acknowledge all of the data that was retransmitted in step 1" §2.1 (2a).
	case c.hasNewSegment():
		f.step, f.sent = frtoProbe, 0 // (2b)
	}
}

// hasNewSegment reports whether text that was never sent may be sent now.
func (c *Conn) hasNewSegment() bool {
	if !c.state.canSend() || !c.sndNxt.Less(c.sndBuf.end) {
		return false
	}
	_, ok := c.segmentSize(uint32(c.sndNxt.Size(c.sndBuf.end)), false)
	return ok
}

// frtoStep3: what does the second ACK report?
func (c *Conn) frtoStep3(a *ackWork) {
	switch {
	case a.beyond || a.duplicate && !a.original:
		// (3a) "covers more than RecoveryPoint", or "a duplicate ACK and it does not
		// acknowledge any new ... data below RecoveryPoint": the loss was real.
		c.rec.frto.step = frtoOff
	case a.original:
		c.spuriousTimeout(a) // (3b) "declare the timeout spurious"
	}
	// "Other types of ACKs are ignored without any action."
}

func (c *Conn) spuriousTimeout(a *ackWork) {
	c.counters.SpuriousTimeouts++
	c.undo(a)
}

// noteOriginal notes for step 3 whether t, which was sent once and has now been
// delivered, was sent before or after the timeout.
func (c *Conn) noteOriginal(a *ackWork, t *txSegment) {
	if c.rec.point.Less(t.end) {
		a.beyond = true
	} else {
		a.original = true
	}
}

// maySendNew holds new text to the two segments of step 2.
func (f *frtoState) maySendNew() bool {
	return f.step == frtoOff || f.step == frtoProbe && f.sent < frtoNewSegments
}

// onNew counts a segment that is sent for the first time.
func (f *frtoState) onNew() {
	if f.step == frtoProbe {
		f.sent++
	}
}

// frtoHolds reports whether segment t, which is lost, has to wait for F-RTO.
func (c *Conn) frtoHolds(t *txSegment) bool {
	switch c.rec.frto.step {
	case frtoWait:
		return t.seq != c.sndUna
	case frtoProbe:
		return true
	default:
		return false
	}
}
