package adapter

import (
	"sync"
	"sync/atomic"
	"time"

	"vpngw/ourstack/tcp"
)

// A pump carries the two things that the stack cannot do itself: it wakes the
// reader of the device when there is output, and calls the stack when its next
// deadline has come. There is one timer for all connections. It is re-armed only
// for an earlier deadline; when it fires too early, which is what deadlines that
// move into the future make of it, it looks again and sleeps on.
type pump struct {
	net *Net

	// output holds a token while the reader has something to look at.
	output chan struct{}

	// fires is when the timer goes off, an Instant; 0: it is not running.
	fires atomic.Int64

	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	stopped bool
}

func (p *pump) init(n *Net) {
	p.net = n
	p.output = make(chan struct{}, 1)
}

// wake is the stack's call-back: there is output, or an earlier deadline.
func (p *pump) wake() {
	select {
	case p.output <- struct{}{}:
	default: // the reader has not taken the last token yet
	}
	p.schedule()
}

// schedule arms the timer for the stack's next deadline.
func (p *pump) schedule() {
	next, ok := p.net.stack.NextDeadline()
	if !ok || !p.sooner(next) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || !p.sooner(next) {
		return
	}
	p.fires.Store(int64(next))
	left := time.Duration(next.Sub(p.net.now()))
	if p.timer == nil {
		p.timer = time.AfterFunc(left, p.fire)
	} else {
		p.timer.Reset(left)
	}
}

// sooner reports whether next comes before the timer.
func (p *pump) sooner(next tcp.Instant) bool {
	at := p.fires.Load()
	return at == 0 || int64(next) < at
}

// fire runs in the timer's goroutine.
func (p *pump) fire() {
	p.fires.Store(0)
	p.net.stack.Advance(p.net.now())
	p.schedule()
}

// stop ends the timer.
func (p *pump) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	if p.timer != nil {
		p.timer.Stop()
	}
}
