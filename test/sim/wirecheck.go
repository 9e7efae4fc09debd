package sim

import (
	"fmt"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// wireCheck watches what hosts send for promises that show on the wire alone: an ACK never goes
// back, and the right edge of a window never moves left (RFC 9293 §3.8.6, SHLD-14), except by less
// than the unit in which windows are told (RFC 7323 §2.4).
type wireCheck struct {
	ends map[wireEnd]*wireState
	err  error
}

// wireEnd is one direction of a connection.
type wireEnd struct {
	src, dst         wire.Addr
	srcPort, dstPort uint16
}

type wireState struct {
	iss       seqnum.Value // of the last SYN
	ack, edge seqnum.Value
	shift     uint8
	scaled    bool // the SYN of this end had a window scale
	seen      bool // ack and edge are valid
}

func (c *wireCheck) observe(from int, p []byte) {
	var ip wire.IPv4
	var seg wire.TCP
	if ip.Parse(p) != wire.OK || ip.Protocol != wire.ProtoTCP || seg.Parse(ip.Payload) != wire.OK {
		return
	}
	key := wireEnd{ip.Src, ip.Dst, seg.SrcPort, seg.DstPort}
	if c.ends == nil {
		c.ends = map[wireEnd]*wireState{}
	}
	s := c.ends[key]
	if s == nil {
		s = &wireState{}
		c.ends[key] = s
	}
	if seg.Flags&wire.FlagSYN != 0 {
		*s = wireState{iss: seg.Seq, scaled: seg.Opts.HasWndScale, shift: seg.Opts.WndScale}
	}
	if seg.Flags&wire.FlagACK == 0 || seg.Flags&wire.FlagRST != 0 {
		return
	}
	s.check(c, from, &seg, c.scales(key))
}

// scales reports whether both SYNs of a connection had a window scale (RFC 7323 §2.2).
func (c *wireCheck) scales(key wireEnd) bool {
	other := c.ends[wireEnd{key.dst, key.src, key.dstPort, key.srcPort}]
	return c.ends[key].scaled && other != nil && other.scaled
}

func (s *wireState) check(c *wireCheck, from int, seg *wire.TCP, scales bool) {
	edge := seg.Ack.Add(seqnum.Size(seg.Wnd) << s.unit(scales && seg.Flags&wire.FlagSYN == 0))
	if s.seen && c.err == nil {
		switch {
		case seg.Ack.Less(s.ack):
			c.err = fmt.Errorf("host %d port %d: the ACK goes back by %d", from, seg.SrcPort, s.ack.Diff(seg.Ack))
		case edge.Less(s.edge) && s.edge.Diff(edge) >= 1<<s.unit(scales):
			c.err = fmt.Errorf("host %d port %d: the right edge moves left by %d", from, seg.SrcPort, s.edge.Diff(edge))
		}
	}
	s.ack, s.edge, s.seen = seg.Ack, edge, true
}

// unit is the shift of the window field.
func (s *wireState) unit(scales bool) uint8 {
	if !scales {
		return 0
	}
	return s.shift
}
