package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// The functions of this file write one segment each. They decide nothing.

// header sets the fields of h, which is zero, that all segments of the connection have in common.
func (c *Conn) header(h *wire.TCP, now Instant, seq seqnum.Value, flags wire.Flags) {
	// The addresses are those of the SYN for all of the connection's life (MUST-45). No
	// URG: new applications should do without (SHLD-13).
	h.SrcPort, h.DstPort = c.tuple.Local.Port, c.tuple.Remote.Port
	h.Seq, h.Ack, h.Flags, h.Wnd = seq, c.rcvNxt, flags|wire.FlagACK, c.advertise()
	if c.opts.timestamps {
		h.Opts.HasTimestamps = true
		h.Opts.TSVal, h.Opts.TSEcr = c.tsNow(now), c.tsRecent
	}
	if c.ack.ece {
		h.Flags |= wire.FlagECE
	}
}

// finish writes the header in front of n bytes of payload that are in place
// after it, with the checksum.
func (c *Conn) finish(b []byte, h *wire.TCP, n int, sum uint32) int {
	return h.PutSummed(c.tuple.Local.Addr, c.tuple.Remote.Addr, b, n, sum) + n
}

// buildText writes the segment t: text, FIN or both.
func (c *Conn) buildText(now Instant, b []byte, t *txSegment) int {
	var h wire.TCP
	c.header(&h, now, t.seq, c.psh(t.end))
	n := int(t.len())
	if t.flags&txFIN != 0 {
		n--
		h.Flags |= wire.FlagFIN
	}
	if n == 0 {
		h.Flags &^= wire.FlagPSH
	}
	if c.rec.cwrDue && n > 0 && t.flags&txRetrans == 0 {
		h.Flags |= wire.FlagCWR // RFC 3168 §6.1.2: on the first new text after the reduction
		c.rec.cwrDue = false
	}
	c.acked(!c.hasSACK())
	hl := h.HeaderLen()
	sum := c.sndBuf.copyTo(b[hl:], t.seq, n)
	return c.finish(b, &h, n, sum)
}

// buildACK writes a segment without text: "<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>".
func (c *Conn) buildACK(now Instant, b []byte) int {
	var h wire.TCP
	c.header(&h, now, c.ackSeq(), 0)
	if c.hasSACK() {
		c.putSACK(&h.Opts)
	}
	c.acked(true)
	return c.finish(b, &h, 0, 0)
}

// ackSeq is the sequence number of a pure ACK: SND.NXT, but not beyond the window
// that the peer offers now, or a peer that has shrunk it would not accept the ACK
// (bug class 7).
func (c *Conn) ackSeq() seqnum.Value {
	if c.usableWindow() >= 0 {
		return c.sndNxt
	}
	return c.sndUna.Add(seqnum.Size(c.sndWnd))
}

// buildKeepAlive writes a probe for a segment that was received long ago: "it
// SHOULD be … without any data" and SEG.SEQ = SND.NXT-1 (RFC 9293 §3.8.4, SHLD-12).
func (c *Conn) buildKeepAlive(now Instant, b []byte) int {
	var h wire.TCP
	c.header(&h, now, c.sndNxt.Sub(1), 0)
	c.counters.KeepAlives++
	return c.finish(b, &h, 0, 0)
}

// buildSYN writes our SYN, or SYN-ACK in SYN-RECEIVED, with all options.
func (c *Conn) buildSYN(now Instant, b []byte) int {
	h := wire.TCP{
		SrcPort: c.tuple.Local.Port, DstPort: c.tuple.Remote.Port,
		Seq: c.iss, Flags: wire.FlagSYN,
		Wnd: uint16(min(c.tune.rcvBuf, 0xFFFF)), // never scaled (RFC 7323 §2.2)
	}
	o := &h.Opts
	o.HasMSS, o.MSS = true, c.localMSS() // MUST-14, SHLD-5, MAY-3; in SYNs only: MUST-65
	if c.state == StateSynSent {
		o.SACKPermitted = true
		o.HasTimestamps, o.TSVal = true, c.tsNow(now)
		o.HasWndScale, o.WndScale = true, c.opts.rcvWindShift
		if c.cfg.ECN && c.sb.at(c.sb.head).flags&txRetrans == 0 {
			h.Flags |= wire.FlagECE | wire.FlagCWR // a repeated SYN does without (RFC 3168 §6.1.1.1)
		}
		return c.finish(b, &h, 0, 0)
	}
	h.Flags |= wire.FlagACK
	h.Ack = c.rcvNxt
	o.SACKPermitted = c.opts.sack
	if c.opts.timestamps {
		o.HasTimestamps, o.TSVal, o.TSEcr = true, c.tsNow(now), c.tsRecent
	}
	if c.opts.windowScale {
		o.HasWndScale, o.WndScale = true, c.opts.rcvWindShift
	}
	if c.opts.ecn {
		h.Flags |= wire.FlagECE
	}
	c.ack.lastSent = c.rcvNxt
	c.ack.now = false
	return c.finish(b, &h, 0, 0)
}

// buildRST writes the reset that is due.
func (c *Conn) buildRST(b []byte) int {
	h := wire.TCP{
		SrcPort: c.tuple.Local.Port, DstPort: c.tuple.Remote.Port,
		Seq: c.rst.seq, Flags: wire.FlagRST,
	}
	if c.rst.withACK {
		h.Flags |= wire.FlagACK
		h.Ack = c.rst.ack
	}
	c.rst = pendingRST{}
	c.counters.ResetsOut++
	return c.finish(b, &h, 0, 0)
}
