package rarely

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestOneLineInAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limit
		for _, step := range []struct {
			after time.Duration
			due   bool
		}{{0, true}, {0, false}, {Interval - 1, false}, {1, true}, {5 * Interval, true}, {0, false}} {
			time.Sleep(step.after) // virtual
			if due := l.Due(); due != step.due {
				t.Errorf("after another %v: %v", step.after, due)
			}
		}
	})
}
