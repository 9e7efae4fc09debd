package tcp

// Standing is an estimate of how many of the bytes in flight stand in a queue rather than travel: what
// is in flight beyond twice what the path itself holds. By Little's law the latter is the
// share of what is in flight that the least round-trip time has of the present one; twice
// it leaves a slow start, which doubles per round trip, alone.
func (c *Conn) Standing() int {
	pipe, rtt, least := int64(c.inFlight()), int64(c.rtt.srtt), int64(c.rtt.minRTT())
	if pipe == 0 || rtt <= 2*least {
		return 0
	}
	return int(pipe - int64(mulDiv(uint64(pipe), uint64(2*least), uint64(rtt))))
}

// Hold says whether new text, and a FIN, is to be kept back for now: PollSegment then yields
// acknowledgments, retransmissions and probes only.
func (c *Conn) Hold(on bool) { c.hold, c.heldBack = on, false }

// HeldBack reports whether Hold kept something back since it was called.
func (c *Conn) HeldBack() bool { return c.heldBack }
