package tcp

import "io"

// The user calls of RFC 9293 §3.10.1 to §3.10.6. None of them blocks.

// Write queues as much of p as there is room for: SEND (RFC 9293 §3.10.2). It
// returns 0 and no error when there is none; EventWritable then tells when there
// is. p is copied.
func (c *Conn) Write(now Instant, p []byte) (int, error) {
	if err := c.canWrite(); err != nil {
		return 0, err
	}
	room := c.sendRoom()
	n := c.sndBuf.write(c.mem(), p, room)
	if n > 0 {
		c.pending = true
	}
	if n < min(len(p), room) {
		c.awaitMemory()
	}
	if n < len(p) {
		c.user.wantWrite = true
	}
	return n, nil
}

// WriteSpace appends room at the end of the send buffer to dst, into which the
// caller may put text before it calls CommitWrite: in slices of at most one block
// each, up to dst's capacity; nothing when there is no room now. They stay valid, even
// while other calls are made, until CommitWrite, which must follow if any were
// returned. There may be one writer only.
func (c *Conn) WriteSpace(dst [][]byte) ([][]byte, error) {
	if err := c.canWrite(); err != nil {
		return dst, err
	}
	room := c.sendRoom()
	if room <= 0 {
		c.user.wantWrite = true
		return dst, nil
	}
	n := len(dst)
	dst = c.sndBuf.lend(c.mem(), dst, room)
	if len(dst) == n && n < cap(dst) {
		c.user.wantWrite = true
		c.awaitMemory()
	}
	return dst, nil
}

// CommitWrite queues the first n bytes of what WriteSpace returned; the blocks behind
// them go back.
func (c *Conn) CommitWrite(now Instant, n int) error {
	err := c.canWrite()
	if err != nil {
		n = 0
	}
	c.sndBuf.commit(c.mem(), n)
	if n > 0 {
		c.pending = true
	}
	return err
}

// awaitMemory makes the next poll set a timer that tells the writer to try again.
func (c *Conn) awaitMemory() {
	c.user.noMemory = true
	c.pending = true
}

// retryMemory tells a writer that found no memory to try again.
func (c *Conn) retryMemory() {
	c.user.noMemory = false
	if c.user.wantWrite {
		c.user.wantWrite = false
		c.events |= EventWritable
	}
}

func (c *Conn) canWrite() error {
	switch {
	case c.err != nil:
		return c.err
	case c.user.finQueued || c.user.closed:
		return ErrClosing
	case c.state == StateClosed:
		return ErrNotConnected
	}
	return nil
}

// sndLimit is how many bytes may be queued, in flight included.
func (c *Conn) sndLimit() int {
	if c.user.sndBufCap > 0 {
		return c.user.sndBufCap
	}
	n := c.cfg.sndBufInit()
	if c.mem().Pressure() == 0 {
		// Behind what is in flight, which can exceed cwnd by far while a hole is repaired, waits
		// up to as much again as may be.
		n = max(n, min(int(c.outstanding())+min(int(c.win.cwnd), unsentMax), c.cfg.sndBufMax()))
	}
	return n
}

func (c *Conn) sendRoom() int { return c.sndLimit() - c.sndBuf.len() }

// Writable reports whether Write would take something or fail.
func (c *Conn) Writable() bool { return c.canWrite() != nil || c.sendRoom() > 0 }

// Read moves received text to p: RECEIVE (RFC 9293 §3.10.3). It returns 0 and no
// error when there is none yet, io.EOF after the peer's FIN, and the error of the
// connection once all text that arrived in order has been read.
func (c *Conn) Read(now Instant, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if n := c.rcvBuf.read(c.mem(), p); n > 0 {
		c.consumed(now, n)
		return n, nil
	}
	return 0, c.readErr()
}

// Peek appends the text that can be read to dst, in slices, up to dst's capacity.
// The slices stay valid and unchanged, even while other calls are made, until
// Discard, which must follow if any were returned. There may be one reader only.
// With nothing to read, the error is as for Read.
func (c *Conn) Peek(dst [][]byte) ([][]byte, error) {
	if c.rcvBuf.unread() == 0 {
		return dst, c.readErr()
	}
	c.rcvBuf.peeked = true
	return c.rcvBuf.peek(dst), nil
}

// Discard forgets the first n bytes of what Peek returned: they were read.
func (c *Conn) Discard(now Instant, n int) {
	c.rcvBuf.peeked = false
	if c.rcvBuf.discard {
		c.rcvBuf.dropIdle(c.mem())
		return
	}
	c.rcvBuf.consume(c.mem(), n)
	c.consumed(now, n)
}

// consumed follows up on text that was read.
func (c *Conn) consumed(now Instant, n int) {
	if c.state == StateClosed {
		return
	}
	c.tune.onRead(c, now, n)
	if c.rcvBuf.unread() == 0 && !c.timers.isSet(timerIdle) {
		c.timers.set(timerIdle, now.Add(idleShrink))
	}
	if c.urgent && c.rcvUp.LessEq(c.rcvBuf.readSeq) {
		c.urgent = false
	}
	if c.windowUpdateDue() {
		c.ackNow()
	}
}

// readErr tells the reader how the text ended: "to distinguish a normal close from
// an abort" (RFC 9293 §3.6, MUST-12).
func (c *Conn) readErr() error {
	switch {
	case c.finIn:
		return io.EOF // everything the peer had to say was received, whatever came after
	case c.err != nil:
		return c.err
	case c.rcvBuf.discard && c.state != StateSynSent && c.state != StateSynReceived:
		return io.EOF
	case c.state == StateClosed:
		return ErrNotConnected
	}
	return nil
}

// Readable reports whether Read would return text or an error.
func (c *Conn) Readable() bool { return c.rcvBuf.unread() > 0 || c.readErr() != nil }

// CloseWrite sends a FIN after everything that was written: CLOSE as "I have no
// more data to send" (RFC 9293 §3.6, §3.10.4). Reading goes on.
func (c *Conn) CloseWrite(now Instant) error {
	switch {
	case c.err != nil:
		return c.err
	case c.state == StateClosed:
		return ErrNotConnected
	case c.user.finQueued:
		return nil
	case c.state == StateSynSent:
		// "Delete the TCB and return "error: closing" responses to any queued SENDs
		// or RECEIVEs." A FIN without text has nobody to go to.
		if c.sndBuf.len() == 0 {
			c.fail(ErrAborted)
			return nil
		}
	}
	c.user.finQueued = true
	c.pending = true
	switch c.state {
	case StateEstablished:
		c.setState(StateFinWait1)
	case StateCloseWait:
		c.setState(StateLastAck)
	}
	// In SYN-SENT and SYN-RECEIVED: "queue for processing after entering
	// ESTABLISHED state"; establish() looks.
	return nil
}

// CloseRead says that no text will be read any more: what arrives is acknowledged
// and forgotten.
func (c *Conn) CloseRead(now Instant) {
	unread := c.rcvBuf.unread()
	c.rcvBuf.discardAll(c.mem())
	c.events |= EventReadable
	if c.state.Synchronized() && unread > 0 {
		c.consumed(now, 0)
	}
}

// Close says that the connection will be neither read nor written any more (MAY-1). What
// was written is still delivered. If there is unread text it is lost, which the
// peer learns by a RST (RFC 9293 §3.6.1, SHLD-3; RFC 2525 §2.17).
func (c *Conn) Close(now Instant) {
	if c.user.closed {
		return
	}
	lost := c.rcvBuf.unread() > 0
	c.user.closed = true
	c.rcvBuf.discardAll(c.mem())
	switch {
	case c.state == StateClosed:
		c.pending = true
	case lost || c.state == StateSynSent:
		c.abortWith(now, ErrAborted)
	case c.state == StateSynReceived:
		_ = c.CloseWrite(now) // queued until the handshake completes
	case c.state == StateFinWait2:
		c.timers.set(timerState, now.Add(finWait2Timeout))
	default:
		_ = c.CloseWrite(now)
	}
	if c.state != StateClosed {
		c.user.progressAt = now
	}
}

// Abort sends a RST and forgets everything: ABORT (RFC 9293 §3.10.5).
func (c *Conn) Abort(now Instant) {
	if c.state == StateClosed {
		c.rcvBuf.discardAll(c.mem())
		c.user.closed = true
		return
	}
	c.abortWith(now, ErrAborted)
	c.user.closed = true
	c.rcvBuf.discardAll(c.mem())
}

// abortWith ends the connection with err and, where RFC 9293 §3.10.5 asks for
// it, a RST.
func (c *Conn) abortWith(now Instant, err error) {
	switch c.state {
	case StateSynReceived, StateEstablished, StateFinWait1, StateFinWait2, StateCloseWait,
		StateClosing, StateLastAck:
		// "<SEQ=SND.NXT><CTL=RST>". The ACK bit makes it acceptable to middleboxes.
		c.rst = pendingRST{set: true, seq: c.sndNxt, ack: c.rcvNxt, withACK: true}
	}
	c.fail(err)
}

// SetNoDelay switches the Nagle algorithm off or on (RFC 9293 §3.7.4, MUST-17).
func (c *Conn) SetNoDelay(on bool) {
	c.user.noDelay = on
	if on {
		c.pending = true
	}
}

// SetUserTimeout sets R2, how long text may stay unacknowledged; 0 restores the
// default (RFC 9293 §3.8.3, MUST-21).
func (c *Conn) SetUserTimeout(d Duration) {
	c.user.timeout = orDefault(d, orDefault(c.cfg.UserTimeout, DefaultUserTimeout))
	if at := c.giveUpAt(); at != 0 && c.timers.isSet(timerRexmit) {
		c.timers.set(timerRexmit, min(c.timers.at[timerRexmit], at))
	}
}

// SetReadBuffer fixes the receive buffer, and so the largest window, at n bytes
// instead of letting measurement choose. A window once announced is not withdrawn.
func (c *Conn) SetReadBuffer(n int) {
	n = min(max(n, 2*minEffectiveMSS), c.cfg.rcvBufMax())
	c.user.rcvBufCap = n
	c.tune.rcvBuf = n
	c.boundRanges()
	if c.state.Synchronized() && c.windowUpdateDue() {
		c.ackNow()
	}
}

// SetWriteBuffer fixes how many bytes may be queued for sending at n.
func (c *Conn) SetWriteBuffer(n int) {
	c.user.sndBufCap = min(max(n, 2*minEffectiveMSS), c.cfg.sndBufMax())
	c.wakeWriter() // whom no ACK might tell for long
}

// SetDSCP sets the DSCP (0–63) of outgoing packets; it may change at any time (RFC
// 9293 §3.9.1.9, SHLD-21).
func (c *Conn) SetDSCP(dscp uint8) { c.user.dscp = dscp & 63 }

// SetTTL sets the TTL of outgoing packets (RFC 9293 §3.9.2, MUST-49).
func (c *Conn) SetTTL(ttl uint8) { c.user.ttl = max(ttl, 1) }

// Unsent is the number of bytes written but not yet acknowledged by the peer
// (SetLinger waits for them).
func (c *Conn) Unsent() int { return c.sndBuf.len() }

// AwaitDelivery reports whether the peer has acknowledged all that was written, or never will because
// the connection is over. If not, EventWritable tells when to ask again.
func (c *Conn) AwaitDelivery() bool {
	c.user.wantEmpty = c.err == nil && c.sndBuf.len() > 0
	return !c.user.wantEmpty
}
