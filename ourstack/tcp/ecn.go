package tcp

import "vpngw/ourstack/wire"

// Explicit congestion notification (RFC 3168 §6.1, RFC 9293 §3.8.2, SHLD-8). The ECN field of an IP header:
const (
	ecnNotECT = 0
	ecnECT1   = 1
	ecnECT0   = 2
	ecnCE     = 3
)

// acceptECN looks at the peer's SYN: "ECN-setup SYN" has both ECE and CWR (§6.1.1).
// AccECN's AE bit in it makes no difference: it falls back to RFC 3168.
func (c *Conn) acceptECN(f wire.Flags) {
	c.opts.ecn = c.cfg.ECN && f&(wire.FlagECE|wire.FlagCWR) == wire.FlagECE|wire.FlagCWR
}

// acceptECNReply looks at the SYN-ACK: "ECN-setup SYN-ACK" has ECE and not CWR.
func (c *Conn) acceptECNReply(f wire.Flags) {
	c.opts.ecn = c.cfg.ECN && f&(wire.FlagECE|wire.FlagCWR) == wire.FlagECE
}

// receiveECN handles both roles for an acceptable segment: as receiver of text,
// echo CE until CWR (§6.1.3); as sender, react to ECE once a window (§6.1.2).
func (c *Conn) receiveECN(seg *wire.TCP, ecn uint8) {
	if !c.opts.ecn {
		return
	}
	if c.rec.ecnValid && c.rec.ecnPoint.LessEq(c.sndUna) {
		c.rec.ecnValid = false // before it is so far behind that it looks like the future
	}
	if seg.Flags&wire.FlagCWR != 0 && len(seg.Payload) > 0 {
		c.ack.ece = false
	}
	if ecn == ecnCE {
		c.counters.CEIn++
		if !c.ack.ece {
			c.ackNow() // the sender should hear of the first mark without delay
		}
		c.ack.ece = true
	}
}

// reactECE reduces the window on an echo, at most once a round trip.
func (c *Conn) reactECE(now Instant, seg *wire.TCP) bool {
	if !c.opts.ecn || seg.Flags&wire.FlagECE == 0 || c.cc == nil {
		return false
	}
	if c.rec.phase != recOpen || c.rec.ecnValid && c.sndUna.Less(c.rec.ecnPoint) {
		return true
	}
	c.rec.ecnPoint, c.rec.ecnValid = c.sndNxt, true
	c.rec.cwrDue = true
	c.cc.onCongestionEvent(&c.win, now, congestionECN, c.inFlight())
	c.win.cwnd = min(c.win.cwnd, max(c.win.ssthresh, c.win.smss))
	return true
}

// ecnField is the field for a segment with n bytes of text: "ECT" only on new
// text, never on retransmissions, probes and pure ACKs (§6.1.4, §6.1.5, §6.1.6).
func (c *Conn) ecnField(n int, retransmission bool) uint8 {
	if !c.opts.ecn || n == 0 || retransmission {
		return ecnNotECT
	}
	return ecnECT0
}
