package sim

import (
	"errors"
	"fmt"
	"net/netip"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// Bulk is a measurement: flows that write as fast as they may to one receiver, over one bottleneck.
type Bulk struct {
	Seed     uint64
	Controls []string // one sending host each
	Flows    int      // per sending host; 0 = 1
	Forward  LinkConfig
	Back     LinkConfig
	Duration tcp.Duration
	Volume   int          // bytes after which the measurement ends, if before Duration; 0 = no limit
	Stagger  tcp.Duration // between the starts of two flows
	Warmup   tcp.Duration // what arrives before does not count
	Config   ourstack.Config
	Stalls   Stalls       // of all hosts: they work in batches
	Idle     tcp.Duration // after a first exchange, before the flow begins

	// Watched has invariants checked, often what is cheap and now and then all. It costs a part of
	// the speed.
	Watched bool

	// Sample is called for each sender after each step, if not nil.
	Sample func(now tcp.Instant, flow int, c *ourstack.Conn)
}

// BulkResult is what was measured.
type BulkResult struct {
	Goodput []float64 // of each flow, bits of text a second
	Drops   float64   // part of the packets that the forward queue dropped
	Sent    int       // packets on the forward link
	Elapsed tcp.Duration
	Info    []tcp.Info // of the senders at the end
	Steps   int
	Memory  int // bytes of buffers that a host held at most, if Watched
}

// Total is the goodput of all flows together, in Mbit/s.
func (r *BulkResult) Total() float64 {
	sum := 0.0
	for _, g := range r.Goodput {
		sum += g
	}
	return sum / 1e6
}

// Jain is Jain's index of fairness of the flows: 1 when all have the same.
func (r *BulkResult) Jain() float64 {
	sum, squares := 0.0, 0.0
	for _, g := range r.Goodput {
		sum += g
		squares += g * g
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(r.Goodput)) * squares)
}

// bulkRun is a measurement that goes on.
type bulkRun struct {
	Bulk
	w        *World
	receiver *Host
	listener *ourstack.Listener
	flows    []*bulkFlow
	byPort   map[netip.AddrPort]*bulkFlow
	ready    []*bulkFlow // something happened to them
	counted  int
	memory   int
}

// bulkFlow is one flow; its ends tell it of events.
type bulkFlow struct {
	run     *bulkRun
	host    *Host
	start   tcp.Instant
	tx, rx  *ourstack.Conn
	read    int
	listed  bool
	greeted bool
}

// Notify implements [ourstack.Notifier].
func (f *bulkFlow) Notify(tcp.Event) {
	if !f.listed {
		f.listed = true
		f.run.ready = append(f.run.ready, f)
	}
}

// Measure carries out b.
func Measure(b Bulk) (BulkResult, error) {
	r := &bulkRun{Bulk: b, w: newWorld(), byPort: map[netip.AddrPort]*bulkFlow{}}
	r.w.bare = !b.Watched
	if err := r.makeHosts(); err != nil {
		return BulkResult{}, err
	}
	end := r.w.Now.Add(r.Duration)
	steps := 0
	for r.w.Now < end && (r.Volume == 0 || r.counted < r.Volume) {
		if err := r.act(); err != nil {
			return BulkResult{}, err
		}
		limit := end
		for _, f := range r.flows {
			if f.tx == nil {
				limit = min(limit, f.start)
			} else if resume := f.start.Add(r.Idle); r.w.Now < resume {
				limit = min(limit, resume)
			}
		}
		r.w.Step(limit)
		steps++
		if r.Watched {
			if err := r.watch(steps); err != nil {
				return BulkResult{}, err
			}
		}
	}
	return r.result(steps), nil
}

// watch looks for violated invariants.
func (r *bulkRun) watch(step int) error {
	if step%64 == 0 {
		for _, h := range r.w.Hosts {
			r.memory = max(r.memory, h.Stack.Stats().Memory)
		}
	}
	if step%4096 == 0 || r.w.wire.err != nil {
		return r.w.Check()
	}
	return nil
}

func (r *bulkRun) makeHosts() error {
	n := len(r.Controls)
	shared := r.w.newLink(r.Seed, 0, r.Forward)
	for i := range n + 1 {
		h := r.w.newHost(i, shared)
		h.Stalls = r.Stalls
		cfg := r.Config
		if i < n {
			cfg.TCP.CongestionControl = r.Controls[i]
		} else {
			h.Out = r.w.newLink(r.Seed, 1, r.Back)
			r.receiver = h
		}
		if err := h.start(r.Seed, cfg); err != nil {
			return err
		}
	}
	var err error
	r.listener, err = r.receiver.Stack.Listen(netip.AddrPortFrom(r.receiver.Addr, serverPort), 1024)
	for i := range n * max(r.Flows, 1) {
		r.flows = append(r.flows, &bulkFlow{run: r, host: r.w.Hosts[i%n], start: epoch.Add(tcp.Duration(i) * r.Stagger)})
	}
	return err
}

// act opens flows whose time has come and moves text for those that can.
func (r *bulkRun) act() error {
	for _, f := range r.flows {
		if f.tx != nil || r.w.Now < f.start {
			continue
		}
		c, err := f.host.Stack.Dial(f.host.Clock(), netip.AddrPort{}, netip.AddrPortFrom(r.receiver.Addr, serverPort))
		if err != nil {
			return err
		}
		f.tx = c
		r.byPort[c.LocalAddr()] = f
		c.SetNotifier(f)
	}
	for {
		c, err := r.listener.Accept()
		if err != nil {
			break
		}
		f := r.byPort[c.RemoteAddr()]
		f.rx = c
		c.SetNotifier(f)
	}
	for _, f := range r.flows {
		if f.greeted && r.w.Now >= f.start.Add(r.Idle) {
			f.greeted = false
			f.Notify(0) // goes on by itself
		}
	}
	for len(r.ready) > 0 {
		f := r.ready[0]
		r.ready = r.ready[:copy(r.ready, r.ready[1:])]
		f.listed = false
		if err := f.move(); err != nil {
			return err
		}
	}
	if r.Sample != nil {
		for i, f := range r.flows {
			if f.tx != nil {
				r.Sample(r.w.Now, i, f.tx)
			}
		}
	}
	return nil
}

// quiet reports whether the flow has sent its first text and waits before the rest.
func (f *bulkFlow) quiet(now tcp.Instant) bool {
	if f.run.Idle == 0 || now >= f.start.Add(f.run.Idle) {
		return false
	}
	if !f.greeted {
		f.greeted = true
		_, _ = f.tx.Write(f.host.Clock(), []byte("hello"))
	}
	return true
}

// move writes and reads what it can.
func (f *bulkFlow) move() error {
	var room [16][]byte
	if r := f.run; f.tx.State() != tcp.StateSynSent && !f.quiet(r.w.Now) {
		for {
			p, err := f.tx.WriteSpace(room[:0:1])
			if errors.Is(err, ourstack.ErrWouldBlock) {
				break
			}
			if err != nil {
				return fmt.Errorf("write: %w", err)
			}
			if err := f.tx.CommitWrite(f.host.Clock(), len(p[0])); err != nil {
				return err
			}
		}
	}
	if f.rx == nil {
		return nil
	}
	r := f.run
	for {
		pieces, err := f.rx.Peek(room[:0])
		if errors.Is(err, ourstack.ErrWouldBlock) || len(pieces) == 0 && err == nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		n := 0
		for _, p := range pieces {
			n += len(p)
		}
		f.rx.Discard(r.receiver.Clock(), n)
		if r.w.Now >= epoch.Add(r.Warmup) {
			f.read += n
			r.counted += n
		}
	}
}

func (r *bulkRun) result(steps int) BulkResult {
	res := BulkResult{Elapsed: r.w.Now.Sub(epoch), Steps: steps, Memory: r.memory}
	out := r.w.Hosts[0].Out
	res.Sent = out.Sent
	res.Drops = float64(out.Overflowed) / float64(max(out.Sent, 1))
	for _, f := range r.flows {
		from := max(f.start, epoch.Add(r.Warmup))
		res.Goodput = append(res.Goodput, float64(f.read)*8/(float64(r.w.Now.Sub(from))/1e9))
		if f.tx != nil {
			res.Info = append(res.Info, f.tx.Info(f.host.Clock()))
		}
	}
	return res
}
