package adapter

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// hold acquires g and then waits for a change, as a blocked Read does.
func hold(g *gate) error {
	if err := g.acquire(); err != nil {
		return err
	}
	defer g.release()
	return g.wait(g.arm())
}

// start runs f in a goroutine and returns where its error will be.
func start(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// pending fails the test if a result is there already.
func pending(t *testing.T, what string, c <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-c:
		t.Fatalf("%s: returned %v, want it to block", what, err)
	default:
	}
}

func TestGateWakesTheHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		done := start(func() error { return hold(&g) })
		pending(t, "wait", done)
		g.wake()
		if err := <-done; err != nil {
			t.Fatalf("wait after wake: %v", err)
		}
	})
}

func TestGateRemembersChangeDuringTheAttempt(t *testing.T) {
	var g gate
	if err := g.acquire(); err != nil {
		t.Fatal(err)
	}
	armed := g.arm()
	g.wake() // arrives after the attempt failed and before wait
	if err := g.wait(armed); err != nil {
		t.Fatalf("wait: %v", err)
	}
	g.release()
}

func TestGateGivesTurnsOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var wg sync.WaitGroup
		inside := 0
		for range 50 {
			wg.Go(func() {
				if err := g.acquire(); err != nil {
					t.Error(err)
					return
				}
				inside++ // unguarded on purpose: the race detector watches the gate
				if inside != 1 {
					t.Errorf("%d callers inside the gate", inside)
				}
				armed := g.arm()
				time.AfterFunc(time.Millisecond, g.wake)
				if err := g.wait(armed); err != nil {
					t.Error(err)
				}
				inside--
				g.release()
			})
		}
		wg.Wait()
	})
}

func TestGateCloseEndsHolderAndQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		holder := start(func() error { return hold(&g) })
		pending(t, "holder", holder)
		queued := start(func() error { return hold(&g) })
		pending(t, "queued", queued)
		if !g.close() {
			t.Fatal("first close reports false")
		}
		if g.close() {
			t.Fatal("second close reports true")
		}
		for _, c := range []<-chan error{holder, queued, start(func() error { return hold(&g) })} {
			if err := <-c; !errors.Is(err, net.ErrClosed) {
				t.Errorf("after close: %v, want net.ErrClosed", err)
			}
		}
		if err := g.setDeadline(time.Now().Add(time.Hour)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("setDeadline after close: %v", err)
		}
	})
}

func TestGateIdleIsSmall(t *testing.T) {
	var g gate
	if g.limit != nil || g.cond.L != nil {
		t.Fatal("an unused gate holds memory")
	}
	if allocs := testing.AllocsPerRun(100, func() {
		if err := g.acquire(); err != nil {
			t.Fatal(err)
		}
		armed := g.arm()
		g.wake()
		if err := g.wait(armed); err != nil {
			t.Fatal(err)
		}
		g.release()
	}); allocs != 0 {
		t.Errorf("%v allocations a call, want none", allocs)
	}
}

func TestDeadlineEndsWaitingCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		begin := time.Now()
		if err := g.setDeadline(begin.Add(3 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := hold(&g); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("wait: %v, want deadline exceeded", err)
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("ended after %v", d)
		}
		// It stays expired until it is moved.
		if err := g.acquire(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("acquire: %v", err)
		}
		if err := g.setDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := g.acquire(); err != nil {
			t.Errorf("acquire without deadline: %v", err)
		}
	})
}

func TestDeadlineMoves(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  []time.Duration // relative to the start, one a second
		want time.Duration   // when the call ends; 0: never
	}{
		{"later", []time.Duration{2 * time.Second, 5 * time.Second, 9 * time.Second}, 9 * time.Second},
		{"earlier", []time.Duration{20 * time.Second, 10 * time.Second, 4 * time.Second}, 4 * time.Second},
		{"later then earlier", []time.Duration{3 * time.Second, 30 * time.Second, 6 * time.Second}, 6 * time.Second},
		{"into the past", []time.Duration{30 * time.Second, -time.Hour}, 1 * time.Second},
		{"taken away", []time.Duration{3 * time.Second, 0}, 0},
		{"taken away and back", []time.Duration{3 * time.Second, 0, 7 * time.Second}, 7 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var g gate
				begin := time.Now()
				done := start(func() error {
					err := hold(&g)
					if err != nil && time.Since(begin) != tt.want {
						t.Errorf("ended after %v, want %v", time.Since(begin), tt.want)
					}
					return err
				})
				for _, d := range tt.set {
					at := time.Time{}
					if d != 0 {
						at = begin.Add(d)
					}
					if err := g.setDeadline(at); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				if tt.want == 0 {
					time.Sleep(time.Hour)
					pending(t, "call without deadline", done)
					g.wake()
					if err := <-done; err != nil {
						t.Errorf("woken: %v", err)
					}
					return
				}
				if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestDeadlineMovedForwardKeepsTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		for range 100 {
			if err := g.setDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			first := g.limit.fires
			time.Sleep(100 * time.Millisecond)
			if err := g.setDeadline(time.Now().Add(30 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if g.limit.fires != first {
				t.Fatal("moving the deadline forward touched the timer")
			}
		}
		g.close()
	})
}

func TestDeadlineFarInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		if err := g.setDeadline(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		done := start(func() error { return hold(&g) })
		pending(t, "call", done)
		g.close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// TestGateWakesEveryWaiter: callers without turns must not take each other's changes.
func TestGateWakesEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		var waiting []<-chan error
		for range 20 {
			waiting = append(waiting, start(func() error { return g.wait(g.arm()) }))
		}
		pending(t, "wait", waiting[0])
		g.wake()
		for _, c := range waiting {
			if err := <-c; err != nil {
				t.Error(err)
			}
		}
		if g.sleepers.Load() != 0 {
			t.Errorf("%d sleepers left", g.sleepers.Load())
		}
	})
}

// TestGateUnderContention passes tokens through a gate from many goroutines at once: a lost wake-up
// would leave somebody asleep for ever.
func TestGateUnderContention(t *testing.T) {
	t.Run("with turns", func(t *testing.T) { contend(t, (*gate).acquire, (*gate).release) })
	t.Run("without", func(t *testing.T) { contend(t, (*gate).err, func(*gate) {}) })
}

func contend(t *testing.T, begin func(*gate) error, end func(*gate)) {
	var g gate
	var tokens atomic.Int64
	take := func() (taken, again bool) {
		n := tokens.Load()
		taken = n > 0 && tokens.CompareAndSwap(n, n-1)
		return taken, n > 0
	}
	takeOne := func() error {
		if err := begin(&g); err != nil {
			return err
		}
		defer end(&g)
		for {
			armed := g.arm()
			taken, again := take()
			if taken {
				return nil
			}
			if again {
				continue // another one was quicker
			}
			if err := g.wait(armed); err != nil {
				return err
			}
		}
	}
	const takers, each = 8, 10_000
	var wg sync.WaitGroup
	for range takers {
		wg.Go(func() {
			for range each {
				if err := takeOne(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range takers * each {
		tokens.Add(1)
		g.wake()
	}
	wg.Wait()
}
