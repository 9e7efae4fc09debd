package adapter

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
)

// A gate is where the callers of one direction of a socket (its readers, or its
// writers) wait. The stack below never blocks: it answers "would block" and later
// reports that something changed. A gate turns that into calls that block, and that
// Close and an expired deadline end.
//
// Where callers need not be told apart (datagrams, Accept), a call is
//
//	err → { arm → try the stack → wait, if it would block }
//
// and where one call must be over before the next begins, because large writes
// must not mix and the zero-copy calls of the stack have one user, it is
//
//	acquire → { arm → try the stack → wait, if it would block } → release
//
// arm comes before the attempt, so that a change during the attempt is seen by wait. One
// gate is used in one of the two ways only.
//
// A gate owns no channel and, until a deadline is set, no timer: an idle connection
// pays for two gates of a few words each. Waiting is done on a sync.Cond, never
// while a mutex is held, so gates work in testing/synctest.
//
// The zero gate is ready for use.
type gate struct {
	// changes counts the calls of wake, sleepers the callers that wait. A waker
	// counts first and then looks for sleepers, a sleeper the other way round, so
	// that they cannot miss each other, and a wake that nobody waits for takes no lock.
	changes  atomic.Uint32
	sleepers atomic.Int32

	mu      sync.Mutex // guards the fields below
	cond    sync.Cond  // its L is set by the first sleeper
	busy    bool       // a caller is between acquire and release
	closed  bool       // set once by close
	expired bool       // the deadline has passed
	limit   *deadline  // nil until a deadline is set for the first time
}

// err returns why a caller fails now, before it has tried anything: net.ErrClosed
// after close, os.ErrDeadlineExceeded once the deadline has passed. An expired
// deadline fails every call until it is moved (net.Conn).
func (g *gate) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.errLocked()
}

// acquire waits for the caller's turn. It fails like err.
func (g *gate) acquire() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		turn, err := g.tryAcquireLocked()
		if turn || err != nil {
			return err
		}
		g.sleepers.Add(1)
		g.sleepLocked()
		g.sleepers.Add(-1)
	}
}

// tryAcquire is acquire for callers that must not wait: turn is false if it is
// somebody else's.
func (g *gate) tryAcquire() (turn bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tryAcquireLocked()
}

func (g *gate) tryAcquireLocked() (turn bool, err error) {
	if err := g.errLocked(); err != nil || g.busy {
		return false, err
	}
	g.busy = true
	return true, nil
}

// release ends the caller's turn.
func (g *gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = false
	if g.sleepers.Load() > 0 {
		g.cond.Signal() // all who sleep now wait for a turn, and one can have it
	}
}

// arm returns what wait needs to know which changes came after it.
func (g *gate) arm() uint32 { return g.changes.Load() }

// wait blocks until wake is called, or was called since arm returned armed. It fails
// like err.
func (g *gate) wait(armed uint32) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sleepers.Add(1)
	defer g.sleepers.Add(-1)
	for {
		if err := g.errLocked(); err != nil {
			return err
		}
		if g.changes.Load() != armed {
			return nil
		}
		g.sleepLocked()
	}
}

// wake reports that an attempt may now succeed. It does not block and may be called
// from any goroutine.
func (g *gate) wake() {
	g.changes.Add(1)
	if g.sleepers.Load() == 0 {
		return
	}
	g.mu.Lock()
	g.broadcastLocked()
	g.mu.Unlock()
}

// close fails all present and future callers with net.ErrClosed. It reports
// whether this was the first call.
func (g *gate) close() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.closed = true
	g.limit.stop()
	g.broadcastLocked()
	return true
}

func (g *gate) errLocked() error {
	switch {
	case g.closed:
		return net.ErrClosed
	case g.expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// sleepLocked waits for the next signal. The mutex is released meanwhile.
func (g *gate) sleepLocked() {
	g.cond.L = &g.mu
	g.cond.Wait()
}

func (g *gate) broadcastLocked() {
	if g.sleepers.Load() > 0 {
		g.cond.Broadcast()
	}
}
