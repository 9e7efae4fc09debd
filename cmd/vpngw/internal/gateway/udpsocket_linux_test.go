package gateway

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// TestUpstreamUDPSetsTTLAndDF: what the receiver sees, and what the socket is told, as they change from
// datagram to datagram.
func TestUpstreamUDPSetsTTLAndDF(t *testing.T) {
	u, _ := listenForTest(t)
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	p := ipv4.NewPacketConn(c)
	if err := p.SetControlMessage(ipv4.FlagTTL, true); err != nil {
		t.Fatal(err)
	}
	dst := addrPort(c.LocalAddr())
	ds := []udpDatagram{
		{Payload: []byte("a"), Addr: dst, TTL: 1},
		{Payload: []byte("b"), Addr: dst, TTL: 1, DF: true},
		{Payload: []byte("c"), Addr: dst, TTL: 63},
		{Payload: []byte("d"), Addr: dst, TTL: 255, DF: true},
		{Payload: []byte("e"), Addr: dst},
	}
	if n := u.send(ds); n != len(ds) {
		t.Fatalf("%d sent", n)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 10)
	for _, want := range []int{1, 1, 63, 255, 64} {
		_, cm, _, err := p.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		if cm.TTL != want {
			t.Errorf("%s: TTL %d, want %d", buf[:1], cm.TTL, want)
		}
	}
	for df, want := range map[bool]int{true: unix.IP_PMTUDISC_DO, false: unix.IP_PMTUDISC_DONT} {
		if u.send([]udpDatagram{{Payload: []byte("f"), Addr: dst, DF: df}}) != 1 {
			t.Fatal("not sent")
		}
		got, err := unix.GetsockoptInt(u.(*linuxUDP).fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER)
		if err != nil || got != want {
			t.Errorf("DF %v: %d, %v", df, got, err)
		}
	}
}

// TestUpstreamUDPKeepsOrder: batches of every length, equal and unequal datagrams, come back as they went.
func TestUpstreamUDPKeepsOrder(t *testing.T) {
	u, events := listenForTest(t)
	echo := echoUDP(t)
	number := uint32(0)
	for length := 1; length <= 150; length += 7 {
		ds := make([]udpDatagram, length)
		for i := range ds {
			p := make([]byte, 4+(int(number)+i)/10%3)
			binary.BigEndian.PutUint32(p, number+uint32(i))
			ds[i] = udpDatagram{Payload: p, Addr: echo, DF: i%20 == 0}
		}
		if n := u.send(ds); n != length {
			t.Fatalf("%d of %d sent", n, length)
		}
		for i := range ds {
			got := await(t, "echo", events)
			if len(got.data) != len(ds[i].Payload) || binary.BigEndian.Uint32(got.data) != number {
				t.Fatalf("%d bytes %x, want number %d", len(got.data), got.data, number)
			}
			number++
		}
	}
}

// TestUpstreamUDPSocketsComeAndGo: pollers begin and end with their sockets, whatever is on the way.
func TestUpstreamUDPSocketsComeAndGo(t *testing.T) {
	listen := newUDPListener()
	echo := echoUDP(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				u, err := listen(netip.AddrPort{})
				if err != nil {
					t.Error(err)
					return
				}
				events := make(upstreamEvents, 10)
				u.receive(events)
				ds := []udpDatagram{{Payload: []byte("x"), Addr: echo}, {Payload: []byte("y"), Addr: echo}}
				if n := u.send(ds); n != 2 || u.port() == 0 {
					t.Errorf("%d sent, port %d", n, u.port())
				}
				if got := await(t, "echo", events); string(got.data) != "x" {
					t.Errorf("%+v", got)
				}
				u.close()
				if u.send(ds); ds[0].Err == nil {
					t.Error("sent after close")
				}
			}
		})
	}
	all.Wait()
}

// TestUpstreamUDPAtAnAddress: a port that a client asked for is that port, and nobody else's.
func TestUpstreamUDPAtAnAddress(t *testing.T) {
	listen := newUDPListener()
	u, err := listen(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	if other, err := listen(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), u.port())); err == nil {
		other.close()
		t.Error("two sockets have one port")
	}
	if other, err := listen(netip.MustParseAddrPort("192.0.2.1:0")); err == nil {
		other.close()
		t.Error("bound to an address that is not ours")
	}
}
