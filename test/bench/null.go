package main

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"vpngw/ourstack/wire"
)

// nullWindow is how many packets the null device keeps in flight, of all its flows: 2.8 MB.
const nullWindow = 2048

// nullFlows is how many flows it has at most.
const nullFlows = 64

// nullRun is how many packets of a flow follow one another: about what a round robin over flows gives
// each in its turn.
const nullRun = 16

// nullDevice is the least that any TCP must do. As a sender it copies and sums a payload into each
// packet, a flow after the other, and stops where a flow has its share of the window in flight. As a
// receiver it sums and copies the payload and acknowledges each flow once a batch.
type nullDevice struct {
	src, dst wire.Addr
	events   chan tun.Event
	closed   chan struct{}
	once     sync.Once
	wake     chan struct{}

	window  uint64 // packets of one flow in flight
	flows   []nullFlow
	turn    int          // flow that sends next
	sending atomic.Int32 // flows that do
	total   uint64       // packets sent
	payload []byte
	sink    []byte
}

// nullFlow is a flow of numbered packets each way.
type nullFlow struct {
	sent     uint64
	acked    atomic.Uint64
	received atomic.Uint64
	ackDue   atomic.Bool
}

func newNullDevice(addr netip.Addr) *nullDevice {
	d := &nullDevice{
		flows:  make([]nullFlow, nullFlows),
		events: make(chan tun.Event, 1), closed: make(chan struct{}), wake: make(chan struct{}, 1),
		payload: make([]byte, 4<<20), sink: make([]byte, 4<<20),
	}
	d.src, _ = wire.AddrFrom(addr)
	other := addrA
	if addr == addrA {
		other = addrB
	}
	d.dst, _ = wire.AddrFrom(other)
	d.events <- tun.EventUp
	return d
}

// start begins to send on n flows with a window of so many packets in all.
func (d *nullDevice) start(n, window int) {
	d.window = uint64(max(window/n, 1))
	d.sending.Store(int32(n))
	d.poke()
}

// received is how many packets arrived, by flow.
func (d *nullDevice) received(out []float64) {
	for i := range out {
		out[i] = float64(d.flows[i].received.Load())
	}
}

func (d *nullDevice) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *nullDevice) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for {
		n := 0
		for i := range d.flows {
			if f := &d.flows[i]; n < len(bufs) && f.ackDue.Load() && f.ackDue.Swap(false) {
				sizes[n] = d.packet(bufs[n][offset:], i, f.received.Load(), 12)
				n++
			}
		}
		n = d.send(bufs, sizes, offset, n)
		if n > 0 {
			return n, nil
		}
		select {
		case <-d.wake:
		case <-d.closed:
			return 0, os.ErrClosed
		}
	}
}

// send writes packets from bufs[n] on until no flow may send more.
func (d *nullDevice) send(bufs [][]byte, sizes []int, offset, n int) int {
	flows := int(d.sending.Load())
	for blocked := 0; blocked < flows && n < len(bufs); {
		f, run := &d.flows[d.turn], 0
		for n < len(bufs) && run < nullRun && f.sent-f.acked.Load() < d.window {
			sizes[n] = d.packet(bufs[n][offset:], d.turn, 0, mtu-40)
			f.sent++
			run++
			n++
		}
		d.turn = (d.turn + 1) % flows
		if run > 0 {
			blocked = 0
		} else {
			blocked++
		}
	}
	return n
}

// packet writes a packet with n bytes of payload, of which the first 8 are ack.
func (d *nullDevice) packet(b []byte, flow int, ack uint64, n int) int {
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtoTCP, Src: d.src, Dst: d.dst, TotalLen: 40 + n}
	ip.Put(b)
	h := wire.TCP{SrcPort: uint16(flow), DstPort: 1, Flags: wire.FlagACK}
	d.total++
	off := int(d.total*uint64(mtu-40)) % (len(d.payload) - mtu)
	sum := wire.CopyChecksum(b[40:40+n], d.payload[off:], 0)
	h.PutSummed(d.src, d.dst, b[20:], n, sum)
	if ack != 0 {
		binary.BigEndian.PutUint64(b[40:], ack)
	}
	return 40 + n
}

func (d *nullDevice) Write(bufs [][]byte, offset int) (int, error) {
	for _, b := range bufs {
		p := b[offset:]
		f := &d.flows[binary.BigEndian.Uint16(p[20:])]
		if len(p) < 100 {
			f.acked.Store(binary.BigEndian.Uint64(p[40:]))
			continue
		}
		wire.Sum(p[20:], 0)
		n := f.received.Add(1)
		copy(d.sink[int(n*uint64(mtu))%(len(d.sink)-mtu):], p[40:])
		f.ackDue.Store(true)
	}
	d.poke()
	return len(bufs), nil
}

func (d *nullDevice) File() *os.File           { return nil }
func (d *nullDevice) MTU() (int, error)        { return mtu, nil }
func (d *nullDevice) Name() (string, error)    { return "null", nil }
func (d *nullDevice) Events() <-chan tun.Event { return d.events }
func (d *nullDevice) BatchSize() int           { return 128 }
func (d *nullDevice) Close() error {
	d.once.Do(func() { close(d.closed); close(d.events) })
	return nil
}
