package tcp

// Path is what the connections with one peer have in common on the way to it and back. It may be called
// concurrently.
type Path interface {
	// LeastRTT returns the least round-trip time of all of them. own is that of the caller, measured at the
	// time at; it is not 0.
	LeastRTT(own Duration, at Instant) Duration

	// InboundRound is called once per round trip, as the receiver sees it, by each connection that receives,
	// with the time of its last call and how many bytes have come since. It returns how many bytes on the way
	// to that connection may stand in queues.
	InboundRound(now, last Instant, received int) (standing int)
}

// leastRTT is the least round-trip time of this connection and of all others on the same path; 0 if this one
// has none. With the same one for all they keep each other in balance: whoever has measured a longer one, because
// the path was busy then, would be allowed more and more of it.
func (c *Conn) leastRTT() Duration {
	own := c.rtt.minRTT()
	if own == 0 || c.cfg.Path == nil {
		return own
	}
	return c.cfg.Path.LeastRTT(own, c.rtt.minRTTAt())
}
