package ourstack

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
)

// benchFlow is a flow whose owner is a benchmark: busy stands for the lock and the flag of a Conn.
type benchFlow struct {
	flow flow
	busy atomic.Bool
	_    [64]byte
}

func (*benchFlow) emit(*batch, int) {}

// BenchmarkSchedulerContended has several goroutines, each with the flows of a remote address of its own,
// make them ready while one serves them. An operation is a flow that is accounted, becomes ready and is
// served once; wait-ns/op is what all goroutines together have waited for locks. With work, each side also
// takes the time for it that a packet takes; without, cores do nothing but take cache lines from each other,
// and who makes one of them wait for a while is quicker.
func BenchmarkSchedulerContended(b *testing.B) {
	for _, work := range []int{0, 500} {
		for _, producers := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("work=%d/producers=%d", work, producers), func(b *testing.B) {
				benchmarkContended(b, work, producers)
			})
		}
	}
}

func benchmarkContended(b *testing.B, work, producers int) {
	var s scheduler
	wake, stop := make(chan struct{}, 1), make(chan struct{})
	s.next(true)
	var serving, producing sync.WaitGroup
	serving.Go(func() { serveContended(&s, work, wake, stop) })
	before := lockWait()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range producers {
		n := (b.N + i) / producers
		producing.Go(func() { produceContended(&s, n, work, wake) })
	}
	producing.Wait()
	b.StopTimer()
	b.ReportMetric(1e9*(lockWait()-before)/float64(b.N), "wait-ns/op")
	close(stop)
	serving.Wait()
}

// produceContended makes the flows of one address ready in turn, n times in all.
func produceContended(s *scheduler, n, work int, wake chan<- struct{}) {
	var g group
	flows := make([]benchFlow, 64)
	for i := range flows {
		flows[i].flow = flow{source: &flows[i], group: &g, small: true}
	}
	for i := range n {
		f := &flows[i%len(flows)]
		for f.busy.Load() {
			runtime.Gosched()
		}
		f.busy.Store(true)
		spend(work)
		first := s.account(&f.flow, i%2*standingStep)
		if s.push(&f.flow) || first {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
}

// serveContended is the reader: it takes what is ready and sleeps when nothing is.
func serveContended(s *scheduler, work int, wake <-chan struct{}, stop <-chan struct{}) {
	for {
		f, _, _, idle := s.next(true)
		switch {
		case f != nil:
			owner, ok := f.source.(*benchFlow)
			spend(work)
			s.done(f, service{used: 60, largest: 60, standing: f.standing})
			if ok {
				owner.busy.Store(false)
			}
		case idle:
			select {
			case <-wake:
			case <-stop:
				return
			}
		}
	}
}

// lockWait returns the seconds that goroutines of this process have waited for locks.
func lockWait() float64 {
	s := []metrics.Sample{{Name: "/sync/mutex/wait/total:seconds"}}
	metrics.Read(s)
	return s[0].Value.Float64()
}

// spend takes a nanosecond or two for each of n. It is not inlined, so that it is the same loop in all builds.
//
//go:noinline
func spend(n int) {
	x := uint32(n) | 1
	for range n {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
	}
	if x == 0 {
		panic("xorshift")
	}
}
