package ourstack

import (
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/tcp"
)

// TestDeadlinesModel compares the heap with a map over random sets, stops and expiries.
func TestDeadlinesModel(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		var d deadlines
		timers := make([]timer, 50)
		model := map[*timer]tcp.Instant{}
		earliest := func() (m tcp.Instant) {
			for _, at := range model {
				if m == 0 || at < m {
					m = at
				}
			}
			return m
		}
		now := tcp.Instant(1)
		for range 5000 {
			tm := &timers[rng.IntN(len(timers))]
			switch rng.IntN(4) {
			case 0, 1:
				at := now.Add(tcp.Duration(1 + rng.IntN(1000)))
				before := earliest()
				if wake, want := d.set(tm, at), before == 0 || at < before; wake != want {
					t.Fatalf("seed %d: wake %v for %d with %d before", seed, wake, at, before)
				}
				model[tm] = at
			case 2:
				d.stop(tm)
				delete(model, tm)
			case 3:
				now += tcp.Instant(rng.IntN(200))
				expirePopped(t, &d, model, now)
			}
			if at, n := d.first(); at != earliest() || n != len(model) {
				t.Fatalf("seed %d: first %d of %d, want %d of %d", seed, at, n, earliest(), len(model))
			}
		}
	}
}

// expirePopped takes due timers, some at a time, and checks them against the model.
func expirePopped(t *testing.T, d *deadlines, model map[*timer]tcp.Instant, now tcp.Instant) {
	t.Helper()
	var due [3]*timer
	last := tcp.Instant(0)
	for {
		n := d.popDue(now, due[:])
		for _, tm := range due[:n] {
			if at := model[tm]; at == 0 || at > now || at < last || tm.index != 0 {
				t.Fatalf("popped a timer of %d at %d after %d", at, now, last)
			}
			last = model[tm]
			delete(model, tm)
		}
		if n < len(due) {
			break
		}
	}
	for _, at := range model {
		if at <= now {
			t.Fatalf("a timer of %d is left at %d", at, now)
		}
	}
}

// countdown is an expirer that arms itself again for a time that has passed.
type countdown struct {
	d     *deadlines
	timer timer
	n     int
}

func (c *countdown) expire(now tcp.Instant) {
	c.n++
	c.d.set(&c.timer, now)
}

// TestAdvanceEnds: timers that are due again at once fire once per call, not for ever.
func TestAdvanceEnds(t *testing.T) {
	h := newHost(t, gatewayAddr)
	var cs [200]countdown
	for i := range cs {
		cs[i].d = &h.s.deadlines
		cs[i].timer.owner = &cs[i]
		h.s.deadlines.set(&cs[i].timer, h.now())
	}
	h.s.Advance(h.now())
	total := 0
	for i := range cs {
		total += cs[i].n
	}
	if total < len(cs) || total > 2*len(cs) {
		t.Errorf("%d expiries of %d timers", total, len(cs))
	}
}

// TestDeadlinesAreLazy: acknowledgments that move a connection's deadline later do not touch the heap.
func TestDeadlinesAreLazy(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	cl.SetNoDelay(true)
	before := cl.timer.at
	for range 50 {
		*client.clock += tcp.Instant(ms)
		if _, err := cl.Write(client.now(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		exchange(gateway, client)
		var b [1]byte
		if _, err := server.Read(gateway.now(), b[:]); err != nil {
			t.Fatal(err)
		}
	}
	if cl.timer.at > before+tcp.Instant(second) {
		t.Errorf("the deadline moved in the heap from %d to %d", before, cl.timer.at)
	}
	cl.mu.Lock()
	real := cl.tcb.Deadline()
	cl.mu.Unlock()
	if real != 0 && cl.timer.at > real {
		t.Errorf("the heap says %d, later than the deadline %d", cl.timer.at, real)
	}
}
