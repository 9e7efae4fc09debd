package procs

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Governor sets GOMAXPROCS. There is one in a process. The methods of a nil Governor do nothing.
type Governor struct {
	runtime machine
	packets atomic.Int64 // since the last look

	mu     sync.Mutex
	procs  int
	most   int // what the runtime itself would choose
	raised sample
	lower  sample
	timer  *time.Timer // runs while procs > 1
	closed bool
}

// A machine is what a Governor measures and sets.
type machine struct {
	now     func() time.Time
	cpu     func() time.Duration // what the process has used
	set     func(procs int)
	restore func() (procs int) // to what the runtime itself chooses
}

// A sample is where a measurement began.
type sample struct {
	at  time.Time
	cpu time.Duration
}

// Start lets a Governor choose the number of processors, from 1 to what the runtime would use (the number of cores,
// or what the cgroup allows), until Close. Where GOMAXPROCS is set in the environment, and where the system does not tell
// the CPU time, it returns nil.
func Start() *Governor {
	if _, ok := cpuTime(); !ok || os.Getenv("GOMAXPROCS") != "" {
		return nil
	}
	return start(machine{
		now: time.Now,
		cpu: func() time.Duration { d, _ := cpuTime(); return d },
		set: func(n int) { runtime.GOMAXPROCS(n) },
		restore: func() int {
			runtime.SetDefaultGOMAXPROCS()
			return runtime.GOMAXPROCS(0)
		},
	})
}

func start(m machine) *Governor {
	g := &Governor{runtime: m}
	g.most = m.restore()
	g.procs = g.most
	g.raised = g.measure()
	g.lower = g.raised
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(lowerEvery, g.tick)
	return g
}

func (g *Governor) measure() sample { return sample{g.runtime.now(), g.runtime.cpu()} }

// since returns what time has passed between from and to, and how much CPU time was used.
func (to sample) since(from sample) (wall, used time.Duration) {
	return to.at.Sub(from.at), to.cpu - from.cpu
}

// Worked says that so many packets were carried. Every so often it looks whether more processors are needed.
func (g *Governor) Worked(packets int) {
	if g == nil || g.packets.Add(int64(packets)) < checkPackets || !g.mu.TryLock() {
		return
	}
	defer g.mu.Unlock()
	g.packets.Store(0)
	if g.closed || g.procs >= g.most || g.runtime.now().Sub(g.raised.at) < raiseAfter {
		return
	}
	now := g.measure()
	wall, used := now.since(g.raised)
	g.raised = now
	if wall <= raiseAtMost && used*100 > wall*time.Duration(raiseLoad*g.procs) {
		g.raise()
	}
}

// raise doubles the processors. g.mu is held.
func (g *Governor) raise() {
	want := 2 * g.procs
	g.most = g.runtime.restore() // cores may have come and gone
	g.procs = min(want, g.most)
	if g.procs < g.most {
		g.runtime.set(g.procs)
	}
	g.lower = g.measure()
	g.timer.Reset(lowerEvery)
}

// tick looks whether fewer processors would do.
func (g *Governor) tick() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.procs <= 1 {
		return
	}
	now := g.measure()
	wall, used := now.since(g.lower)
	g.lower = now
	need := 1 + int(used*100/max(1, wall*lowerLoad))
	if need < g.procs {
		g.procs = need
		g.runtime.set(need)
		g.raised = now
	}
	if g.procs > 1 {
		g.timer.Reset(lowerEvery)
	}
}

// Close leaves the number of processors to the runtime again.
func (g *Governor) Close() {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.closed = true
		g.timer.Stop()
		g.runtime.restore()
	}
}
