package gateway

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"vpngw/adapter"
	"vpngw/cmd/vpngw/internal/mmsg"
)

// An eventPipe is what pipe does, without a goroutine for each direction: a flow on which nothing
// happens has none. A direction runs in a goroutine while there is something to move, and is started
// again when its source, or its sink, tells that there is. A destination that does not read holds the
// goroutine of its flow, as in pipe.
type eventPipe struct {
	t      *tcpFlow
	down   *adapter.TCPConn
	up     *net.TCPConn
	source *adapter.Source // up, as the direction toClient reads it
	number uint64          // in the poller

	mu         sync.Mutex // guards the fields below
	directions [2]direction
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
	ended   bool // its source has been read to its end: only a reset is awaited
}

// carry copies both ways until the flow has ended; then t.gone is called, perhaps after carry has
// returned.
func (t *tcpFlow) carry() {
	down, ok := t.down.(*adapter.TCPConn)
	up, isSocket := t.up.(*net.TCPConn)
	if !ok || !isSocket {
		t.carryBlocking()
		return
	}
	e := &eventPipe{t: t, down: down, up: up}
	e.directions[toUpstream].running = true // by this goroutine: nothing ends the flow meanwhile
	source, ok := down.NewSource(up, mmsg.Readv)
	raw, err := up.SyscallConn()
	if !ok || err != nil {
		t.carryBlocking() // closed already: it says how
		return
	}
	e.source = source
	if err := t.f.poller.add(e, raw); err != nil {
		t.carryBlocking()
		return
	}
	t.mu.Lock()
	t.stopped = e.stop
	aborted := t.aborted != nil
	t.mu.Unlock()
	down.Watch(e.changed)
	if aborted {
		e.stop()
	}
	e.kick(toClient)
	e.run(toUpstream)
}

// changed is called by the client's connection.
func (e *eventPipe) changed(readable, writable bool) {
	if readable {
		e.kick(toUpstream)
	}
	if writable {
		e.kick(toClient)
	}
}

// kick makes a direction look for something to move. It does not block.
func (e *eventPipe) kick(w way) {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := &e.directions[w]
	switch {
	case e.over:
	case d.running:
		d.again = true
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
	e.t.f.poller.remove(e)
	e.down.Watch(nil)
	e.t.gone()
}

// run moves what there is in one direction.
func (e *eventPipe) run(w way) {
	for {
		err := e.move(w)
		if err != nil {
			e.fail(w, err)
		}
		e.mu.Lock()
		d := &e.directions[w]
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
func (e *eventPipe) move(w way) error {
	if e.directions[w].ended { // written by this goroutine's predecessors alone
		return e.failure(w)
	}
	for {
		var err error
		if w == toUpstream {
			_, err = e.down.WriteStep(e.up)
		} else {
			err = e.source.ReadStep()
		}
		switch err { //nolint:errorlint // as they are
		case nil:
		case adapter.ErrNotReady, adapter.ErrNoRoom:
			return nil
		case io.EOF:
			return e.end(w)
		default:
			return err
		}
	}
}

// end passes on the end of a direction's stream. The last one closes the connections; the first one
// goes on to watch: its source may still be reset, and the other side is to know at once.
func (e *eventPipe) end(w way) error {
	closeWrite := e.up.CloseWrite
	if w == toClient {
		closeWrite = e.down.CloseWrite
	}
	if err := closeWrite(); err != nil {
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

// failure says whether a direction's source, which has been read to its end, has been reset.
func (e *eventPipe) failure(w way) error {
	if w == toUpstream {
		return e.down.Failure()
	}
	raw, err := e.up.SyscallConn()
	if err != nil {
		return nil // closed
	}
	var errno int
	err = raw.Control(func(fd uintptr) { errno, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR) })
	if err != nil || errno == 0 {
		return nil
	}
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("getsockopt", syscall.Errno(errno))}
}

// fail resets both sides because of err, which ended direction w.
func (e *eventPipe) fail(w way, err error) {
	e.mu.Lock()
	over := e.over
	e.mu.Unlock()
	if over {
		return // what this direction met is the end that the flow has come to
	}
	src := tcpConn(e.down)
	if w == toClient {
		src = e.up
	}
	if e.t.failedUpstream(err, src) {
		e.t.settle()
	}
	e.t.abort(err)
}
