package tcp

import "vpngw/ourstack/wire"

// negotiated is what the two SYNs agreed on (RFC 9293 §3.7.1, RFC 7323, RFC 2018).
type negotiated struct {
	peerMSS      uint32 // SendMSS, from the peer's MSS option
	timestamps   bool   // RFC 7323 §3.2
	sack         bool   // RFC 2018 §2
	windowScale  bool   // RFC 7323 §2.2
	sndWindShift uint8  // Snd.Wind.Shift
	rcvWindShift uint8  // Rcv.Wind.Shift
	ecn          bool   // RFC 3168 §6.1.1
}

// localMSS is the MSS to advertise: what fits the MTU without IP and TCP options
// (RFC 9293 §3.7.1: MUST-67, RFC 6691).
func (c *Conn) localMSS() uint16 { return uint16(max(c.cfg.MTU-40, minEffectiveMSS)) }

// rcvWindShiftFor returns the smallest shift with which a window of size bytes
// can be announced (RFC 7323 §2.3).
func rcvWindShiftFor(size int) uint8 {
	shift := uint8(0)
	for shift < maxWindowShift && size>>shift > 0xFFFF {
		shift++
	}
	return shift
}

// negotiate adopts the options of the peer's SYN or SYN-ACK.
func (c *Conn) negotiate(o *wire.Options) {
	n := &c.opts
	n.peerMSS = defaultMSS // RFC 9293 §3.7.1, MUST-15
	if o.HasMSS {
		n.peerMSS = uint32(o.MSS)
	}
	n.sack = o.SACKPermitted
	n.timestamps = o.HasTimestamps
	n.windowScale = o.HasWndScale
	if o.HasWndScale {
		// "If a Window Scale option is received with a shift.cnt value larger than
		// 14, the TCP SHOULD log the error but MUST use 14" RFC 7323 §2.3.
		n.sndWindShift = min(o.WndScale, maxWindowShift)
		n.rcvWindShift = rcvWindShiftFor(c.cfg.rcvBufMax())
	} else {
		n.sndWindShift, n.rcvWindShift = 0, 0
	}
	if n.timestamps {
		c.tsRecent = o.TSVal
	}
	c.updateSMSS()
}

// updateSMSS computes the effective send MSS: what the peer takes and what the
// path carries, options subtracted (RFC 9293 §3.7.1, MUST-16).
func (c *Conn) updateSMSS() {
	mss := min(c.opts.peerMSS, uint32(max(c.pmtu-40, 0)))
	if c.opts.timestamps {
		mss -= min(mss, timestampOptionLen)
	}
	c.win.smss = max(mss, minEffectiveMSS)
	if c.cc != nil {
		c.win.cwnd = max(c.win.cwnd, c.win.smss) // "never below smss", also when segments grow
	}
}

// timestampOptionLen is the length of a timestamp option with its padding (RFC
// 7323 appendix A).
const timestampOptionLen = 12

// tsNow is the timestamp clock: milliseconds from a random offset (RFC 7323
// §5.4: between 1 ms and 1 s; §7.1: an offset per connection).
func (c *Conn) tsNow(now Instant) uint32 {
	return uint32(uint64(now)/uint64(Millisecond)) + c.tsOffset
}
