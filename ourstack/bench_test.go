package ourstack

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// BenchmarkBulk moves a stream between two stacks in one goroutine: the cost per byte of both ends, without
// a device. The logical clock gives the path 200 µs.
func BenchmarkBulk(b *testing.B) {
	gateway, client := pair(b)
	server, cl := established(b, gateway, client)
	const chunk = 256 << 10
	src, dst := make([]byte, chunk), make([]byte, chunk)
	b.SetBytes(chunk)
	b.ReportAllocs()
	for b.Loop() {
		for sent, got := 0, 0; got < chunk; {
			if sent < chunk {
				n, err := cl.Write(client.now(), src[sent:])
				if err != nil && !errors.Is(err, ErrWouldBlock) {
					b.Fatal(err)
				}
				sent += n
			}
			*gateway.clock += tcp.Instant(100 * tcp.Microsecond)
			carryBatch(client, gateway)
			for got < chunk {
				n, err := server.Read(gateway.now(), dst)
				if err != nil {
					break
				}
				got += n
			}
			*gateway.clock += tcp.Instant(100 * tcp.Microsecond)
			carryBatch(gateway, client)
			gateway.s.Advance(gateway.now())
			client.s.Advance(client.now())
		}
	}
}

// carryBatch moves what one host has to send to the other, in its own buffers.
func carryBatch(from, to *host) {
	var in [128][]byte
	for {
		n := from.s.Output(from.now(), from.bufs, from.sizes, 16)
		if n == 0 {
			return
		}
		for i := range n {
			in[i] = from.bufs[i][:16+from.sizes[i]]
		}
		to.s.Input(to.now(), in[:n], 16)
	}
}

// BenchmarkConnect opens and closes connections, both ends in one goroutine.
func BenchmarkConnect(b *testing.B) {
	gateway, client := pair(b, func(c *Config) { c.Limits.TimeWait = 100 })
	l, err := gateway.s.Listen(ap(gatewayAddr+":80"), 16)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := client.s.Dial(client.now(), netip.AddrPort{}, ap(gatewayAddr+":80"))
		if err != nil {
			b.Fatal(err)
		}
		carryBatch(client, gateway)
		carryBatch(gateway, client)
		carryBatch(client, gateway)
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		c.Close(client.now())
		carryBatch(client, gateway)
		s.Close(gateway.now())
		carryBatch(gateway, client)
		carryBatch(client, gateway)
		*gateway.clock += tcp.Instant(ms)
	}
}

// BenchmarkSYNFlood is the cost of a SYN that is answered with a cookie, and of one that is refused.
func BenchmarkSYNFlood(b *testing.B) {
	for _, port := range []int{80, 81} {
		b.Run(fmt.Sprintf("port=%d", port), func(b *testing.B) {
			h := newHost(b, gatewayAddr, func(c *Config) { c.Limits.SynQueue = -1 })
			if _, err := h.s.Listen(ap(gatewayAddr+":80"), 16); err != nil {
				b.Fatal(err)
			}
			pkt := syn(clientAddr+":1", fmt.Sprintf("%s:%d", gatewayAddr, port), 1)
			batch := [][]byte{pkt}
			b.ReportAllocs()
			for b.Loop() {
				h.s.Input(h.now(), batch, 0)
				h.s.Output(h.now(), h.bufs, h.sizes, 0)
				*h.clock += tcp.Instant(2 * ms)
			}
		})
	}
}

// BenchmarkUDP is the cost of a datagram in and one out.
func BenchmarkUDP(b *testing.B) {
	h := newHost(b, gatewayAddr)
	u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
	if err != nil {
		b.Fatal(err)
	}
	batch := [][]byte{udpDatagram(clientAddr+":1", gatewayAddr+":53", make([]byte, 1000))}
	var p [wire.IPv4MaxLen]byte
	b.SetBytes(2000)
	b.ReportAllocs()
	for b.Loop() {
		h.s.Input(h.now(), batch, 0)
		n, from, _, err := u.ReadFrom(p[:])
		if err != nil {
			b.Fatal(err)
		}
		if err := u.WriteTo(h.now(), p[:n], netip.AddrPort{}, from); err != nil {
			b.Fatal(err)
		}
		h.s.Output(h.now(), h.bufs, h.sizes, 0)
	}
}

// BenchmarkDatagrams carries 100 datagrams of a client to who forwards them, and as many answers back.
func BenchmarkDatagrams(b *testing.B) {
	step := forwardedDatagrams(b)
	b.SetBytes(2 * 100 * 1200)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
