package ourstack

import (
	"encoding/binary"
	"sync"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// limiter is a rate limit for answers that cost the sender nothing to provoke: a token bucket for
// all, and one per target (RFC 1812 §4.3.2.8). The targets share a fixed number of
// buckets by hash, so that a flood of addresses takes no memory.
type limiter struct {
	key       key
	rate      int64 // per second; not positive: nothing passes
	perTarget int64

	mu sync.Mutex
	// mu guards the fields below.
	all     bucket
	targets [limiterBuckets]bucket
}

// bucket is a token bucket, kept as the time at which it would be full: each token moves it ahead.
type bucket struct{ fullAt tcp.Instant }

func (l *limiter) init(k key, rate, perTarget int) {
	l.key, l.rate, l.perTarget = k, int64(rate), int64(perTarget)
}

// allow takes a token for an answer to target, and reports whether there was one.
func (l *limiter) allow(now tcp.Instant, target wire.Addr) bool {
	return l.allowKey(now, uint64(binary.BigEndian.Uint32(target[:])))
}

// allowKey is allow for a target that the words name.
func (l *limiter) allowKey(now tcp.Instant, target ...uint64) bool {
	if l.rate <= 0 {
		return false
	}
	i := l.key.hash(target...) % limiterBuckets
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.targets[i]
	if !t.has(now, l.perTarget) || !l.all.has(now, l.rate) {
		return false
	}
	t.take(now, l.perTarget)
	l.all.take(now, l.rate)
	return true
}

// has reports whether a bucket that fills with rate tokens a second, and holds limiterBurst seconds'
// worth, has a token.
func (b *bucket) has(now tcp.Instant, rate int64) bool {
	return b.fullAt.Sub(now)+tcp.Second/tcp.Duration(rate) <= limiterBurst*tcp.Second
}

func (b *bucket) take(now tcp.Instant, rate int64) {
	b.fullAt = max(b.fullAt, now).Add(tcp.Second / tcp.Duration(rate))
}
