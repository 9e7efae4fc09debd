package tcp

// Instant is a point in time: nanoseconds since an arbitrary origin, from a
// monotonic clock that the caller reads. It never decreases between two calls
// on one [Conn] and is never 0 in use, so that 0 can mean "none".
type Instant int64

// Duration is a span of time in nanoseconds. It has the unit of
// [time.Duration], into which it converts directly; package tcp keeps its own
// type because it never reads a clock.
type Duration int64

// Units of [Duration].
const (
	Microsecond Duration = 1000
	Millisecond          = 1000 * Microsecond
	Second               = 1000 * Millisecond
)

// Add returns the instant d after i (before it when d is negative).
func (i Instant) Add(d Duration) Instant { return i + Instant(d) }

// Sub returns the time from j to i: negative when i is before j.
func (i Instant) Sub(j Instant) Duration { return Duration(i - j) }
