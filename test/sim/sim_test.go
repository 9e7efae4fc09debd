package sim

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	seeds  = flag.Int("sim.seeds", 1000, "number of seeds that TestSeeds runs")
	first  = flag.Uint64("sim.first", 1, "first seed of TestSeeds")
	single = flag.Uint64("sim.seed", 0, "run this seed alone and show its packets")
)

func TestSeeds(t *testing.T) {
	if *single != 0 {
		runSeed(t, *single)
		return
	}
	n := *seeds
	if testing.Short() || raced {
		n = min(n, 50)
	}
	var next atomic.Uint64
	next.Store(*first)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for s := next.Add(1) - 1; s < *first+uint64(n) && !t.Failed(); s = next.Add(1) - 1 {
				runSeed(t, s)
			}
		})
	}
	wg.Wait()
}

func runSeed(t *testing.T, seed uint64) {
	t.Helper()
	s := Draw(seed)
	s.Sparse = seed != *single
	r, err := runProtected(s)
	if err == nil {
		return
	}
	t.Errorf("%v\nrepeat with: go test ./test/sim -run TestSeeds -sim.seed=%#x -v", err, seed)
	t.Logf("links %v\n%v\nstacks %+v\n%+v\nclocks %v\nstalls %v\nmtus %d %d memory %d %d\nflows %+v", s.Link[0], s.Link[1], s.Stack[0].TCP, s.Stack[1].TCP, s.Granularity,
		s.Stalls, s.Stack[0].MTU, s.Stack[1].MTU, s.Stack[0].Limits.Memory, s.Stack[1].Limits.Memory, s.Flows)
	if r.World != nil {
		for _, line := range r.World.Trace() {
			t.Log(line)
		}
	}
}

// runProtected turns a panic into a failure that names its seed.
func runProtected(s Scenario) (r Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			panic(fmt.Sprintf("seed %#x: %v", s.Seed, p))
		}
	}()
	return Run(s)
}

// TestSameSeedSameRun holds the simulator to its promise.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed < 6; seed++ {
		a, errA := Run(Draw(seed))
		b, errB := Run(Draw(seed))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if a.Steps != b.Steps || a.Elapsed != b.Elapsed || fmt.Sprint(a.World.Trace()) != fmt.Sprint(b.World.Trace()) {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}
