package ourstack

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// receiveTCP handles a segment: verified, it goes to its connection, or to what may make one.
func (in *input) receiveTCP(local bool) {
	seg := &in.seg
	if e := seg.Parse(in.ip.Payload); e != wire.OK {
		in.dropWire(e)
		return
	}
	// "the receiver MUST check it" RFC 9293 §3.1 MUST-3
	if !wire.TCPChecksumOK(in.ip.Src, in.ip.Dst, in.ip.Payload) {
		in.dropWire(wire.BadChecksum)
		return
	}
	t := tcp.Tuple{
		Local:  tcp.Endpoint{Addr: in.ip.Dst, Port: seg.DstPort},
		Remote: tcp.Endpoint{Addr: in.ip.Src, Port: seg.SrcPort},
	}
	if in.conn == nil || in.tuple != t {
		in.endRun()
		in.startRun(t)
	}
	if in.conn == nil {
		in.drop(in.noConnection(t, local, nil))
		return
	}
	// "it MAY accept a new SYN from the remote TCP endpoint to reopen the connection directly from
	// TIME-WAIT state" RFC 9293 §3.6.1 MAY-2, RFC 6191 §2. A connection that is CLOSED, and only
	// waits for Output to take its RST, stands in the way of a new one just as little.
	if in.conn.tcb.AcceptsNewSYN(seg) || isSYN(seg) && in.conn.tcb.State() == tcp.StateClosed {
		old, minISS := in.conn, in.conn.tcb.NextISS()
		in.endRun()
		old.detach()
		in.drop(in.noConnection(t, local, &minISS))
		return
	}
	why := in.conn.tcb.HandleSegment(in.now, seg, in.ip.ECN())
	if why != tcp.DropNone {
		in.s.counters.drops.tcp[why].Add(1)
	}
}

// startRun looks up the connection and locks it.
func (in *input) startRun(t tcp.Tuple) {
	c := in.s.table.conn(t)
	if c == nil {
		return
	}
	c.lock()
	if c.detached {
		c.mu.Unlock()
		return
	}
	in.conn, in.tuple = c, t
}

// noConnection handles a segment that belongs to no connection. minISS is the least initial sequence
// number for a connection that replaces one in TIME-WAIT, nil otherwise.
func (in *input) noConnection(t tcp.Tuple, local bool, minISS *seqnum.Value) dropReason {
	seg := &in.seg
	if r := in.s.table.request(t); r != nil {
		if why, done := r.segmentArrives(in.now, seg); done {
			return why
		}
		if minISS == nil {
			minISS = r.minISS
		}
	}
	// "An incoming segment containing a RST is discarded." RFC 9293 §3.10.7.1
	if seg.Flags&wire.FlagRST != 0 {
		return dropNoConn
	}
	if seg.Flags.Has(wire.FlagSYN|wire.FlagFIN) && seg.Flags&wire.FlagACK == 0 {
		return dropTCPFlags // no sender means this; Linux discards it as well
	}
	switch {
	case local:
		if l := in.s.table.listener(t.Local); l != nil {
			return in.listenerSegment(l, t, minISS)
		}
	case isSYN(seg) && t.Local.Port != 0:
		if handler := in.s.forwardTCP.Load(); handler != nil {
			return in.raiseRequest(t, *handler, minISS)
		}
	}
	return in.refuse(t)
}

// refuse answers a segment for nobody with a RST, within the rate limit.
func (in *input) refuse(t tcp.Tuple) dropReason {
	if !in.s.rstLimit.allow(in.now, t.Remote.Addr) {
		return dropRSTLimit
	}
	in.s.sendReset(t, &in.seg)
	if isSYN(&in.seg) {
		return dropNoListener
	}
	return dropNoConn
}

// sendReset sends the RST that RFC 9293 §3.10.7.1 prescribes for seg.
func (s *Stack) sendReset(t tcp.Tuple, seg *wire.TCP) {
	rst := wire.TCP{SrcPort: t.Local.Port, DstPort: t.Remote.Port, Flags: wire.FlagRST}
	if seg.Flags&wire.FlagACK == 0 {
		// "<SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>"
		rst.Flags |= wire.FlagACK
		rst.Ack = seg.Seq.Add(seg.Len())
	} else {
		// "<SEQ=SEG.ACK><CTL=RST>"
		rst.Seq = seg.Ack
	}
	var b [wire.IPv4MinHeaderLen + wire.TCPMinHeaderLen]byte
	ip := wire.IPv4{
		TotalLen: len(b), DF: true, TTL: s.ttl(), Protocol: wire.ProtoTCP,
		Src: t.Local.Addr, Dst: t.Remote.Addr,
	}
	n := ip.Put(b[:])
	rst.Put(b[n:])
	wire.SetTCPChecksum(ip.Src, ip.Dst, b[n:])
	s.counters.resetsSent.Add(1)
	s.sendControl(b[:])
}

// listenerSegment is RFC 9293 §3.10.7.2 for a segment without RST.
func (in *input) listenerSegment(l *Listener, t tcp.Tuple, minISS *seqnum.Value) dropReason {
	switch {
	case isSYN(&in.seg):
		return in.listenerSYN(l, t, minISS)
	case in.seg.Flags&wire.FlagACK != 0 && in.seg.Flags&wire.FlagSYN == 0:
		return in.listenerACK(l, t)
	case in.seg.Flags&wire.FlagACK != 0:
		return in.refuse(t)
	default:
		// "Fourth, other data or control: This should not be reached. Drop the segment and return."
		return dropTCPFlags
	}
}

// listenerSYN answers a SYN with a connection in SYN-RECEIVED, with a cookie, or not at all.
func (in *input) listenerSYN(l *Listener, t tcp.Tuple, minISS *seqnum.Value) dropReason {
	switch l.admit(in.now) {
	case synDrop:
		return dropAcceptQueue
	case synCookies:
		in.s.sendCookie(in.now, t, &in.seg, in.ip.ECN())
		return dropSynQueue
	}
	c, err := in.s.openPassive(t, l, in.s.nextISS(in.now, t, minISS), nil)
	if err != nil {
		return dropConnLimit
	}
	in.s.counters.passiveOpens.Add(1)
	c.tcb.OpenPassive(in.now, &in.seg, in.ip.ECN())
	queued := l.enqueue(c)
	c.finish()
	if !queued {
		c.Abort(in.now)
	}
	return accepted
}

// listenerACK handles an ACK for a listener: it completes a SYN cookie, or belongs to nobody.
// "Any acknowledgment is bad if it arrives on a connection still in the LISTEN state. An acceptable
// reset segment should be formed" RFC 9293 §3.10.7.2.
func (in *input) listenerACK(l *Listener, t tcp.Tuple) dropReason {
	expected, room := l.expectsCookie(in.now)
	if !expected {
		return in.refuse(t)
	}
	cs, ok := in.s.cookies.check(in.now, t, &in.seg)
	if !ok {
		in.refuse(t)
		return dropBadCookie
	}
	if !room {
		return dropAcceptQueue // no RST: the client is good, and will try again
	}
	c, err := in.s.openPassive(t, l, in.seg.Ack.Sub(1), nil)
	if err != nil {
		return dropConnLimit
	}
	in.s.counters.cookieOpens.Add(1)
	queued := l.enqueue(c)
	c.tcb.OpenCookie(in.now, &in.seg, cs)
	why := c.tcb.HandleSegment(in.now, &in.seg, in.ip.ECN())
	if why != tcp.DropNone {
		in.s.counters.drops.tcp[why].Add(1)
	}
	c.finish()
	if !queued {
		c.Abort(in.now)
	}
	return accepted
}

// openPassive makes and registers a connection for a SYN that a listener (l) or a forward request
// (instead) has admitted. Its mutex is locked.
func (s *Stack) openPassive(t tcp.Tuple, l *Listener, iss seqnum.Value, instead *TCPRequest) (*Conn, error) {
	r := s.acquireRemote(t.Remote.Addr)
	if !reserve(&s.connCount, s.limits.Conns, &r.conns, s.limits.ConnsPerRemote) {
		r.release()
		return nil, ErrLimit
	}
	c := s.newConn(r, t, l, iss)
	if !s.table.addConn(c, instead) {
		c.mu.Unlock()
		unreserve(&s.connCount, &r.conns)
		r.release()
		return nil, ErrAddrInUse
	}
	return s.unlessClosed(c)
}

// nextISS returns the initial sequence number for a passive open, not below minISS.
func (s *Stack) nextISS(now tcp.Instant, t tcp.Tuple, minISS *seqnum.Value) seqnum.Value {
	iss := s.iss(now, t)
	if minISS != nil {
		iss = seqnum.Max(iss, *minISS)
	}
	return iss
}

// ttl is the time to live of packets that belong to no connection.
func (s *Stack) ttl() uint8 {
	if s.cfg.TCP.TTL != 0 {
		return s.cfg.TCP.TTL
	}
	return 64
}
