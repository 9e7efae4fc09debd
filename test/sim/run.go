package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// Scenario is everything that a run depends on.
type Scenario struct {
	Seed        uint64
	Clients     int // hosts that dial, each with a link of its own to the second; all are as the first
	Stack       [2]ourstack.Config
	Link        [2]LinkConfig
	Granularity [2]tcp.Duration
	Stalls      [2]Stalls
	Flows       []FlowConfig
	FaultsFor   tcp.Duration // then the links become calm
	Limit       tcp.Duration // everything must be done by then
	Sparse      bool         // check connections less often: for many seeds
}

// serverPort is where host B listens.
const serverPort = 80

// Result is what a run measured.
type Result struct {
	World   *World
	Elapsed tcp.Duration // until the last flow was done
	Steps   int
	Bytes   int
}

// Run carries out the scenario. The error says which expectation failed; the world in the result
// then has the trace.
func Run(s Scenario) (Result, error) {
	w, err := NewWorld(s.Seed, s.Stack, s.Link)
	if err != nil {
		return Result{}, err
	}
	for range s.Clients - 1 {
		if err := w.addClient(s.Seed, s.Stack[0], s.Link[0]); err != nil {
			return Result{}, err
		}
	}
	w.sparse = s.Sparse
	r := &runner{Scenario: s, w: w, start: w.Now}
	err = r.run()
	return Result{World: w, Elapsed: r.lastDone.Sub(r.start), Steps: r.steps, Bytes: r.bytes}, err
}

type runner struct {
	Scenario
	w        *World
	flows    []*Flow
	listener *ourstack.Listener
	byAddr   map[netip.AddrPort]*Flow // of the dialling end
	start    tcp.Instant
	lastDone tcp.Instant
	calm     bool
	rest     restWatcher
	steps    int
	bytes    int
}

func (r *runner) run() error {
	for i, h := range r.w.Hosts {
		side := 0
		if i == 1 {
			side = 1
		}
		h.Granularity, h.Stalls = r.Granularity[side], r.Stalls[side]
	}
	var err error
	if r.listener, err = r.w.Hosts[1].Stack.Listen(netip.AddrPortFrom(AddrB, serverPort), 64); err != nil {
		return err
	}
	r.byAddr = map[netip.AddrPort]*Flow{}
	r.makeFlows()
	end := r.start.Add(r.Limit)
	for {
		if err := r.applications(); err != nil {
			return err
		}
		if err := r.check(); err != nil {
			return err
		}
		if err := r.watchRest(); err != nil {
			return err
		}
		if r.allFinished() {
			break
		}
		if !r.step(end) && r.w.Now >= end {
			return r.unfinished()
		}
		r.steps++
	}
	return r.drain()
}

// check looks for violated invariants.
func (r *runner) check() error {
	for _, f := range r.flows {
		if err := f.check(r.w); err != nil {
			return err
		}
	}
	return r.w.Check()
}

func (r *runner) makeFlows() {
	for i, fc := range r.Flows {
		r.flows = append(r.flows, &Flow{FlowConfig: fc, id: i, rng: rand.New(rand.NewPCG(r.Seed, uint64(100+i)))})
		r.bytes += fc.Bytes[0] + fc.Bytes[1]
	}
}

// step advances the world, but not past the next thing that an application does by itself.
func (r *runner) step(end tcp.Instant) bool {
	limit := end
	if !r.calm {
		calmAt := r.start.Add(r.FaultsFor)
		if r.w.Now >= calmAt {
			r.calm = true
			for _, h := range r.w.Hosts {
				h.Out.LinkConfig = h.Out.Calm()
				h.Stalls = Stalls{}
			}
		} else {
			limit = min(limit, calmAt)
		}
	}
	if at := r.rest.next(); at > r.w.Now { // not in drain
		limit = min(limit, at)
	}
	for _, f := range r.flows {
		if at := f.nextAct(r.w.Now); at != 0 {
			limit = min(limit, at)
		}
		if f.end[0] == nil {
			limit = min(limit, r.start.Add(f.Start))
		}
	}
	return r.w.Step(max(limit, r.w.Now))
}

// applications lets all applications act until none can.
func (r *runner) applications() error {
	for {
		did := r.dial() || r.accept()
		for _, f := range r.flows {
			wasDone := f.finished()
			for side := range 2 {
				acted, err := f.act(side, r.w)
				if err != nil {
					return err
				}
				did = did || acted
			}
			if !wasDone && f.finished() {
				r.lastDone = r.w.Now
			}
		}
		if !did {
			return nil
		}
	}
}

func (r *runner) dial() bool {
	did := false
	for _, f := range r.flows {
		if f.end[0] != nil || r.w.Now < r.start.Add(f.Start) {
			continue
		}
		h := f.host(r.w, 0)
		c, err := h.Stack.Dial(h.Clock(), netip.AddrPort{}, netip.AddrPortFrom(AddrB, serverPort))
		if err != nil {
			panic(err) // a fresh stack has ports
		}
		c.SetNoDelay(f.NoDelay)
		f.end[0] = &end{conn: c}
		r.byAddr[c.LocalAddr()] = f
		did = true
	}
	return did
}

func (r *runner) accept() bool {
	did := false
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return did
		}
		did = true
		f := r.byAddr[c.RemoteAddr()]
		if f == nil || f.end[1] != nil {
			c.Abort(r.w.Hosts[1].Clock())
			continue
		}
		c.SetNoDelay(f.NoDelay)
		f.end[1] = &end{conn: c}
	}
}

func (r *runner) allFinished() bool {
	for _, f := range r.flows {
		if !f.finished() {
			return false
		}
	}
	return true
}

func (r *runner) unfinished() error {
	var errs []error
	for _, f := range r.flows {
		if f.finished() {
			continue
		}
		for side, e := range f.end {
			if e == nil || e.conn == nil {
				errs = append(errs, fmt.Errorf("flow %d side %d: never connected", f.id, side))
				continue
			}
			errs = append(errs, fmt.Errorf("flow %d side %d: %v, %d of %d read, %d of %d written: %+v", f.id, side, e.conn.State(),
				e.read, f.Bytes[1-side], e.written, f.Bytes[side], e.conn.Info(f.host(r.w, side).Clock())))
		}
	}
	return errors.Join(append([]error{errors.New("not done in time")}, errs...)...)
}

// drain lets the connections come to their end and looks for what is left behind.
func (r *runner) drain() error {
	end := r.w.Now.Add(1800 * tcp.Second)
	for r.step(end) || r.w.Now < end {
		if err := r.applications(); err != nil {
			return err
		}
		if err := r.check(); err != nil {
			return err
		}
	}
	for i, h := range r.w.Hosts {
		if st := h.Stack.Stats(); st.Conns != 0 || st.Memory != 0 {
			return fmt.Errorf("host %d: %d connections and %d bytes left behind", i, st.Conns, st.Memory)
		}
	}
	return nil
}
