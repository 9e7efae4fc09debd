package ourstack

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"vpngw/ourstack/wire"
)

// fakeSource is a flow that has some packets of one size; it follows the protocol of Conn.emit.
type fakeSource struct {
	s     *scheduler
	flow  flow
	mu    sync.Mutex
	ready bool // on a list or in service
	left  int  // packets
	size  int
	sent  int // bytes
	order *[]*fakeSource
}

func newFakeSource(s *scheduler, g *group, size int) *fakeSource {
	f := &fakeSource{s: s, size: size}
	f.flow = flow{source: f, group: g, small: true}
	return f
}

// add gives it packets and schedules it.
func (f *fakeSource) add(n int) (wake bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left += n
	if f.ready {
		return false
	}
	f.ready = true
	return f.s.push(&f.flow)
}

func (f *fakeSource) emit(out *batch, budget int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used := 0
	for f.left > 0 && !out.full() && used < budget {
		out.add(f.size)
		f.left--
		used += f.size
		if f.order != nil {
			*f.order = append(*f.order, f)
		}
	}
	f.sent += used
	f.ready = f.left > 0
	out.wake = f.s.done(&f.flow, service{used: used, largest: f.size, more: f.ready})
}

// fill runs flows until the batch is full or nothing is ready.
func fill(s *scheduler, n int) int {
	out := batch{bufs: make([][]byte, n), sizes: make([]int, n)}
	for !out.full() {
		f, budget, _, _ := s.next(out.n == 0)
		if f == nil {
			break
		}
		f.source.emit(&out, budget)
	}
	return out.n
}

// TestRoundRobinOverRemotes: a remote address with many flows gets no more than one with a single
// flow, and flows of one address share its part.
func TestRoundRobinOverRemotes(t *testing.T) {
	for _, batchSize := range []int{1, 7, 128} {
		var s scheduler
		var many, one group
		var flows []*fakeSource
		for range 10 {
			flows = append(flows, newFakeSource(&s, &many, 1420))
		}
		flows = append(flows, newFakeSource(&s, &one, 1420))
		for _, f := range flows {
			f.add(1 << 20)
		}
		total := 0
		for total < 20000 {
			total += fill(&s, batchSize)
		}
		sumMany, low, high := 0, 1<<30, 0
		for _, f := range flows[:10] {
			sumMany += f.sent
			low, high = min(low, f.sent), max(high, f.sent)
		}
		single := flows[10].sent
		if ratio := float64(sumMany) / float64(single); ratio < 0.97 || ratio > 1.03 {
			t.Errorf("batch %d: ten flows sent %.2f times as much as one", batchSize, ratio)
		}
		if high-low > 3*flowQuantum {
			t.Errorf("batch %d: flows of one address sent from %d to %d bytes", batchSize, low, high)
		}
	}
}

// TestRoundRobinCountsBytes: small and large packets get the same bytes.
func TestRoundRobinCountsBytes(t *testing.T) {
	var s scheduler
	var a, b group
	fa, fb := newFakeSource(&s, &a, 200), newFakeSource(&s, &b, 1420)
	fa.add(1 << 20)
	fb.add(1 << 20)
	for range 500 {
		fill(&s, 128)
	}
	if ratio := float64(fa.sent) / float64(fb.sent); ratio < 0.95 || ratio > 1.05 {
		t.Errorf("ratio of bytes %.2f", ratio)
	}
}

// TestPureAcksAreGrouped: flows that sent small packets before go together, ahead of bulk flows.
func TestPureAcksAreGrouped(t *testing.T) {
	var s scheduler
	var g group
	var order []*fakeSource
	bulk := newFakeSource(&s, &g, 1420)
	bulk.add(1000)
	fill(&s, 10)
	var acks []*fakeSource
	for range 5 {
		f := newFakeSource(&s, &g, 52)
		f.order = &order
		f.add(1)
		acks = append(acks, f)
	}
	bulk.order = &order
	fill(&s, 30)
	if len(order) < 6 {
		t.Fatalf("%d packets", len(order))
	}
	at := 0
	for order[at] == bulk {
		at++ // what was left of its turn
	}
	for i, f := range acks {
		if order[at+i] != f {
			t.Fatalf("packet %d is not the ACK of flow %d", at+i, i)
		}
	}
}

// TestSmallFlowsDoNotStarveBulk: however many ACKs are ready, a bulk flow of the same address goes on.
func TestSmallFlowsDoNotStarveBulk(t *testing.T) {
	var s scheduler
	var g group
	bulk := newFakeSource(&s, &g, 1420)
	bulk.add(1 << 20)
	fill(&s, 5)
	var acks []*fakeSource
	for range 1000 {
		f := newFakeSource(&s, &g, 52)
		f.add(1 << 20)
		acks = append(acks, f)
	}
	before := bulk.sent
	for range 500 {
		fill(&s, 128)
	}
	if bulk.sent == before {
		t.Error("the bulk flow sent nothing")
	}
	if acks[999].sent == 0 {
		t.Error("the last small flow sent nothing")
	}
}

// TestRunsAreLong: with several bulk flows of one address, each sends runs of packets.
func TestRunsAreLong(t *testing.T) {
	var s scheduler
	var g group
	var order []*fakeSource
	for range 4 {
		f := newFakeSource(&s, &g, 1420)
		f.order = &order
		f.add(2000)
	}
	for range 40 {
		fill(&s, 128)
	}
	order = order[500:] // once they are known as bulk flows
	runs := 1
	for i := 1; i < len(order); i++ {
		if order[i] != order[i-1] {
			runs++
		}
	}
	if average := len(order) / runs; average < 64<<10/1420-3 { // GRO takes 64 KiB
		t.Errorf("runs of %d packets", average)
	}
}

func TestDropRemovesFlowAndGroup(t *testing.T) {
	var s scheduler
	var g, other group
	f, keep := newFakeSource(&s, &g, 100), newFakeSource(&s, &other, 100)
	f.add(5)
	keep.add(5)
	s.drop(&f.flow)
	s.drop(&f.flow)
	if g.next != nil || s.flows != 1 {
		t.Errorf("group on the ring: %v, %d flows", g.next != nil, s.flows)
	}
	if n := fill(&s, 128); n != 5 || f.sent != 0 {
		t.Errorf("%d packets, %d bytes of the dropped flow", n, f.sent)
	}
	if s.groups != nil || s.flows != 0 {
		t.Error("the ring is not empty")
	}
}

// TestNoLostWakeUpModel: writers make flows ready at random while a reader sleeps whenever Output-like
// rounds return 0 and is woken only by the wake result. If a wake-up were lost, packets would remain.
func TestNoLostWakeUpModel(t *testing.T) {
	for seed := range uint64(20) {
		var s scheduler
		s.inbox.idle.Store(true)
		var groups [3]group
		var flows []*fakeSource
		for i := range 12 {
			flows = append(flows, newFakeSource(&s, &groups[i%3], 60+i*120))
		}
		wake := make(chan struct{}, 1)
		notify := func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
		const writers, rounds = 4, 2000
		var wg sync.WaitGroup
		var added atomic.Int64
		for w := range uint64(writers) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				rng := rand.New(rand.NewPCG(seed, w))
				for range rounds {
					n := 1 + rng.IntN(3)
					added.Add(int64(n))
					if rng.IntN(10) == 0 {
						if _, w := s.pushControl(make([]byte, 40)); w {
							notify()
						}
						added.Add(int64(1 - n))
					} else if flows[rng.IntN(len(flows))].add(n) {
						notify()
					}
				}
			}()
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		got, finished := int64(0), false
		st := &Stack{}
		for {
			out := batch{stack: st, bufs: make([][]byte, 8), sizes: make([]int, 8)}
			for i := range out.bufs {
				out.bufs[i] = make([]byte, 1500)
			}
			idle := modelOutput(&s, &out)
			got += int64(out.n)
			if out.n > 0 {
				continue
			}
			if !idle {
				t.Fatal("0 packets and not idle")
			}
			if finished && got == added.Load() {
				break
			}
			select {
			case <-wake:
			case <-done:
				if finished {
					t.Fatalf("seed %d: asleep with %d of %d packets sent", seed, got, added.Load())
				}
				finished = true // one more look at the wake channel
			}
		}
	}
}

// modelOutput is the loop of Output without a stack around it.
func modelOutput(s *scheduler, out *batch) (idle bool) {
	for !out.full() {
		s.takeControl(out)
		if out.full() {
			return false
		}
		f, budget, _, idle := s.next(out.n == 0)
		if f == nil && (idle || out.n > 0) {
			return idle
		}
		if f != nil {
			f.source.emit(out, budget)
		}
	}
	return false
}

// TestControlFirstButBounded: control packets go ahead of flows, but a ready flow is not starved.
func TestControlFirstButBounded(t *testing.T) {
	h := newHost(t, gatewayAddr)
	f := newFakeSource(&h.s.out, &group{}, 1000)
	f.add(100)
	for range 500 {
		h.s.sendControl(segment(gatewayAddr+":1", clientAddr+":1", wire.TCP{Flags: wire.FlagRST}))
	}
	n := h.s.Output(h.now(), h.bufs[:32], h.sizes, 16)
	if n != 32 || f.sent != 0 {
		t.Fatalf("%d packets, %d bytes of the flow: control packets go first", n, f.sent)
	}
	h.s.Output(h.now(), h.bufs[:64], h.sizes, 16)
	if f.sent == 0 {
		t.Error("the flow waits for all control packets")
	}
}
