package sim

import (
	"fmt"
	"net/netip"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// World is two hosts and the path between them; or more, each with a link of its own to all others.
type World struct {
	Now   tcp.Instant
	Hosts []*Host

	packets packetQueue
	order   int
	trace   trace
	wire    wireCheck
	bare    bool // neither trace nor checks of the wire: for measurements
	scratch [][]byte
	sizes   []int
	spare   [][]byte // packet buffers to use again
	readBuf []byte   // of applications
	checks  int
	sparse  bool // look at the connections in each fourth step only
}

// AddrB is the address of the second of two hosts.
var AddrB = hostAddr(1)

// hostAddr returns the address of host i.
func hostAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}) }

// batchSize is how many packets a host gives at a time, maxPacket the largest MTU of a host.
const (
	batchSize = 128
	maxPacket = 9216
)

// epoch is when a world begins: not 0, which means "never".
const epoch = tcp.Instant(tcp.Second)

// NewWorld makes two hosts from their configurations; links[i] is the way out of host i.
func NewWorld(seed uint64, cfg [2]ourstack.Config, links [2]LinkConfig) (*World, error) {
	w := newWorld()
	for i := range 2 {
		h := w.newHost(i, w.newLink(seed, i, links[i]))
		if err := h.start(seed, cfg[i]); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// addClient adds a host behind the first two that reaches them by a link of its own.
func (w *World) addClient(seed uint64, cfg ourstack.Config, link LinkConfig) error {
	i := len(w.Hosts)
	return w.newHost(i, w.newLink(seed, i, link)).start(seed, cfg)
}

func newWorld() *World {
	w := &World{Now: epoch, sizes: make([]int, batchSize), readBuf: make([]byte, maxPiece)}
	room := make([]byte, batchSize*maxPacket)
	for i := range batchSize {
		w.scratch = append(w.scratch, room[i*maxPacket:(i+1)*maxPacket])
	}
	return w
}

// Step carries out what is due now, and otherwise lets time pass to the next event. It returns
// false if nothing happens before limit, which is then the time.
func (w *World) Step(limit tcp.Instant) bool {
	busy := false
	for i, h := range w.Hosts {
		if h.woken && !h.asleep() {
			busy = w.pull(i, h) || busy
		}
	}
	if busy {
		return true
	}
	next := limit + 1
	if len(w.packets) > 0 {
		next = min(next, w.packets[0].at)
	}
	for _, h := range w.Hosts {
		next = min(next, h.nextEvent(limit+1))
	}
	if next > limit {
		w.Now = limit
		return false
	}
	w.Now = max(w.Now, next)
	w.collect()
	for _, h := range w.Hosts {
		h.work()
	}
	return true
}

// pull takes a batch of packets from the host and sends them on their way.
func (w *World) pull(i int, h *Host) bool {
	h.woken = false
	n := h.net.Output(h.Clock(), w.scratch, w.sizes, 0)
	for j := range n {
		p := w.scratch[j][:w.sizes[j]]
		if !w.bare {
			w.trace.note(w.Now, i, '>', p)
			w.wire.observe(i, p)
		}
		w.send(i, h, p)
	}
	if n > 0 {
		h.woken, h.touched = true, true
	}
	return n > 0
}

// send puts what the link makes of p on the way.
func (w *World) send(i int, h *Host, p []byte) {
	at, copies := h.Out.arrivals(w.Now, len(p))
	to := w.route(i, p)
	for k := range copies {
		b := append(w.buffer(), p...)
		strip(b, h.Out.Strip)
		h.Out.mark(b)
		h.Out.corrupt(b)
		w.enqueue(at[k], to, b)
	}
	if copies > 0 {
		return
	}
	if !w.bare {
		w.trace.note(w.Now, i, 'x', p)
	}
	if h.Out.Signal && h.Out.tooBig(w.Now, len(p)) {
		if b := fragNeeded(p, h.Out.MTU); b != nil {
			w.enqueue(w.Now.Add(h.Out.Delay), i, b)
		}
	}
}

// route returns the host for which b, sent by host i, is.
func (w *World) route(i int, b []byte) int {
	if len(w.Hosts) == 2 {
		return 1 - i
	}
	// 10.0.0.(i+1); what answers a corrupted packet may be for anybody, even by IPv6.
	return min(max(int(b[19])-1, 0), len(w.Hosts)-1)
}

func (w *World) enqueue(at tcp.Instant, to int, b []byte) {
	w.order++
	w.packets.push(packet{at: at, order: w.order, to: to, data: b})
}

// buffer returns an empty buffer for a packet.
func (w *World) buffer() []byte {
	if n := len(w.spare); n > 0 {
		b := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return b[:0]
	}
	return make([]byte, 0, 1536)
}

// collect takes the packets that arrive now into the inboxes of their hosts.
func (w *World) collect() {
	for len(w.packets) > 0 && w.packets[0].at <= w.Now {
		p := w.packets.pop()
		h := w.Hosts[p.to]
		h.inbox = append(h.inbox, p.data)
	}
}

// Check looks for violated invariants: in the stacks of both hosts and in what they sent.
func (w *World) Check() error {
	if w.wire.err != nil {
		return w.wire.err
	}
	w.checks++
	if w.sparse && w.checks%4 != 0 {
		return nil
	}
	for i, h := range w.Hosts {
		if h.Stack == nil || !h.touched {
			continue
		}
		h.touched = false
		if err := h.Stack.Check(); err != nil {
			return fmt.Errorf("host %d: %w", i, err)
		}
		if w.checks%64 != 0 || h.memory == 0 {
			continue
		}
		if n := h.Stack.Stats().Memory; n > h.memory {
			return fmt.Errorf("host %d: %d bytes of buffers, the budget is %d", i, n, h.memory)
		}
	}
	return nil
}

// Trace returns the last packets as text.
func (w *World) Trace() []string { return w.trace.lines() }
