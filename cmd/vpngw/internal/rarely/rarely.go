package rarely

import (
	"sync/atomic"
	"time"
)

// Interval lies between two lines about the same: seldom enough to be read, often enough to tell that it
// goes on.
const Interval = time.Minute

// A Limit says when it is time for another line. Whoever asks it counts the events elsewhere. The zero
// Limit is ready for use.
type Limit struct{ last atomic.Int64 } // Unix nanoseconds

// Due reports whether it is time for another line, which the caller then writes.
func (l *Limit) Due() bool {
	now, last := time.Now().UnixNano(), l.last.Load()
	return now-last >= int64(Interval) && l.last.CompareAndSwap(last, now)
}
