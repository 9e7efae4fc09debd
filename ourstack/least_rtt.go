package ourstack

import (
	"sync"
	"sync/atomic"

	"vpngw/ourstack/tcp"
)

// leastRTT is the least round-trip time of any connection with a remote address: what the path takes when
// nothing stands in queues. Both ways of bounding those go by it (Standing, limitInbound).
type leastRTT struct {
	mu    sync.Mutex
	value atomic.Int64 // tcp.Duration; 0 = none. Whoever writes it, or at, holds mu
	at    atomic.Int64 // tcp.Instant at which it was measured
}

// LeastRTT implements [tcp.Path].
func (r *remote) LeastRTT(own tcp.Duration, at tcp.Instant) tcp.Duration {
	return r.least.with(own, at)
}

// with returns the least one, which is own unless a shorter one was measured in the leastWindow before it. Nearly
// always it only reads.
func (l *leastRTT) with(own tcp.Duration, at tcp.Instant) tcp.Duration {
	if value := tcp.Duration(l.value.Load()); l.stands(value, own, at) {
		return value
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	value := tcp.Duration(l.value.Load())
	if l.stands(value, own, at) {
		return value
	}
	l.value.Store(int64(own))
	l.at.Store(int64(at))
	return own
}

// stands reports whether value remains the least one in view of own.
func (l *leastRTT) stands(value, own tcp.Duration, at tcp.Instant) bool {
	last := tcp.Instant(l.at.Load())
	switch {
	case value == 0 || own < value:
		return false
	case own == value:
		return at <= last
	default:
		return at.Sub(last) <= leastWindow
	}
}
