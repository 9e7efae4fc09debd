package tcp

// Standing is an estimate of how many of the bytes in flight stand in a queue rather than travel: what
// is in flight beyond twice what the path itself holds, and beyond what comes and goes in
// batchTime. By Little's law that is the share of what is in flight that these times have of the
// present round-trip time; twice the least one leaves a slow start, which doubles per round
// trip, alone.
func (c *Conn) Standing() int {
	pipe, rtt := uint64(c.inFlight()), uint64(c.rtt.srtt)
	if pipe == 0 || rtt <= uint64(batchTime) {
		return 0
	}
	moving := uint64(2*c.leastRTT() + batchTime)
	if rtt <= moving {
		return 0
	}
	return int(pipe - mulDiv(pipe, moving, rtt))
}

// Hold says whether new text, and a FIN, is to be kept back for now: PollSegment then yields
// acknowledgments, retransmissions and probes only.
func (c *Conn) Hold(on bool) { c.hold, c.heldBack = on, false }

// HeldBack reports whether Hold kept something back since it was called.
func (c *Conn) HeldBack() bool { return c.heldBack }
