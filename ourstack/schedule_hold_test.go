package ourstack

import (
	"errors"
	"testing"

	"vpngw/ourstack/tcp"
)

// TestHoldWhatStandsInQueues: bulk flows of a group whose packets stand in queues are held, other
// groups and flows that are roused are not, and shorter queues let them go.
func TestHoldWhatStandsInQueues(t *testing.T) {
	var s scheduler
	var g, other group
	f := flow{group: &g}
	busy := flow{group: &g}
	neighbour := flow{group: &other}
	s.push(&f)
	s.account(&busy, standingMax)
	s.push(&neighbour)
	if got, _, hold, _ := s.next(true); got != &f || !hold {
		t.Fatalf("the flow of a full group: %v, hold %v", got == &f, hold)
	}
	s.done(&f, service{more: true, held: true})
	if f.list != &g.held || s.flows != 1 {
		t.Fatal("it is not held")
	}
	if got, _, hold, _ := s.next(true); got != &neighbour || hold {
		t.Fatal("a neighbour is held as well")
	}
	s.done(&neighbour, service{})
	if got, _, _, idle := s.next(true); got != nil || !idle {
		t.Fatal("a held flow is served")
	}

	if !s.rouse(&f) {
		t.Error("no wake-up for a flow that was roused")
	}
	if got, _, hold, _ := s.next(true); got != &f || !hold {
		t.Fatal("a roused flow is not served")
	}
	s.done(&f, service{used: 60, largest: 60, more: true, held: true})
	if f.small {
		t.Error("a held flow that sent an ACK counts as interactive")
	}
	s.next(true)

	if limit := g.standingLimit(); s.account(&busy, limit-limit/16) || f.list != &g.held {
		t.Error("let go too early")
	}
	if !s.account(&busy, standingMin/2) {
		t.Error("no wake-up when the queues are shorter")
	}
	if got, _, hold, _ := s.next(true); got != &f || hold {
		t.Fatal("the flow was not let go")
	}
	s.done(&f, service{more: true, held: true}) // it became possible meanwhile
	if f.list != &g.bulk {
		t.Error("held by a group that is not full")
	}
}

// TestManyFlowsMayHaveMoreStanding: a little for each flow, to a bound.
func TestManyFlowsMayHaveMoreStanding(t *testing.T) {
	var s scheduler
	var g group
	flows := make([]flow, 3*(standingMax-standingMin)/standingPerFlow)
	for i := range flows {
		flows[i].group = &g
		s.account(&flows[i], 1)
		if got, want := g.standingLimit(), min(standingMin+(i+1)*standingPerFlow, standingMax); got != want {
			t.Fatalf("%d flows: %d bytes, want %d", i+1, got, want)
		}
	}
	for i := range flows {
		s.account(&flows[i], 0)
	}
	if g.delayed != 0 || g.standingLimit() != standingMin {
		t.Errorf("in the end %d flows and %d bytes", g.delayed, g.standingLimit())
	}
}

// TestHoldEndsWithItsCause: what a flow left behind does not hold others.
func TestHoldEndsWithItsCause(t *testing.T) {
	var s scheduler
	var g group
	f, busy := flow{group: &g}, flow{group: &g}
	s.push(&f)
	s.account(&busy, standingMax)
	s.next(true)
	s.done(&f, service{more: true, held: true})
	s.next(true) // idle
	if !s.drop(&busy) || f.list != &g.bulk || g.standing != 0 {
		t.Error("dropping the flow that filled the queues does not let the others go")
	}
	s.account(&busy, standingMax)
	s.next(true)
	s.done(&f, service{more: true, held: true})
	s.drop(&f)
	if f.list != nil || g.held.head != nil || s.flows != 0 {
		t.Error("a held flow was not dropped")
	}
}

// TestBothWaysHeld: two ends that hold their text for each other still acknowledge, so both go on.
func TestBothWaysHeld(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	server.remote.cfg.Path, cl.remote.cfg.Path = nil, nil // or nothing is there to be held
	data, b := make([]byte, 256<<10), make([]byte, 256<<10)
	read := map[*Conn]int{}
	full := 0
	var toClient, toGateway [][]byte
	for range 4000 {
		for _, e := range []struct {
			h *host
			c *Conn
		}{{gateway, server}, {client, cl}} {
			if _, err := e.c.Write(e.h.now(), data); err != nil && !errors.Is(err, ErrWouldBlock) {
				t.Fatal(err)
			}
			n, _ := e.c.Read(e.h.now(), b)
			read[e.c] += n
			if e.c.flow.group.full.Load() {
				full++
			}
			if err := e.h.s.Check(); err != nil {
				t.Fatal(err)
			}
		}
		// 32 packets each way every 5 ms: less than both want to send, so queues grow. Turns of 10 ms would
		// be too coarse: standingMin is 5.4 of them, and what is left of the sixth would pass unused.
		toClient, toGateway = append(toClient, gateway.packets()...), append(toGateway, client.packets()...)
		n := min(32, len(toClient))
		client.recv(toClient[:n]...)
		toClient = toClient[n:]
		n = min(32, len(toGateway))
		gateway.recv(toGateway[:n]...)
		toGateway = toGateway[n:]
		gateway.after(5 * tcp.Millisecond)
		client.s.Advance(client.now())
	}
	if full == 0 {
		t.Error("no queue was full")
	}
	for c, n := range read {
		// 32 segments in 5 ms are 175 MB in 20 s, of which acknowledgments of the other direction that
		// leave alone, while text is held, take their part.
		if n < 150<<20 {
			t.Errorf("%v read %d bytes only", c.LocalAddr(), n)
		}
		if i := c.Info(gateway.now()); i.Counters.Timeouts != 0 || i.InFlight > 2*standingMin {
			t.Errorf("%v: %d timeouts, %d bytes in flight", c.LocalAddr(), i.Counters.Timeouts, i.InFlight)
		}
	}
}
