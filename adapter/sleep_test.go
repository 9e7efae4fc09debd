package adapter

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestQuietForTenMinutes: a connection on which nothing is said for ten minutes is alive after it.
func TestQuietForTenMinutes(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		mustWrite(t, ca, "before")
		mustRead(t, cb, "before")
		time.Sleep(10 * time.Minute)
		mustWrite(t, cb, "after")
		mustRead(t, ca, "after")
		mustWrite(t, ca, "back")
		mustRead(t, cb, "back")
	})
}

// TestAsleepForTenMinutes: the same when the client is not there in between, as a phone in a pocket,
// and something is said to it meanwhile.
func TestAsleepForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Bool
		awake := func([]byte) bool { return !asleep.Load() }
		p := newPairFiltered(t, Options{}, Options{}, awake, awake)
		defer p.close()
		ca, cb := p.connect(t)
		defer ca.Close()
		defer cb.Close()
		mustWrite(t, ca, "before")
		mustRead(t, cb, "before")
		asleep.Store(true)
		time.Sleep(time.Minute)
		mustWrite(t, cb, "a message for a sleeper")
		time.Sleep(9 * time.Minute)
		asleep.Store(false)
		mustRead(t, ca, "a message for a sleeper")
		mustWrite(t, ca, "back")
		mustRead(t, cb, "back")
	})
}
