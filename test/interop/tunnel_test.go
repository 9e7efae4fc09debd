package interop

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"

	"vpngw/adapter"
)

// mtu is wireguard-go's default.
const mtu = 1420

var (
	addrA = netip.MustParseAddr("10.8.0.1")
	addrB = netip.MustParseAddr("10.8.0.2")
)

// A host is one end of a tunnel: either stack behind the same few methods.
type host struct {
	dial   func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)
	listen func(addr netip.AddrPort) (net.Listener, error)
	udp    func(laddr, raddr netip.AddrPort) (net.Conn, error)
	ping   func(addr netip.Addr) (net.Conn, error)
}

// stack makes one end with the address and returns its device.
type stack func(t testing.TB, addr netip.Addr) (tun.Device, host)

func ours(t testing.TB, addr netip.Addr) (tun.Device, host) {
	t.Helper()
	dev, n, err := adapter.CreateNetTUN([]netip.Addr{addr}, nil, mtu)
	if err != nil {
		t.Fatal(err)
	}
	return dev, host{
		dial: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			return n.DialContext(ctx, "tcp", a.String())
		},
		listen: func(a netip.AddrPort) (net.Listener, error) { return n.ListenTCPAddrPort(a) },
		udp:    func(l, r netip.AddrPort) (net.Conn, error) { return n.DialUDPAddrPort(l, r) },
		ping:   func(a netip.Addr) (net.Conn, error) { return n.DialPingAddr(addr, a) },
	}
}

func gvisor(t testing.TB, addr netip.Addr) (tun.Device, host) {
	t.Helper()
	dev, n, err := netstack.CreateNetTUN([]netip.Addr{addr}, nil, mtu)
	if err != nil {
		t.Fatal(err)
	}
	return dev, host{
		dial: func(ctx context.Context, a netip.AddrPort) (net.Conn, error) {
			return n.DialContext(ctx, "tcp", a.String())
		},
		listen: func(a netip.AddrPort) (net.Listener, error) { return n.ListenTCPAddrPort(a) },
		udp:    func(l, r netip.AddrPort) (net.Conn, error) { return n.DialUDPAddrPort(l, r) },
		ping:   func(a netip.Addr) (net.Conn, error) { return n.DialPingAddr(addr, a) },
	}
}

// tunnel joins two stacks by two WireGuard devices over loopback UDP.
func tunnel(t testing.TB, sa, sb stack) (a, b host) {
	t.Helper()
	ka, kb := newKey(t), newKey(t)
	deva, a := sa(t, addrA)
	devb, b := sb(t, addrB)
	wa, wb := start(t, deva, ka), start(t, devb, kb)
	addPeer(t, wa, kb, addrB, port(t, wb))
	addPeer(t, wb, ka, addrA, port(t, wa))
	return a, b
}

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func start(t testing.TB, dev tun.Device, k *ecdh.PrivateKey) *device.Device {
	t.Helper()
	w := device.NewDevice(dev, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, ""))
	t.Cleanup(w.Close)
	if err := w.IpcSet("private_key=" + hex.EncodeToString(k.Bytes()) + "\nlisten_port=0\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Up(); err != nil {
		t.Fatal(err)
	}
	return w
}

// port returns the UDP port on which w listens.
func port(t testing.TB, w *device.Device) string {
	t.Helper()
	status, err := w.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(status) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "listen_port="); ok {
			return p
		}
	}
	t.Fatal("the device does not listen")
	return ""
}

func addPeer(t testing.TB, w *device.Device, k *ecdh.PrivateKey, addr netip.Addr, port string) {
	t.Helper()
	err := w.IpcSet(fmt.Sprintf("public_key=%s\nendpoint=127.0.0.1:%s\nallowed_ip=%v/32\n",
		hex.EncodeToString(k.PublicKey().Bytes()), port, addr))
	if err != nil {
		t.Fatal(err)
	}
}
