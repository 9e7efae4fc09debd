package ourstack

import (
	"vpngw/ourstack/tcp"
)

// The user calls of RFC 9293 §3.10.2 to §3.10.6 on a Conn. None blocks.

// Write queues as much of p as there is room for and returns how much that is; ErrWouldBlock if
// none: EventWritable tells when to try again. p is copied. Errors: tcp.ErrClosing after
// CloseWrite or Close, or why the connection ended.
func (c *Conn) Write(now tcp.Instant, p []byte) (int, error) {
	c.lock()
	n, err := c.tcb.Write(now, p)
	c.finish()
	if n == 0 && err == nil && len(p) > 0 {
		err = ErrWouldBlock
	}
	return n, err
}

// WriteSpace appends room at the end of the send buffer to dst, in slices of at most one tcp.Block, up
// to dst's capacity. The caller may fill it without holding anything and then passes it on with
// CommitWrite, which must follow. There may be one writer only. Errors as for Write.
func (c *Conn) WriteSpace(dst [][]byte) ([][]byte, error) {
	n := len(dst)
	c.lock()
	dst, err := c.tcb.WriteSpace(dst)
	c.finish()
	if len(dst) == n && err == nil {
		err = ErrWouldBlock
	}
	return dst, err
}

// CommitWrite queues the first n bytes of what WriteSpace returned, and gives back what was not
// filled; n may be 0.
func (c *Conn) CommitWrite(now tcp.Instant, n int) error {
	c.lock()
	err := c.tcb.CommitWrite(now, n)
	c.finish()
	return err
}

// Read moves received bytes to p: io.EOF after the peer's FIN, ErrWouldBlock when there is nothing
// yet, the error of the connection once everything that arrived before it was read.
func (c *Conn) Read(now tcp.Instant, p []byte) (int, error) {
	c.lock()
	n, err := c.tcb.Read(now, p)
	c.finish()
	if n == 0 && err == nil && len(p) > 0 {
		err = ErrWouldBlock
	}
	return n, err
}

// Peek appends the received bytes to dst, in slices, up to dst's capacity. They stay valid without
// holding anything until Discard, which must follow. There may be one reader only. Errors as
// for Read.
func (c *Conn) Peek(dst [][]byte) ([][]byte, error) {
	n := len(dst)
	c.lock()
	dst, err := c.tcb.Peek(dst)
	c.finish()
	if len(dst) == n && err == nil {
		err = ErrWouldBlock
	}
	return dst, err
}

// Discard says that the first n bytes of what Peek returned have been read; n may be 0.
func (c *Conn) Discard(now tcp.Instant, n int) {
	c.lock()
	c.tcb.Discard(now, n)
	c.finish()
}

// CloseWrite sends a FIN after what was written; reading goes on (RFC 9293 §3.6).
func (c *Conn) CloseWrite(now tcp.Instant) error {
	c.lock()
	err := c.tcb.CloseWrite(now)
	c.finish()
	return err
}

// CloseRead discards what arrives from now on.
func (c *Conn) CloseRead(now tcp.Instant) {
	c.lock()
	c.tcb.CloseRead(now)
	c.finish()
}

// Close ends both directions: what was written is still delivered, and the stack then forgets the
// connection by itself. Unread data is lost, which the peer learns by a RST (RFC 9293 §3.6.1).
func (c *Conn) Close(now tcp.Instant) {
	c.lock()
	c.tcb.Close(now)
	c.finish()
}

// Abort sends a RST and discards everything (RFC 9293 §3.10.5).
func (c *Conn) Abort(now tcp.Instant) {
	c.lock()
	c.tcb.Abort(now)
	c.finish()
}

// State returns the state of the connection (RFC 9293 §3.3.2).
func (c *Conn) State() tcp.State {
	defer c.view()(c)
	return c.tcb.State()
}

// Err returns why the connection ended, nil while it has not or if it ended in order.
func (c *Conn) Err() error {
	defer c.view()(c)
	return c.tcb.Err()
}

// SoftError returns the last error that did not end the connection (RFC 9293 §3.9.2.2).
func (c *Conn) SoftError() error {
	defer c.view()(c)
	return c.tcb.SoftError()
}

// Readable reports whether Read would return something else than ErrWouldBlock.
func (c *Conn) Readable() bool {
	defer c.view()(c)
	return c.tcb.Readable()
}

// Writable reports whether Write would return something else than ErrWouldBlock.
func (c *Conn) Writable() bool {
	defer c.view()(c)
	return c.tcb.Writable()
}

// Unsent returns the bytes written but not yet acknowledged by the peer.
func (c *Conn) Unsent() int {
	defer c.view()(c)
	return c.tcb.Unsent()
}

// AwaitDelivery reports whether the peer has acknowledged all that was written, or never will because
// the connection is over. If not, EventWritable tells when to ask again.
func (c *Conn) AwaitDelivery() bool {
	c.lock()
	defer c.finish()
	return c.tcb.AwaitDelivery()
}

// Released reports whether the stack has forgotten the connection: nothing more will be sent.
func (c *Conn) Released() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.detached
}

// Info returns what TCP_INFO would give.
func (c *Conn) Info(now tcp.Instant) tcp.Info {
	defer c.view()(c)
	return c.tcb.Info(now)
}

// SetNoDelay switches the Nagle algorithm off or on (RFC 9293 §3.7.4).
func (c *Conn) SetNoDelay(on bool) {
	c.lock()
	c.tcb.SetNoDelay(on)
	c.finish()
}

// SetKeepAlive changes the keep-alive setting (RFC 9293 §3.8.4).
func (c *Conn) SetKeepAlive(now tcp.Instant, k tcp.KeepAliveConfig) {
	c.lock()
	c.tcb.SetKeepAlive(now, k)
	c.finish()
}

// SetUserTimeout sets how long sent data may stay unacknowledged; 0 means the default.
func (c *Conn) SetUserTimeout(d tcp.Duration) {
	c.lock()
	c.tcb.SetUserTimeout(d)
	c.finish()
}

// SetReadBuffer fixes the receive buffer at n bytes instead of letting measurement choose.
func (c *Conn) SetReadBuffer(n int) {
	c.lock()
	c.tcb.SetReadBuffer(n)
	c.finish()
}

// SetWriteBuffer fixes the send buffer at n bytes instead of letting measurement choose.
func (c *Conn) SetWriteBuffer(n int) {
	c.lock()
	c.tcb.SetWriteBuffer(n)
	c.finish()
}

// SetDSCP sets the differentiated services field of outgoing packets, 0–63.
func (c *Conn) SetDSCP(dscp uint8) {
	c.lock()
	c.tcb.SetDSCP(dscp)
	c.finish()
}

// SetTTL sets the time to live of outgoing packets, 1–255.
func (c *Conn) SetTTL(ttl uint8) {
	c.lock()
	c.tcb.SetTTL(ttl)
	c.finish()
}
