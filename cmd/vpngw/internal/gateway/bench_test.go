package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/device"

	"vpngw/adapter"
	"vpngw/config"
)

// benchService is where a benchmark's client connects to, and what really answers there.
const benchService = "192.0.2.1:7"

// benchClient starts a gateway in front of an echo server, and connects a peer: all of it in this process,
// both WireGuard devices counted.
func benchClient(b *testing.B) *adapter.Net {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, make([]byte, 64<<10))
			}()
		}
	}()
	far := newInternet(b)
	far.place(benchService, l.Addr())
	cfg, key := crowd(b, 0), newKey(b)
	cfg.Peers = []config.Peer{{
		Name: "p", PublicKey: key.Public(), AllowedIPs: []netip.Prefix{netip.PrefixFrom(crowdAddr(1), 32)},
	}}
	g, err := New(cfg, Options{dial: far.dial})
	if err == nil {
		err = g.Start(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = g.Close(b.Context()) })
	n, err := adapter.New(adapter.Options{Addresses: []netip.Addr{crowdAddr(1)}})
	if err != nil {
		b.Fatal(err)
	}
	dev := clientDevice(n.Device())
	b.Cleanup(dev.Close)
	var ipc bytes.Buffer
	fmt.Fprintf(&ipc, "private_key=%s\npublic_key=%s\nendpoint=127.0.0.1:%d\nallowed_ip=0.0.0.0/0\n",
		key.RevealHex(), cfg.Interface.PrivateKey.Public().Hex(), g.Status().ListenPort)
	if err := up(dev, ipc.String()); err != nil {
		b.Fatal(err)
	}
	return n
}

func up(dev *device.Device, ipc string) error {
	if err := dev.IpcSet(ipc); err != nil {
		return err
	}
	return dev.Up()
}

// benchDial connects through the gateway.
func benchDial(b *testing.B, n *adapter.Net) *adapter.TCPConn {
	c, err := n.DialContextTCPAddrPort(b.Context(), netip.MustParseAddrPort(benchService))
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkForwardConnect opens a connection through a gateway, and closes it in order.
func BenchmarkForwardConnect(b *testing.B) {
	n := benchClient(b)
	one := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		c := benchDial(b, n)
		if err := c.CloseWrite(); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(one); err != io.EOF {
			b.Fatal(err)
		}
		_ = c.Close()
	}
}

// BenchmarkForwardRoundTrip sends a byte through a gateway to an echo server and back.
func BenchmarkForwardRoundTrip(b *testing.B) {
	c := benchDial(b, benchClient(b))
	defer c.Close()
	one := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(one); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, one); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForwardBulk sends text through a gateway to an echo server and back at once.
func BenchmarkForwardBulk(b *testing.B) {
	c := benchDial(b, benchClient(b))
	defer c.Close()
	text, back := make([]byte, 64<<10), make([]byte, 64<<10)
	read := make(chan error, 1)
	b.SetBytes(2 * int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		go func() {
			_, err := io.ReadFull(c, back)
			read <- err
		}()
		if _, err := c.Write(text); err != nil {
			b.Fatal(err)
		}
		if err := <-read; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDecide is what happens to each new flow before its dial: the policy, the host's health, the
// budgets.
func BenchmarkDecide(b *testing.B) {
	g, err := New(crowd(b, 100), Options{})
	if err != nil {
		b.Fatal(err)
	}
	f, now := g.fwd, time.Now()
	dst := netip.MustParseAddrPort("192.0.2.1:443")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p := f.sender(netip.AddrPortFrom(crowdAddr(i%100), 5000))
		if p == nil || f.policy.decide(p, protoTCP, dst).verdict != verdictAllow || !f.dead.admit(now, dst) ||
			!f.budgets.take(&f.budgets.tcp, p, dst) {
			b.Fatal("it may not")
		}
		f.budgets.release(&f.budgets.tcp, p, dst)
	}
}

// BenchmarkContacts asks whether a client has sent to who answers, as happens for each datagram that
// comes back.
func BenchmarkContacts(b *testing.B) {
	for _, n := range []int{1, udpContactsFew, udpContactsMax} {
		b.Run(fmt.Sprint("contacts=", n), func(b *testing.B) {
			var c contacts
			known := make([]netip.AddrPort, n)
			for i := range known {
				known[i] = netip.AddrPortFrom(crowdAddr(i), 443)
				c.add(known[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if !c.has(known[i%n]) {
					b.Fatal("unknown")
				}
			}
		})
	}
}
