package wgbind

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/tun"
)

// Limit bounds what stands inside a WireGuard device that is made of what it returns instead of b and
// t: two batches of packets, and one more, between t's Read and b's Send, and as many between b's
// receive functions and t's Write. Until packets have left, Read and the receive functions wait.
// A batch is 128 packets, or fewer if memory, the process's limit in bytes, is small.
//
// Of packets for peers that are silent, which the device would keep, few are let in: see [silence].
//
// Packets that the device drops it counts as gone, if it can see that; else if nothing else comes
// out for insideStall. Packets of the device's own, handshakes and keepalives, are not counted.
func Limit(b conn.Bind, t tun.Device, memory int64) (conn.Bind, tun.Device) {
	l := &limit{closed: make(chan struct{}), batch: batchOf(memory)}
	if mtu, err := t.MTU(); err == nil {
		l.silence.init(mtu, l.batch)
	}
	l.out.init(l)
	l.in.init(l)
	return &limitedBind{Bind: b, limit: l}, &limitedDevice{Device: t, limit: l}
}

// batchOf is the size of batches where there is so much memory.
func batchOf(memory int64) int {
	return int(max(batchMin, min(memory/memoryPerPacket, batchSize)))
}

// limit is what the two sides share.
type limit struct {
	out, in meter
	silence silence
	batch   int // immutable
	once    sync.Once
	closed  chan struct{}
}

// batchSize is how many packets something moves at once that could move own.
func (l *limit) batchSize(own int) int { return min(l.batch, own) }

// A meter counts the packets inside a device in one direction.
type meter struct {
	inside atomic.Int64
	left   atomic.Uint64 // packets that ever left

	waiting atomic.Int32
	roomy   chan struct{} // holds a token for a waiter when there is room
	closed  <-chan struct{}
	max     int64 // packets inside, immutable
	roomyAt int64 // packets inside at which waiters go on, immutable
}

func (m *meter) init(l *limit) {
	m.roomy, m.closed = make(chan struct{}, 1), l.closed
	m.max = int64(insideBatches * l.batch)
	m.roomyAt = m.max - int64(l.batch)
}

func (m *meter) enter(n int) { m.inside.Add(int64(n)) }

// leave counts n packets as gone. Waiters go on once there is room for a batch, not for each packet.
func (m *meter) leave(n int) {
	if n == 0 {
		return
	}
	m.left.Add(uint64(n))
	inside := m.inside.Add(-int64(n))
	if inside < 0 {
		// After insideStall what was no longer counted came out after all.
		m.inside.CompareAndSwap(inside, 0)
	}
	if inside <= m.roomyAt && m.waiting.Load() > 0 {
		m.signal()
	}
}

func (m *meter) signal() {
	select {
	case m.roomy <- struct{}{}:
	default:
	}
}

// wait returns when there is room, or when the device was closed.
func (m *meter) wait() {
	if m.inside.Load() < m.max {
		return
	}
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	stall := time.NewTimer(insideStall)
	defer stall.Stop()
	for left := m.left.Load(); m.inside.Load() >= m.max; {
		select {
		case <-m.roomy:
		case <-m.closed:
			return
		case <-stall.C:
			now := m.left.Load()
			if now == left {
				m.inside.Store(0)
			}
			left = now
			stall.Reset(insideStall)
		}
	}
	if m.waiting.Load() > 1 {
		m.signal() // the other family's receiver may wait too
	}
}

// A handover remembers the packets that a device was given in its own buffers. The device puts another
// buffer where it keeps a packet, so at the next call those that are still there were dropped.
type handover struct{ given []uintptr } // addresses of buffers; 0: not counted

// dropped returns how many of the last call's packets the device did not keep.
func (h *handover) dropped(bufs [][]byte) (n int) {
	for i, p := range h.given {
		if p != 0 && i < len(bufs) && p == address(bufs[i]) {
			n++
		}
	}
	h.given = h.given[:0]
	return n
}

// give notes the buffers of n packets, of which those do not count whose sizes counts refuses.
func (h *handover) give(bufs [][]byte, sizes []int, n int, counts func(b []byte, size int) bool) (counted int) {
	for i := range n {
		var p uintptr
		if counts(bufs[i], sizes[i]) {
			p = address(bufs[i])
			counted++
		}
		h.given = append(h.given, p)
	}
	return counted
}

type limitedDevice struct {
	tun.Device
	*limit
	handover handover // of Read, which has one caller
}

func (d *limitedDevice) BatchSize() int { return d.batchSize(d.Device.BatchSize()) }

func (d *limitedDevice) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	d.out.leave(d.handover.dropped(bufs))
	d.out.wait()
	n, err := d.Device.Read(bufs, sizes, offset)
	d.silence.take(bufs, sizes, n, offset)
	d.out.enter(d.handover.give(bufs, sizes, n, d.counts))
	return n, err
}

// counts reports whether what Read returned counts as inside. What is for silent peers does not: it may
// stay.
func (d *limitedDevice) counts(b []byte, size int) bool { return size > 0 && !d.silence.isHeld(b) }

func (d *limitedDevice) Write(bufs [][]byte, offset int) (int, error) {
	d.silence.arrived(bufs, offset)
	n, err := d.Device.Write(bufs, offset)
	d.in.leave(len(bufs))
	return n, err
}

// Close ends all waiting.
func (d *limitedDevice) Close() error {
	d.once.Do(func() { close(d.closed) })
	return d.Device.Close()
}

type limitedBind struct {
	conn.Bind
	*limit
}

func (b *limitedBind) BatchSize() int { return b.batchSize(b.Bind.BatchSize()) }

func (b *limitedBind) Open(port uint16) ([]conn.ReceiveFunc, uint16, error) {
	fns, port, err := b.Bind.Open(port)
	if err != nil {
		return nil, port, err
	}
	for i, receive := range fns {
		r := &limitedReceiver{receive: receive, in: &b.in}
		fns[i] = r.receiveLimited
	}
	return fns, port, nil
}

func (b *limitedBind) Send(bufs [][]byte, to conn.Endpoint) error {
	n := -b.silence.left(bufs) // who were held do not count as inside
	err := b.Bind.Send(bufs, to)
	for _, p := range bufs {
		if isData(p, len(p)) {
			n++
		}
	}
	b.out.leave(n)
	return err
}

// A limitedReceiver is a receive function, which has one caller.
type limitedReceiver struct {
	receive  conn.ReceiveFunc
	in       *meter
	handover handover
}

func (r *limitedReceiver) receiveLimited(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	r.in.leave(r.handover.dropped(bufs))
	r.in.wait()
	n, err := r.receive(bufs, sizes, eps)
	r.in.enter(r.handover.give(bufs, sizes, n, isData))
	return n, err
}

// isData reports whether a message of WireGuard carries a packet: type 4, and longer than a keepalive.
func isData(b []byte, size int) bool { return size > 32 && b[0] == 4 }
