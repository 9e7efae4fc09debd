package gateway

import (
	"io"
	"sync"

	"vpngw/adapter"
	"vpngw/cmd/vpngw/internal/hosttcp"
	"vpngw/cmd/vpngw/internal/mmsg"
)

// An eventPipe is what pipe does, without a goroutine for each direction: a flow on which nothing
// happens, or whose sink takes nothing, has none. A direction runs in a goroutine while there is something
// to move, and is started again when its source, or its sink, tells that there is.
type eventPipe struct {
	t      *tcpFlow
	down   *adapter.TCPConn
	up     *hosttcp.Socket
	source *adapter.Source // up, as the direction toClient reads it

	mu         sync.Mutex // guards the fields below
	directions [2]direction
	begun      bool // begin was called, or is about to be
	over       bool // nothing is to be moved any more
	finished   bool // finish was called, or is about to be
}

// way is an index of eventPipe.directions.
type way int

const (
	toUpstream way = iota
	toClient
)

type direction struct {
	running bool
	again   bool // something has changed since it began to look
	noRoom  bool // its sink took no more
	ended   bool // its source has been read to its end: only a reset is awaited
}

// carry copies both ways until the flow has ended; then t.gone is called. It does not block.
func (t *tcpFlow) carry() {
	up, isSocket := t.up.(*hosttcp.Socket)
	if !isSocket {
		go t.carryBlocking()
		return
	}
	down, ok := t.down.(*adapter.TCPConn)
	if !ok {
		go t.carryConn(up)
		return
	}
	e := &eventPipe{t: t, down: down, up: up}
	t.mu.Lock()
	t.stopped = e.stop
	aborted := t.aborted != nil
	t.mu.Unlock()
	down.Watch(e.clientChanged)
	switch {
	case aborted:
		e.stop()
	case down.Connected():
		e.kick(toUpstream, false)
	}
}

// begin is what is left to do when the client has completed its handshake: before, it waits for us.
func (e *eventPipe) begin() {
	_ = e.up.Configure(upstreamKeepAlive) // a socket that is closed already will say so
	e.source, _ = e.down.NewSource(e.up, mmsg.Readv)
	if e.up.Watch(e.upstreamChanged) == nil {
		e.acknowledge()
		e.run(toUpstream)
		return
	}
	e.mu.Lock()
	e.finished = true // this pipe: another way of copying takes over
	over := e.over
	e.mu.Unlock()
	e.down.Watch(nil)
	if over {
		e.t.gone()
		return
	}
	e.t.carryConn(e.up)
}

// acknowledge lets the destination know, with the first data if there are some, that the client is there.
func (e *eventPipe) acknowledge() {
	if e.down.WriteStep(e.up) == adapter.ErrNotReady { //nolint:errorlint // as it is
		_ = e.up.Acknowledge() // an error will show when the socket is used
	}
}

// carryConn is carry for a socket that cannot be watched, or is closed already.
func (t *tcpFlow) carryConn(up *hosttcp.Socket) {
	_ = up.Configure(upstreamKeepAlive)
	_ = up.Acknowledge()
	c, err := up.Conn()
	if err != nil {
		t.abort(err)
		t.gone()
		return
	}
	_ = c.SetKeepAliveConfig(upstreamKeepAlive) // package net has just set its own
	t.mu.Lock()
	t.up = c
	aborted := t.aborted != nil
	t.mu.Unlock()
	if aborted {
		reset(c) // it was the socket that abort closed
	}
	t.carryBlocking()
}

// clientChanged is called by the client's connection, upstreamChanged by the poller.
func (e *eventPipe) clientChanged(readable, writable bool) {
	if readable {
		e.kick(toUpstream, false)
	}
	if writable {
		e.kick(toClient, true)
	}
}

func (e *eventPipe) upstreamChanged(readable, writable bool) {
	if readable {
		e.kick(toClient, false)
	}
	if writable {
		e.kick(toUpstream, true)
	}
}

// kick makes a direction look for something to move: its source has something, or, if room is set, its
// sink may have room again, which matters only to a direction that found none. It does not block.
func (e *eventPipe) kick(w way, room bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := &e.directions[w]
	switch {
	case e.over:
	case d.running:
		d.again = true
	case !e.begun:
		e.begun = true
		e.directions[toUpstream].running = true // nothing ends the flow meanwhile
		go e.begin()
	case room && !d.noRoom:
	default:
		d.running = true
		go e.run(w)
	}
}

// stop ends the flow, whose connections have been reset or closed.
func (e *eventPipe) stop() {
	e.mu.Lock()
	e.over = true
	last := e.lastLocked()
	e.mu.Unlock()
	if last {
		e.finish()
	}
}

// lastLocked reports whether the caller is to finish the flow.
func (e *eventPipe) lastLocked() bool {
	if !e.over || e.finished || e.directions[toUpstream].running || e.directions[toClient].running {
		return false
	}
	e.finished = true
	return true
}

func (e *eventPipe) finish() {
	_ = e.up.Watch(nil)
	e.down.Watch(nil)
	e.t.gone()
}

// run moves what there is in one direction.
func (e *eventPipe) run(w way) {
	for {
		noRoom, err := e.move(w)
		if err != nil {
			e.fail(w, err)
		}
		e.mu.Lock()
		d := &e.directions[w]
		d.noRoom = noRoom
		if d.again && !e.over {
			d.again = false
			e.mu.Unlock()
			continue
		}
		d.running = false
		last := e.lastLocked()
		e.mu.Unlock()
		if last {
			e.finish()
		}
		return
	}
}

// move moves what there is now. An error ends the flow.
func (e *eventPipe) move(w way) (noRoom bool, err error) {
	if e.directions[w].ended { // written by this goroutine's predecessors alone
		return false, e.failure(w)
	}
	for {
		if w == toUpstream {
			err = e.down.WriteStep(e.up)
		} else {
			err = e.source.ReadStep()
		}
		switch err { //nolint:errorlint // as they are
		case nil:
		case adapter.ErrNotReady:
			return false, nil
		case adapter.ErrNoRoom:
			return true, nil
		case io.EOF:
			return false, e.end(w)
		default:
			return false, err
		}
	}
}

// end passes on the end of a direction's stream. The last one closes the connections; the first one
// goes on to watch: its source may still be reset, and the other side is to know at once.
func (e *eventPipe) end(w way) error {
	if w == toClient {
		if err := e.up.Lost(); err != nil {
			return err // the other direction was told of a reset, and this one met what looks like an end
		}
	}
	if err := e.closeWrite(w); err != nil {
		return err
	}
	e.mu.Lock()
	e.directions[w].ended = true
	both := e.directions[toUpstream].ended && e.directions[toClient].ended
	e.over = e.over || both
	e.mu.Unlock()
	if both {
		e.t.closeBoth()
		return nil
	}
	return e.failure(w)
}

// closeWrite passes on the end of direction w.
func (e *eventPipe) closeWrite(w way) error {
	if w == toClient {
		return e.down.CloseWrite()
	}
	e.mu.Lock()
	last := e.directions[toClient].ended
	e.mu.Unlock()
	if last {
		return nil // Close follows, and says it as well
	}
	return e.up.CloseWrite()
}

// failure says whether a direction's source, which has been read to its end, has been reset.
func (e *eventPipe) failure(w way) error {
	if w == toUpstream {
		return e.down.Failure()
	}
	return e.up.Failure()
}

// fail resets both sides because of err, which ended direction w.
func (e *eventPipe) fail(w way, err error) {
	e.mu.Lock()
	over := e.over
	e.mu.Unlock()
	if over {
		return // what this direction met is the end that the flow has come to
	}
	if failedUpstream(err, w == toClient) {
		e.t.settle()
	}
	e.t.abort(err)
}
