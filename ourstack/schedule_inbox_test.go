package ourstack

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// TestInboxKeepsOrder: flows of one group are served in the order in which they became ready.
func TestInboxKeepsOrder(t *testing.T) {
	var s scheduler
	var g group
	flows := make([]flow, 10)
	for i := range flows {
		flows[i] = flow{group: &g}
		s.push(&flows[i])
	}
	for i := range flows {
		if f, _, _, _ := s.next(true); f != &flows[i] {
			t.Fatalf("another flow than the %dth", i)
		}
		s.done(&flows[i], service{})
	}
}

// TestOneWakeForEachIdlePeriod: of those who make flows ready at the same time while Output waits, exactly
// one calls Wake, and Output finds all of their flows.
func TestOneWakeForEachIdlePeriod(t *testing.T) {
	const owners, rounds = 4, 2000
	var s scheduler
	groups, flows := make([]group, owners), make([]flow, owners)
	var wakes atomic.Int32
	for round := range rounds {
		if f, _, _, idle := s.next(true); f != nil || !idle {
			t.Fatal("not idle")
		}
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range flows {
			flows[i] = flow{group: &groups[i]}
			wg.Go(func() {
				<-start
				if i == 0 && round%2 == 0 {
					if _, wake := s.pushControl(make([]byte, 40)); wake {
						wakes.Add(1)
					}
				}
				if s.push(&flows[i]) {
					wakes.Add(1)
				}
			})
		}
		close(start)
		wg.Wait()
		if n := wakes.Swap(0); n != 1 {
			t.Fatalf("round %d: %d wake-ups", round, n)
		}
		for range flows {
			f, _, _, _ := s.next(true)
			if f == nil {
				t.Fatalf("round %d: a flow is lost", round)
			}
			s.done(f, service{})
		}
		out := batch{stack: &Stack{}, bufs: [][]byte{make([]byte, 40), nil}, sizes: make([]int, 2)}
		if s.takeControl(&out); out.n != (round+1)%2 {
			t.Fatalf("round %d: %d control packets", round, out.n)
		}
	}
}

// TestOutputStaysAwakeForWhatComesMeanwhile: a flow that comes while Output is about to sleep either makes
// it go on or calls Wake, and not both.
func TestOutputStaysAwakeForWhatComesMeanwhile(t *testing.T) {
	var s scheduler
	var g group
	f := flow{group: &g}
	for range 20_000 {
		s.next(true)
		s.inbox.idle.Store(false) // Output runs
		pushed := make(chan bool)
		go func() { pushed <- s.push(&f) }()
		got, _, _, idle := s.next(true)
		wake := <-pushed
		if got == nil && idle != wake {
			t.Fatalf("idle %v, wake %v", idle, wake)
		}
		if got != nil && wake {
			t.Fatal("a wake-up for a flow that is being served")
		}
		if got == nil {
			got, _, _, _ = s.next(true)
		}
		if got != &f {
			t.Fatal("the flow is lost")
		}
		s.done(&f, service{})
	}
}

// TestDropTakesFlowOutOfInbox: first, last, between others, and with what the flow left standing.
func TestDropTakesFlowOutOfInbox(t *testing.T) {
	for dropped := range 3 {
		var s scheduler
		var g group
		var flows [3]flow
		for i := range flows {
			flows[i] = flow{group: &g}
			s.account(&flows[i], standingMin/2)
			s.push(&flows[i])
		}
		s.drop(&flows[dropped])
		flows[dropped] = flow{} // nothing may come back to it
		for range 2 {
			if f, _, _, _ := s.next(true); f == nil || f == &flows[dropped] {
				t.Fatal("not the flows that are left")
			} else {
				s.done(f, service{standing: f.standing})
			}
		}
		if f, _, _, idle := s.next(true); f != nil || !idle || g.delayed != 2 || g.standing != standingMin {
			t.Errorf("left: %v, %d flows with %d bytes", f != nil, g.delayed, g.standing)
		}
	}
}

// TestReliefAndFlowDropped: a group whose last flow was dropped while relief was in the inbox.
func TestReliefAndFlowDropped(t *testing.T) {
	s, g, f, busy := holdOne(t)
	if !s.account(busy, 0) || !g.relieving {
		t.Fatal("no relief")
	}
	s.drop(f)
	if g.relieving || g.next != nil || s.flows != 0 {
		t.Error("the group is still at it")
	}
}

// TestRousedAndRelieved: a held flow that is roused while relief is in the inbox is served once.
func TestRousedAndRelieved(t *testing.T) {
	for _, rouseFirst := range []bool{true, false} {
		s, _, f, busy := holdOne(t)
		if rouseFirst {
			s.rouse(f)
		}
		s.account(busy, 0)
		if !rouseFirst {
			s.rouse(f)
		}
		if got, _, hold, _ := s.next(true); got != f || hold {
			t.Fatal("not served")
		}
		s.done(f, service{})
		if got, _, _, idle := s.next(true); got != nil || !idle {
			t.Fatal("served twice")
		}
	}
}

// TestRousedInService: a flow that was let go, and is then roused by its owner before it emits, is idle in
// the end and may be pushed.
func TestRousedInService(t *testing.T) {
	s, _, f, busy := holdOne(t)
	s.account(busy, 0)
	if got, _, _, _ := s.next(true); got != f {
		t.Fatal("not served")
	}
	s.rouse(f)
	s.done(f, service{})
	if f.below != nil || s.inbox.head.Load() != nil || f.list != nil || s.flows != 0 {
		t.Fatal("it is somewhere")
	}
	if !s.push(f) && s.inbox.idle.Load() {
		t.Error("no wake-up")
	}
	if got, _, _, _ := s.next(true); got != f {
		t.Error("not served")
	}
}

// TestFullAgainBeforeRelief: relief that finds its group full again asks those who were held once more,
// and relief is not sent twice.
func TestFullAgainBeforeRelief(t *testing.T) {
	s, g, f, busy := holdOne(t)
	if !s.account(busy, 0) {
		t.Error("no wake-up")
	}
	s.account(busy, standingMax)
	s.account(busy, 0)
	s.account(busy, standingMax)
	if got, _, hold, _ := s.next(true); got != f || !hold {
		t.Fatal("not asked")
	}
	if s.done(f, service{more: true, held: true}); f.list != &g.held {
		t.Fatal("not held")
	}
	s.account(busy, 0)
	if got, _, hold, _ := s.next(true); got != f || hold {
		t.Fatal("not let go")
	}
}

// holdOne returns an idle scheduler with a group that holds f because of what stands of busy.
func holdOne(t *testing.T) (s *scheduler, g *group, f, busy *flow) {
	t.Helper()
	s, g = &scheduler{}, &group{}
	f, busy = &flow{group: g}, &flow{group: g}
	s.push(f)
	s.account(busy, standingMax)
	s.next(true)
	s.done(f, service{more: true, held: true})
	if _, _, _, idle := s.next(true); !idle || f.list != &g.held {
		t.Fatal("not held")
	}
	return s, g, f, busy
}

// holdSource is a flow with text, which may be held, and acknowledgments, which may not; it follows the
// protocol of Conn.
type holdSource struct {
	s    *scheduler
	flow flow

	mu       sync.Mutex
	queued   bool
	held     bool
	gone     bool
	text     int // bytes to send
	acks     int // packets to send
	standing int
}

// change makes f do something as Conn.finish does.
func (h *holdSource) change(f func()) (wake bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone {
		return false
	}
	was := h.standing
	f()
	if h.standing != was {
		wake = h.s.account(&h.flow, h.standing)
	}
	switch {
	case h.acks+h.text == 0:
	case !h.queued:
		h.queued = true
		wake = h.s.push(&h.flow) || wake
	case h.held && h.acks > 0:
		h.held = false
		wake = h.s.rouse(&h.flow) || wake
	}
	return wake
}

// leave drops the flow as forget does.
func (h *holdSource) leave() (wake bool) {
	h.mu.Lock()
	was := h.gone
	h.gone = true
	h.mu.Unlock()
	return !was && h.s.drop(&h.flow)
}

func (h *holdSource) emit(out *batch, budget int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sv := service{}
	for !h.gone && !out.full() && sv.used < budget && (h.acks > 0 || h.text > 0 && !out.hold) {
		n := 60
		if h.acks > 0 {
			h.acks--
		} else {
			n = min(h.text, 20_000)
			h.text -= n
			h.standing += n
		}
		out.add(n)
		sv.used += n
		sv.largest = max(sv.largest, n)
	}
	sv.held = !h.gone && h.acks == 0 && h.text > 0 && out.hold
	sv.more = !h.gone && (h.acks > 0 || h.text > 0)
	if !h.gone {
		sv.standing = h.standing
	}
	h.held, h.queued = sv.held, sv.more
	out.wake = h.s.done(&h.flow, sv)
}

// TestHeldFlowsAreNotLost: owners write, acknowledge, see queues become shorter and leave, all at once,
// while one reader serves them. Nothing that is ready may be left while the reader sleeps, and when
// the queues are empty in the end everything must be sent.
func TestHeldFlowsAreNotLost(t *testing.T) {
	for seed := range uint64(20) {
		s := &scheduler{}
		s.inbox.idle.Store(true)
		var groups [2]group
		var sources []*holdSource
		for i := range 16 {
			h := &holdSource{s: s}
			h.flow = flow{source: h, group: &groups[i%2], small: true}
			sources = append(sources, h)
		}
		wake := make(chan struct{}, 1)
		var writers sync.WaitGroup
		for w := range uint64(4) {
			writers.Go(func() {
				rng := rand.New(rand.NewPCG(seed, w))
				for range 1500 {
					if disturb(sources[rng.IntN(len(sources))], rng) {
						waiter(wake).Notify(0)
					}
				}
			})
		}
		written := make(chan struct{})
		go func() { writers.Wait(); close(written) }()
		held := 0
		for running := true; running; {
			held += serveHeld(t, s)
			select {
			case <-wake:
				continue
			default:
			}
			select {
			case <-wake:
			case <-written:
				running = len(wake) > 0
			}
		}
		if f, _, _, _ := s.next(true); f != nil {
			t.Fatalf("seed %d: the reader slept, and a flow was ready", seed)
		}
		if held == 0 {
			t.Errorf("seed %d: nothing was held", seed)
		}
		finishHeld(t, s, sources)
	}
}

// disturb does something at random to a source.
func disturb(h *holdSource, rng *rand.Rand) (wake bool) {
	switch n := rng.IntN(1000); {
	case n < 300:
		return h.change(func() { h.text += 1 + rng.IntN(200_000) })
	case n < 600:
		return h.change(func() { h.acks++ })
	case n < 998:
		return h.change(func() { h.standing -= rng.IntN(h.standing + 1) })
	default:
		return h.leave()
	}
}

// serveHeld serves what is ready until the scheduler is idle, and returns how often it held a flow.
func serveHeld(t *testing.T, s *scheduler) (held int) {
	t.Helper()
	for {
		out := batch{bufs: make([][]byte, 8), sizes: make([]int, 8)}
		f, budget, hold, idle := s.next(true)
		if f == nil && idle {
			return held
		}
		if f == nil {
			continue
		}
		if out.hold = hold; hold {
			held++
		}
		f.source.emit(&out, budget)
	}
}

// finishHeld empties the queues until all is sent.
func finishHeld(t *testing.T, s *scheduler, sources []*holdSource) {
	t.Helper()
	for range 10_000 {
		serveHeld(t, s)
		left := false
		for _, h := range sources {
			left = left || !h.gone && h.text+h.acks > 0
			h.change(func() { h.standing = 0 })
		}
		if !left {
			break
		}
	}
	for i, h := range sources {
		if !h.gone && (h.text != 0 || h.acks != 0 || h.queued) {
			t.Fatalf("source %d: %d bytes and %d ACKs are left", i, h.text, h.acks)
		}
	}
	if s.flows != 0 || s.groups != nil || s.inbox.head.Load() != nil {
		t.Error("something is left on the lists")
	}
}
