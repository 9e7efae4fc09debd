package gateway

import (
	"sync"
	"sync/atomic"
	"time"
)

// An idleTimer calls a function once when it has not been touched for long enough. Touching it is
// cheap: the timer is not moved, it looks when it fires. Safe for concurrent use after start.
type idleTimer struct {
	epoch time.Time    // origin of used
	used  atomic.Int64 // nanoseconds since epoch
	mu    sync.Mutex   // guards the fields below
	timer *time.Timer  // nil before start
	over  bool         // stopped, or fired for good
	limit func() time.Duration
	fire  func()
}

func (t *idleTimer) init(epoch time.Time) {
	t.epoch = epoch
	t.touch()
}

func (t *idleTimer) touch() { t.used.Store(int64(time.Since(t.epoch))) }

// start begins to watch: fire is called, in its own goroutine, once limit() has passed without a
// touch. It does nothing after stop.
func (t *idleTimer) start(limit func() time.Duration, fire func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.limit, t.fire = limit, fire
		t.timer = time.AfterFunc(limit(), t.look)
	}
}

// review looks at the limit again, which may have become less since the timer was set.
func (t *idleTimer) review() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil && !t.over {
		t.timer.Reset(max(0, t.left()))
	}
}

func (t *idleTimer) left() time.Duration {
	return t.limit() - (time.Since(t.epoch) - time.Duration(t.used.Load()))
}

func (t *idleTimer) look() {
	t.mu.Lock()
	left := t.left()
	if t.over || left > 0 {
		if !t.over {
			t.timer.Reset(left)
		}
		t.mu.Unlock()
		return
	}
	t.over = true
	t.mu.Unlock()
	t.fire()
}

// stop ends the watch; it reports whether this call did.
func (t *idleTimer) stop() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	first := !t.over
	t.over = true
	return first
}
