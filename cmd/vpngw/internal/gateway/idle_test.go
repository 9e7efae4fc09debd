package gateway

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestIdleTimerFiresOnceAfterTheLastTouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var idle idleTimer
		idle.init(time.Now())
		fired := make(chan time.Time, 10)
		idle.start(func() time.Duration { return time.Minute }, func() { fired <- time.Now() })
		for range 10 {
			time.Sleep(59 * time.Second)
			idle.touch()
		}
		last := time.Now()
		if at := <-fired; at.Sub(last) != time.Minute {
			t.Errorf("fired %v after the last touch", at.Sub(last))
		}
		time.Sleep(time.Hour)
		if len(fired) != 0 {
			t.Error("fired again")
		}
	})
}

func TestIdleTimerFollowsItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var idle idleTimer
		began := time.Now()
		idle.init(began)
		var limit atomic.Int64
		limit.Store(int64(time.Minute))
		fired := make(chan time.Time, 10)
		idle.start(func() time.Duration { return time.Duration(limit.Load()) }, func() { fired <- time.Now() })
		limit.Store(int64(5 * time.Minute)) // read when the timer looks
		if at := <-fired; at.Sub(began) != 5*time.Minute {
			t.Errorf("fired after %v", at.Sub(began))
		}
	})
}

func TestIdleTimerReviewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var idle idleTimer
		began := time.Now()
		idle.init(began)
		idle.review() // before its start: nothing
		var limit atomic.Int64
		limit.Store(int64(time.Hour))
		fired := make(chan time.Time, 10)
		idle.start(func() time.Duration { return time.Duration(limit.Load()) }, func() { fired <- time.Now() })
		limit.Store(int64(time.Minute))
		idle.review()
		if at := <-fired; at.Sub(began) != time.Minute {
			t.Errorf("fired after %v", at.Sub(began))
		}
		idle.review()
		time.Sleep(2 * time.Hour)
		if len(fired) != 0 {
			t.Error("fired again")
		}
	})
}

func TestIdleTimerStopsBeforeAndAfterItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, before := range []bool{true, false} {
			var idle idleTimer
			idle.init(time.Now())
			if before && !idle.stop() {
				t.Error("the first stop is the one")
			}
			idle.start(func() time.Duration { return time.Minute }, func() { t.Error("fired after stop") })
			if first := idle.stop(); first == before {
				t.Errorf("stopped before %v: this stop was the first: %v", before, first)
			}
			time.Sleep(time.Hour)
		}
	})
}
