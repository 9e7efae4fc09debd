package gateway

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// carryBlocking copies both ways until the flow has ended, then calls gone. It blocks.
func (t *tcpFlow) carryBlocking() {
	t.pipe(t.up.(tcpConn))
	t.gone()
}

// pipe copies both ways until the flow has ended. It returns nil if it ended in order, otherwise
// why it was reset.
//
// Order carries over: what a side sent before it closed arrives before the other side learns of it.
// So does pressure: a side that stops reading blocks only its own copy, whose other side's window
// then closes. Each direction closes on its own (half-close). Any error, on whichever side it
// shows, resets both: the side it came from is dead, and the other must not take what it got for
// the whole.
func (t *tcpFlow) pipe(up tcpConn) error {
	var other sync.WaitGroup
	other.Go(func() { t.half(t.down, up) })
	t.half(up, t.down)
	other.Wait()

	t.mu.Lock()
	defer t.mu.Unlock()
	return t.aborted
}

// half runs one direction. The one that ends last closes the connections; the one that
// ends first goes on to watch: a side that has sent all may still be reset, and the other side is
// to know at once, not when it next sends.
func (t *tcpFlow) half(src, dst tcpConn) {
	err := t.copyAll(src, dst)
	if err == nil && t.halves.Add(1) < 2 {
		err = awaitReset(src)
	}
	switch {
	case err != nil:
		if failedUpstream(err, src != t.down) {
			t.settle()
		}
		t.abort(err)
	case t.halves.Load() == 2:
		t.closeBoth()
	}
}

// closeBoth ends a flow whose directions have both ended in order. The flow goes on until the client has
// all that the destination sent: so Drain waits for it, and the peer's budget counts it.
func (t *tcpFlow) closeBoth() {
	_ = t.up.Close()
	if down, ok := t.down.(deliverer); ok {
		_ = down.AwaitDelivery(deliverMax)
	}
	_ = t.down.Close()
}

// copyAll carries one side's data, and its FIN, to the other. It is for the client's connection to read
// and to write: it does so from and to its own buffers.
func (t *tcpFlow) copyAll(src, dst tcpConn) error {
	var err error
	if src == t.down {
		_, err = src.WriteTo(dst)
	} else {
		_, err = dst.ReadFrom(src)
	}
	if err != nil {
		return err
	}
	return dst.CloseWrite()
}

// failedUpstream says whether err, which ended the direction from the destination, or the other one,
// came from the destination's side.
func failedUpstream(err error, fromDestination bool) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "read") == fromDestination
}

// A deliverer is a connection that tells when what was written has arrived: *adapter.TCPConn.
type deliverer interface {
	// AwaitDelivery blocks until the other side has acknowledged everything, or for limit, or until
	// the connection is over.
	AwaitDelivery(limit time.Duration) error
}

// settle gives what the destination sent before it reset the time to reach the client. Without the
// gateway between, it would have been ahead of the RST; the reset of our own side would drop it.
func (t *tcpFlow) settle() {
	if down, ok := t.down.(deliverer); ok {
		_ = down.AwaitDelivery(settleMax)
	}
}

// reset ends a connection with RST. RFC 9293 §3.10.5: ABORT.
func reset(c upstream) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// A resetWatcher is a connection that tells of its end without being read: see awaitReset.
type resetWatcher interface {
	// AwaitReset blocks until the connection is over: it returns why the other side, or the
	// network, ended it, or nil if this side did.
	AwaitReset() error
}

// awaitReset blocks until c, which has been read to its end, is reset or closed on this side (nil).
func awaitReset(c tcpConn) error {
	switch c := c.(type) {
	case resetWatcher:
		return c.AwaitReset()
	case syscall.Conn:
		return awaitSocketReset(c)
	}
	return nil
}
