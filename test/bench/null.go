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

// nullWindow is how many packets the null device keeps in flight: a window of 2.8 MB.
const nullWindow = 2048

// nullDevice is the least that any TCP must do. As a sender it copies and sums a payload into each
// packet and stops at nullWindow packets that are not acknowledged. As a receiver it sums and copies
// the payload and acknowledges each batch.
type nullDevice struct {
	src, dst wire.Addr
	events   chan tun.Event
	closed   chan struct{}
	once     sync.Once
	wake     chan struct{}

	sending  atomic.Bool
	sent     atomic.Uint64 // packets
	acked    atomic.Uint64
	received atomic.Uint64
	ackDue   atomic.Bool
	payload  []byte
	sink     []byte
}

func newNullDevice(addr netip.Addr) *nullDevice {
	d := &nullDevice{
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

// start begins to send.
func (d *nullDevice) start() {
	d.sending.Store(true)
	d.poke()
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
		if d.ackDue.Swap(false) {
			sizes[0] = d.packet(bufs[0][offset:], d.received.Load(), 12)
			n = 1
		}
		for d.sending.Load() && n < len(bufs) && d.sent.Load()-d.acked.Load() < nullWindow {
			sizes[n] = d.packet(bufs[n][offset:], 0, mtu-40)
			d.sent.Add(1)
			n++
		}
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

// packet writes a packet with n bytes of payload, of which the first 8 are ack.
func (d *nullDevice) packet(b []byte, ack uint64, n int) int {
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtoTCP, Src: d.src, Dst: d.dst, TotalLen: 40 + n}
	ip.Put(b)
	h := wire.TCP{SrcPort: 1, DstPort: 1, Flags: wire.FlagACK}
	h.Put(b[20:])
	off := int(d.sent.Load()*uint64(mtu-40)) % (len(d.payload) - mtu)
	sum := wire.CopyChecksum(b[40:40+n], d.payload[off:], 0)
	wire.SetTCPChecksumPartial(d.src, d.dst, b[20:40], n, sum)
	if ack != 0 {
		binary.BigEndian.PutUint64(b[40:], ack)
	}
	return 40 + n
}

func (d *nullDevice) Write(bufs [][]byte, offset int) (int, error) {
	for _, b := range bufs {
		p := b[offset:]
		if len(p) < 100 {
			d.acked.Store(binary.BigEndian.Uint64(p[40:]))
			continue
		}
		wire.Sum(p[20:], 0)
		n := d.received.Add(1)
		copy(d.sink[int(n*uint64(mtu))%(len(d.sink)-mtu):], p[40:])
		d.ackDue.Store(true)
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
