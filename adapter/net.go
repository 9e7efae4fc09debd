package adapter

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/tun"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// Net is a network of its own inside the process: a TCP/IPv4 stack behind a
// tun.Device. Its methods are those of package net, over the tunnel instead of the
// host's network. It is safe for concurrent use.
//
// Methods that dial or listen fail with net.ErrClosed after Close.
type Net struct {
	stack *ourstack.Stack
	start time.Time // origin of now
	pump  pump
	dev   device
	dns   []netip.Addr

	keepAlive tcp.KeepAliveConfig // of new connections

	// making is held for reading while something is made in the stack, and for writing while the
	// stack is closed: what is made is either closed with the rest, or refused.
	making  sync.RWMutex
	closing sync.Once
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
}

// CreateNetTUN makes a Net with default options and returns it with its device. It
// has the signature of the function of the same name in
// golang.zx2c4.com/wireguard/tun/netstack and serves as its replacement.
func CreateNetTUN(localAddresses, dnsServers []netip.Addr, mtu int) (tun.Device, *Net, error) {
	n, err := New(Options{Addresses: localAddresses, DNS: dnsServers, MTU: mtu})
	if err != nil {
		return nil, nil, err
	}
	return n.Device(), n, nil
}

// New makes a Net. It starts nothing: packets move when the device is read and
// written, normally by a WireGuard device, and the only goroutine is that of a
// timer while it fires.
func New(o Options) (*Net, error) {
	n := &Net{start: time.Now(), dns: unmapAll(o.DNS)}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.pump.init(n)
	cfg, err := o.stackConfig(n.pump.wake)
	if err != nil {
		return nil, err
	}
	if n.stack, err = ourstack.New(cfg); err != nil {
		return nil, err
	}
	n.keepAlive = cfg.TCP.KeepAlive
	n.dev.init(n, cfg.MTU, o.Name)
	return n, nil
}

// SetRelay makes the Net a router for the packets for which ok is true: those from src
// to dst, which is not a local address, leave as they came, but for the TTL, instead of
// going to the handlers. from and to, addresses too, stand for those who have src and dst:
// all packets between the same two share one queue and its turn. f is called for each run
// of packets with the same addresses, perhaps concurrently; it must be quick and must not
// block. nil relays nothing.
func (n *Net) SetRelay(f func(src, dst netip.Addr) (from, to netip.Addr, ok bool)) {
	n.stack.SetRelay(f)
}

// SetMTUs says which networks lie behind links with an MTU, in bytes, below that of the Net; see
// [ourstack.Stack.SetMTUs].
func (n *Net) SetMTUs(mtus map[netip.Prefix]int) error { return n.stack.SetMTUs(mtus) }

// Device returns the device to give to a WireGuard device. It is always the same.
func (n *Net) Device() tun.Device { return &n.dev }

// Close ends the Net and its device: every connection, listener and pending
// forward request fails, waiting calls return net.ErrClosed, and the device's Read
// returns os.ErrClosed. It may be called at any time, from any goroutine, any
// number of times; it does not wait for anything. Closing the device does the same.
func (n *Net) Close() error {
	n.closing.Do(func() {
		n.making.Lock()
		n.stack.Close(n.now())
		n.making.Unlock()
		n.cancel()
		n.pump.stop()
		n.dev.shut()
	})
	return nil
}

// Stats is a snapshot of what a Net has counted.
type Stats = ourstack.Stats

// Stats returns the counters of the stack.
func (n *Net) Stats() Stats { return n.stack.Stats() }

// now is the time that the stack sees: nanoseconds since New, and a second so that
// it is never 0. It is monotonic, and fake in testing/synctest.
func (n *Net) now() tcp.Instant {
	return tcp.Instant(time.Since(n.start)).Add(tcp.Second)
}

// isClosed reports whether Close was called.
func (n *Net) isClosed() bool { return n.ctx.Err() != nil }

// create makes something in the stack, never in the middle of Close.
func create[T any](n *Net, make func(now tcp.Instant) (T, error)) (T, error) {
	n.making.RLock()
	defer n.making.RUnlock()
	return make(n.now())
}

// onClose calls f, in a goroutine of its own, when the Net is closed, unless stop is called before.
func (n *Net) onClose(f func()) (stop func() bool) { return context.AfterFunc(n.ctx, f) }
