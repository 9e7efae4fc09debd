package relay

import (
	"errors"
	"math/rand/v2"
	"time"
)

// queueBytesDefault is the shaper's queue when Impairment.Queue is zero: about 100 ms at 20 Mbit/s,
// what a home router has.
const queueBytesDefault = 256 << 10

// Impairment says what one direction of a path does to datagrams. The zero value does nothing.
type Impairment struct {
	// Delay is added to every datagram.
	Delay time.Duration
	// Jitter adds a uniformly drawn part of itself to each Delay. By itself it never changes the
	// order: a datagram waits for the one before it.
	Jitter time.Duration
	// Loss, Reorder and Duplicate are probabilities in [0, 1], drawn independently.
	Loss, Reorder, Duplicate float64
	// ReorderBy is how long a held-back datagram waits beyond its delay; later ones pass it
	// meanwhile. Zero means 5 ms.
	ReorderBy time.Duration
	// Rate limits the direction, in bits of UDP payload a second. Zero means no limit.
	Rate int64
	// Queue is how many bytes wait for the Rate before datagrams are dropped. Zero means 256 KiB.
	Queue int
	// Max is the largest datagram that passes, in bytes of UDP payload; a larger one is dropped without
	// a word, as on a path whose ICMP errors get lost. Zero means no limit.
	Max int
}

// Stats counts what a Link did to datagrams.
type Stats struct {
	Offered    uint64 // came in
	Lost       uint64 // dropped by Loss
	Overflowed uint64 // dropped because a queue was full
	TooLarge   uint64 // dropped by Max
	Reordered  uint64 // held back
	Duplicated uint64 // left twice
	Delivered  uint64 // copies that left or will leave
}

// Link is one direction of a path. It is pure: same seed and same calls give the same answers. It
// is not safe for concurrent use.
type Link struct {
	imp   Impairment
	rng   *rand.Rand
	stats Stats

	busyUntil time.Duration // when the shaper has sent all it was given
	lastOut   time.Duration // departure of the last datagram that kept its place
}

// NewLink makes a Link whose every decision follows from seed. It reports an Impairment that makes
// no sense.
func NewLink(seed uint64, imp Impairment) (*Link, error) {
	for _, p := range []float64{imp.Loss, imp.Reorder, imp.Duplicate} {
		if !(p >= 0 && p <= 1) {
			return nil, errors.New("relay: loss, reorder and duplicate are probabilities from 0 to 1")
		}
	}
	if imp.Delay < 0 || imp.Jitter < 0 || imp.ReorderBy < 0 || imp.Rate < 0 || imp.Queue < 0 ||
		imp.Max < 0 {
		return nil, errors.New("relay: negative delay, jitter, rate, queue or size")
	}
	if imp.ReorderBy == 0 {
		imp.ReorderBy = 5 * time.Millisecond
	}
	if imp.Queue == 0 {
		imp.Queue = queueBytesDefault
	}
	return &Link{imp: imp, rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}, nil
}

// Offer hands the link a datagram of size bytes at now, counted from any fixed moment and never
// going back. It returns when the datagram's copies leave: none, one or two times.
func (l *Link) Offer(now time.Duration, size int) (out [2]time.Duration, n int) {
	// Four draws for every datagram, whatever becomes of it, so that one setting does not shift
	// the fates that another decides.
	lost := l.rng.Float64() < l.imp.Loss
	double := l.rng.Float64() < l.imp.Duplicate
	held := l.rng.Float64() < l.imp.Reorder
	jitter := time.Duration(l.rng.Float64() * float64(l.imp.Jitter))

	l.stats.Offered++
	if lost {
		l.stats.Lost++
		return out, 0
	}
	if l.imp.Max > 0 && size > l.imp.Max {
		l.stats.TooLarge++
		return out, 0
	}
	sent, ok := l.shape(now, size)
	if !ok {
		l.stats.Overflowed++
		return out, 0
	}
	at := max(sent+l.imp.Delay+jitter, l.lastOut)
	if held {
		l.stats.Reordered++
		at += l.imp.ReorderBy
	} else {
		l.lastOut = at
	}
	out[0], n = at, 1
	if double {
		l.stats.Duplicated++
		out[1], n = at, 2
	}
	l.stats.Delivered += uint64(n)
	return out, n
}

// shape returns when the rate limit has let the datagram through, or false when its queue is full.
func (l *Link) shape(now time.Duration, size int) (time.Duration, bool) {
	if l.imp.Rate == 0 {
		return now, true
	}
	start := max(now, l.busyUntil)
	waiting := int64(start-now) * l.imp.Rate / int64(8*time.Second)
	if waiting+int64(size) > int64(l.imp.Queue) {
		return 0, false
	}
	l.busyUntil = start + time.Duration(int64(size)*8*int64(time.Second)/l.imp.Rate)
	return l.busyUntil, true
}

// Stats returns the counts so far.
func (l *Link) Stats() Stats { return l.stats }
