package relay

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestQueueSendsInOrderOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		now := func() time.Duration { return time.Since(start) }
		q, done := newQueue(), make(chan struct{})
		var got []string
		var at []time.Duration
		send := func(b []byte) {
			got = append(got, string(b))
			at = append(at, now())
		}
		go q.run(now, done)
		q.put(30*ms, []byte("c"), send)
		q.put(10*ms, []byte("a"), send)
		q.put(10*ms, []byte("b"), send)
		time.Sleep(20 * ms)
		q.put(15*ms, []byte("late"), send)
		time.Sleep(time.Second)
		close(done)
		synctest.Wait()

		if want := []string{"a", "b", "late", "c"}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
		if want := []time.Duration{10 * ms, 10 * ms, 20 * ms, 30 * ms}; !slices.Equal(at, want) {
			t.Errorf("sent at %v, want %v", at, want)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	for i := range queueMax {
		if !q.put(0, nil, nil) {
			t.Fatalf("full after %d", i)
		}
	}
	if q.put(0, nil, nil) {
		t.Errorf("took more than %d", queueMax)
	}
	if _, ok, _ := q.due(0); !ok {
		t.Fatal("nothing due in a full queue")
	}
	if !q.put(0, nil, nil) {
		t.Error("still full after one left")
	}
}
