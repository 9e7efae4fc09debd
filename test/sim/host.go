package sim

import (
	"math/rand/v2"
	"net/netip"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// network is what the world needs of a stack: ours, or another that is measured beside it.
type network interface {
	Input(now tcp.Instant, bufs [][]byte, offset int)
	Output(now tcp.Instant, bufs [][]byte, sizes []int, offset int) int
	Advance(now tcp.Instant)
	NextDeadline() (tcp.Instant, bool)
}

// Host is a stack with its way out.
type Host struct {
	Addr        netip.Addr
	Stack       *ourstack.Stack // nil if it is another's
	Out         *Link
	Granularity tcp.Duration // of its clock; 0 = exact
	Stalls      Stalls

	net     network
	world   *World
	index   int
	woken   bool
	touched bool        // something happened since the last check
	skew    tcp.Instant // its clock is ahead by this
	inbox   [][]byte    // arrived, not yet handed over
	memory  int         // budget of its buffers

	asleepUntil tcp.Instant
	nextStall   tcp.Instant
}

// Stalls are times in which a host does nothing, as when its process is not scheduled: packets
// that arrive are handed over together afterwards, timers expire late.
type Stalls struct {
	Every, For tcp.Duration
}

// newLink makes a way out; n tells the links of a world apart.
func (w *World) newLink(seed uint64, n int, cfg LinkConfig) *Link {
	return &Link{LinkConfig: cfg, rng: rand.New(rand.NewPCG(seed, uint64(10+n)))}
}

// newHost makes host i without a stack.
func (w *World) newHost(i int, out *Link) *Host {
	h := &Host{Addr: hostAddr(i), Out: out, world: w, index: i, woken: true, skew: tcp.Instant(i) * 12345678901}
	w.Hosts = append(w.Hosts, h)
	return h
}

// start gives the host a stack of ours.
func (h *Host) start(seed uint64, cfg ourstack.Config) error {
	cfg.Addresses = []netip.Addr{h.Addr}
	cfg.Wake = func() { h.woken = true }
	rng := rand.New(rand.NewPCG(seed, uint64(20+h.index)))
	for j := range cfg.Seed {
		cfg.Seed[j] = byte(rng.Uint32())
	}
	var err error
	if h.Stack, err = ourstack.New(cfg); err != nil {
		return err
	}
	h.net, h.memory = h.Stack, cfg.Limits.Memory
	return nil
}

// Clock is what the host reads as the time.
func (h *Host) Clock() tcp.Instant {
	now := h.world.Now + h.skew
	if h.Granularity > 0 {
		now -= now % tcp.Instant(h.Granularity)
	}
	return now
}

// worldTime is when the clock of the host reaches at.
func (h *Host) worldTime(at tcp.Instant) tcp.Instant {
	if g := tcp.Instant(h.Granularity); g > 0 {
		at = (at + g - 1) / g * g
	}
	return at - h.skew
}

func (h *Host) asleep() bool { return h.world.Now < h.asleepUntil }

// nextEvent is when the host next does something by itself: far if never.
func (h *Host) nextEvent(far tcp.Instant) tcp.Instant {
	at, ok := h.net.NextDeadline()
	if !ok && len(h.inbox) == 0 && !h.woken {
		return far
	}
	next := far
	if ok {
		next = h.worldTime(at)
	}
	if len(h.inbox) > 0 || h.woken {
		next = h.world.Now
	}
	return max(next, h.asleepUntil)
}

// work lets the host do what is due, unless it sleeps or falls asleep now.
func (h *Host) work() {
	now := h.world.Now
	if h.Stalls.Every > 0 && now >= h.nextStall {
		if h.nextStall != 0 {
			h.asleepUntil = now.Add(h.Stalls.For)
		}
		h.nextStall = max(now, h.asleepUntil).Add(h.Stalls.Every)
	}
	if h.asleep() {
		return
	}
	if len(h.inbox) > 0 {
		h.net.Input(h.Clock(), h.inbox, 0)
		if h.world.bare {
			h.world.spare = append(h.world.spare, h.inbox...)
		}
		h.inbox = h.inbox[:0]
	}
	h.net.Advance(h.Clock())
	h.woken, h.touched = true, true
}
