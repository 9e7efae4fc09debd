package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"

	"vpngw/adapter"
	"vpngw/adapter/wgbind"
)

const (
	mtu       = 1420
	manyConns = 1 << 18
)

var (
	addrA = netip.MustParseAddr("10.8.0.1")
	addrB = netip.MustParseAddr("10.8.0.2")
)

// host is one end, whatever its stack.
type host struct {
	dev    tun.Device
	dial   func(ctx context.Context, a netip.AddrPort) (net.Conn, error)
	listen func(a netip.AddrPort) (net.Listener, error)
	ping   func(a netip.Addr) (net.Conn, error) // carries ICMP messages
	null   *nullDevice                          // of the "ideal" stack, which has no connections
}

// stack makes one end, and what wireguard-go is made of beneath it.
type stack struct {
	end     func(addr netip.Addr) (host, error)
	beneath func(d tun.Device) (conn.Bind, tun.Device)
}

// The stacks by name. What the others have beneath is wireguard-go as it comes.
var stacks = map[string]stack{
	"ours":         {ours, ownBind},
	"ours/std":     {ours, stockBind},    // over the stock bind
	"ours/nolimit": {ours, ownUnlimited}, // over our bind, without a bound inside the device
	"netstack":     {gvisor, stockBind},
	"ideal":        {ideal, stockBind},
	"ideal/own":    {ideal, ownBind},

	"ours+100ms":     {ours, distantOwnBind},
	"netstack+100ms": {gvisor, distantStockBind},
	"ideal+100ms":    {ideal, distantStockBind},
}

func stockBind(d tun.Device) (conn.Bind, tun.Device)    { return conn.NewDefaultBind(), d }
func ownUnlimited(d tun.Device) (conn.Bind, tun.Device) { return wgbind.New(), d }
func ownBind(d tun.Device) (conn.Bind, tun.Device)      { return limited(wgbind.New(), d) }

func limited(b conn.Bind, d tun.Device) (conn.Bind, tun.Device) {
	return wgbind.Limit(b, d, debug.SetMemoryLimit(-1))
}

func distantStockBind(d tun.Device) (conn.Bind, tun.Device) { return distant(conn.NewDefaultBind()), d }

func distantOwnBind(d tun.Device) (conn.Bind, tun.Device) {
	return limited(distant(wgbind.New()), d)
}

func ours(addr netip.Addr) (host, error) {
	n, err := adapter.New(adapter.Options{
		Addresses: []netip.Addr{addr}, MTU: mtu,
		Limits: adapter.Limits{Conns: manyConns, ConnsPerRemote: manyConns}, // for the rows with 100,000
	})
	if err != nil {
		return host{}, err
	}
	return host{
		dev:    n.Device(),
		dial:   func(ctx context.Context, a netip.AddrPort) (net.Conn, error) { return n.DialContextTCPAddrPort(ctx, a) },
		listen: func(a netip.AddrPort) (net.Listener, error) { return n.ListenTCPAddrPort(a) },
		ping:   func(a netip.Addr) (net.Conn, error) { return n.DialPingAddr(netip.Addr{}, a) },
	}, nil
}

func gvisor(addr netip.Addr) (host, error) {
	dev, n, err := netstack.CreateNetTUN([]netip.Addr{addr}, nil, mtu)
	if err != nil {
		return host{}, err
	}
	return host{
		dev:    dev,
		dial:   func(ctx context.Context, a netip.AddrPort) (net.Conn, error) { return n.DialContextTCPAddrPort(ctx, a) },
		listen: func(a netip.AddrPort) (net.Listener, error) { return n.ListenTCPAddrPort(a) },
		ping:   func(a netip.Addr) (net.Conn, error) { return n.DialPingAddr(addr, a) },
	}, nil
}

func ideal(addr netip.Addr) (host, error) {
	d := newNullDevice(addr)
	return host{dev: d, null: d}, nil
}

// pair makes two ends and joins them.
func pair(s stack, direct bool) (a, b host, stop func(), err error) {
	if a, err = s.end(addrA); err != nil {
		return a, b, nil, err
	}
	if b, err = s.end(addrB); err != nil {
		return a, b, nil, err
	}
	if direct {
		go carry(a.dev, b.dev)
		go carry(b.dev, a.dev)
		return a, b, func() { _ = a.dev.Close(); _ = b.dev.Close() }, nil
	}
	stop, err = tunnel(s, a.dev, b.dev)
	return a, b, stop, err
}

// carried is how many packets carry has moved.
var carried atomic.Int64

// carry moves packets from one device to the other in the batches that it yields.
func carry(from, to tun.Device) {
	const offset = 16
	bufs, sizes := make([][]byte, conn.IdealBatchSize), make([]int, conn.IdealBatchSize)
	for i := range bufs {
		bufs[i] = make([]byte, offset+65535)
	}
	out := make([][]byte, 0, len(bufs))
	for {
		n, err := from.Read(bufs, sizes, offset)
		if err != nil {
			return
		}
		out = out[:0]
		for i := range n {
			out = append(out, bufs[i][:offset+sizes[i]])
		}
		carried.Add(int64(n))
		if _, err := to.Write(out, offset); err != nil {
			return
		}
	}
}

// tunnel joins two devices by WireGuard over loopback.
func tunnel(s stack, a, b tun.Device) (stop func(), err error) {
	return star(s, a, addrA, []tun.Device{b}, []netip.Addr{addrB})
}

// star joins a hub with each of some peers by WireGuard over loopback.
func star(s stack, hub tun.Device, at netip.Addr, peers []tun.Device, addrs []netip.Addr) (stop func(), err error) {
	devices := []*device.Device{newWireGuard(s, hub)}
	stop = func() {
		for _, d := range devices {
			d.Close()
		}
	}
	hubKey, err := configure(devices[0])
	if err != nil {
		return stop, err
	}
	for i, p := range peers {
		d := newWireGuard(s, p)
		devices = append(devices, d)
		key, err := configure(d)
		if err == nil {
			err = errors.Join(addPeer(devices[0], key, addrs[i], d), addPeer(d, hubKey, at, devices[0]))
		}
		if err != nil {
			return stop, err
		}
	}
	return stop, nil
}

func newWireGuard(s stack, d tun.Device) *device.Device {
	bind, d := s.beneath(d)
	return device.NewDevice(d, bind, device.NewLogger(device.LogLevelError, ""))
}

// configure gives a device a key and a port.
func configure(w *device.Device) (*ecdh.PrivateKey, error) {
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return k, errors.Join(w.IpcSet("private_key="+hex.EncodeToString(k.Bytes())+"\nlisten_port=0\n"), w.Up())
}

func addPeer(w *device.Device, k *ecdh.PrivateKey, addr netip.Addr, peer *device.Device) error {
	status, err := peer.IpcGet()
	if err != nil {
		return err
	}
	for line := range strings.Lines(status) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "listen_port="); ok {
			return w.IpcSet(fmt.Sprintf("public_key=%s\nendpoint=127.0.0.1:%s\nallowed_ip=%v/32\n",
				hex.EncodeToString(k.PublicKey().Bytes()), p, addr))
		}
	}
	return errors.New("the device does not listen")
}
