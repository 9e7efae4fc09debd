package main

import (
	"runtime"
	"slices"
	"time"
)

// meter takes what a measurement costs.
type meter struct {
	start  time.Time
	cpu    time.Duration
	allocs uint64
}

func startMeter() meter {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return meter{time.Now(), cpuTime(), m.Mallocs}
}

// stop returns wall time, CPU time and allocations since start.
func (m meter) stop() (wall, cpu time.Duration, allocs float64) {
	wall, cpu = time.Since(m.start), cpuTime()-m.cpu
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return wall, cpu, float64(s.Mallocs - m.allocs)
}

// percentile of durations, in microseconds.
func percentile(d []time.Duration, p float64) float64 {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return float64(d[min(len(d)-1, int(p*float64(len(d))))]) / 1e3
}

// jain is Jain's index of fairness: 1 when all shares are equal.
func jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(x)) * squares)
}
