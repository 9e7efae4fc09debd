package procs

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A rig is a machine with so many cores, on which a load wants to use a part of them.
type rig struct {
	cores int
	procs atomic.Int64
	sets  atomic.Int64 // how often the number was changed
	cpu   atomic.Int64 // nanoseconds
}

func (r *rig) start() *Governor {
	return start(machine{
		now:     time.Now,
		cpu:     func() time.Duration { return time.Duration(r.cpu.Load()) },
		set:     func(n int) { r.procs.Store(int64(n)); r.sets.Add(1) },
		restore: func() int { r.procs.Store(int64(r.cores)); return r.cores },
	})
}

// run has the load use so many percent of a core, if there are processors for it, and carry packets if there
// is any, for d.
func (r *rig) run(g *Governor, d time.Duration, percent int) {
	for range d / time.Millisecond {
		time.Sleep(time.Millisecond)
		r.cpu.Add(min(int64(percent), 100*r.procs.Load()) * int64(time.Millisecond) / 100)
		if percent > 0 {
			g.Worked(checkPackets / 2)
		}
	}
	synctest.Wait()
}

func TestProcessorsFollowTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{cores: 8}
		g := r.start()
		defer g.Close()
		for _, step := range []struct {
			name    string
			percent int
			d       time.Duration
			want    int64
		}{
			{"the start", 0, lowerEvery / 2, 8},
			{"idle", 0, lowerEvery, 1},
			{"what one can do", 70, 10 * time.Second, 1},
			{"more than that", 120, 60 * time.Millisecond, 2},
			{"and on", 120, 10 * time.Second, 2},
			{"what one could do", 70, 10 * time.Second, 2},
			{"clearly less", 50, 2 * lowerEvery, 1},
			{"all that there is", 2000, 120 * time.Millisecond, 8},
			{"and on", 2000, 10 * time.Second, 8},
			{"half of it", 400, 3 * lowerEvery, 7},
			{"a silence", 0, 3 * lowerEvery, 1},
		} {
			if r.run(g, step.d, step.percent); r.procs.Load() != step.want {
				t.Errorf("%s: %d processors, want %d", step.name, r.procs.Load(), step.want)
			}
		}
	})
}

// TestABurstIsNoLoad: what is used after a silence is measured from its end.
func TestABurstIsNoLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{cores: 4}
		g := r.start()
		defer g.Close()
		r.run(g, 2*lowerEvery, 0)
		before := r.sets.Load()
		for range 20 {
			r.run(g, 20*time.Millisecond, 100)
			r.run(g, time.Second, 0)
		}
		if r.sets.Load() != before {
			t.Errorf("changed %d times", r.sets.Load()-before)
		}
	})
}

// TestCoresMayCome: a container may be given more while it runs.
func TestCoresMayCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{cores: 2}
		g := r.start()
		defer g.Close()
		r.run(g, 2*lowerEvery, 0)
		r.cores = 4
		if r.run(g, 200*time.Millisecond, 1000); r.procs.Load() != 4 {
			t.Errorf("%d processors", r.procs.Load())
		}
	})
}

func TestCloseLeavesItToTheRuntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{cores: 4}
		g := r.start()
		r.run(g, 2*lowerEvery, 0)
		g.Close()
		g.Close()
		if r.run(g, 3*lowerEvery, 10); r.procs.Load() != 4 {
			t.Errorf("%d processors", r.procs.Load())
		}
	})
}

// TestYieldsToTheEnvironment: who sets GOMAXPROCS gets it.
func TestYieldsToTheEnvironment(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	g := Start()
	if g != nil {
		t.Error("a Governor")
	}
	g.Worked(checkPackets)
	g.Close()
}

func TestOfTheRuntime(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(0)
	g := Start()
	if g == nil {
		t.Fatal("no Governor, though the CPU time is known")
	}
	g.Worked(checkPackets)
	g.Close()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d processors, %d before", got, before)
	}
}
