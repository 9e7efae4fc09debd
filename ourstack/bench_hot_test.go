package ourstack

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Benchmarks of what happens for each packet besides TCP itself, by what could make it dearer.

// BenchmarkDemux finds one of many connections, at random.
func BenchmarkDemux(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			var t table
			t.init(key{1, 2})
			rng := rand.New(rand.NewPCG(1, 2))
			tuples := make([]tcp.Tuple, n)
			for i := range tuples {
				tuples[i] = tcp.Tuple{
					Local:  tcp.Endpoint{Addr: wire.Addr{192, 0, 2, 1}, Port: 443},
					Remote: tcp.Endpoint{Addr: wire.Addr{10, byte(i >> 20), byte(i >> 12), byte(i >> 4)}, Port: uint16(1024 + i&15)},
				}
				t.addConn(&Conn{tuple: tuples[i]}, nil)
			}
			rng.Shuffle(n, func(i, j int) { tuples[i], tuples[j] = tuples[j], tuples[i] })
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if t.conn(tuples[i%n]) == nil {
					b.Fatal("not found")
				}
			}
		})
	}
}

// BenchmarkDeadlines moves one of many deadlines, at random.
func BenchmarkDeadlines(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("timers=%d", n), func(b *testing.B) {
			var d deadlines
			timers := make([]timer, n)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range timers {
				d.set(&timers[i], tcp.Instant(1+rng.IntN(1e9)))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.set(&timers[i*7919%n], tcp.Instant(1+rng.IntN(1e9)))
			}
		})
	}
}

// BenchmarkScheduler gives many flows of ten remote addresses a turn of one packet each.
func BenchmarkScheduler(b *testing.B) {
	for _, n := range []int{1, 64, 10_000} {
		b.Run(fmt.Sprintf("flows=%d", n), func(b *testing.B) {
			var s scheduler
			var groups [10]group
			for i := range n {
				s.push(&flow{group: &groups[i%len(groups)]})
			}
			b.ReportAllocs()
			for b.Loop() {
				f, _, _, _ := s.next(false)
				s.done(f, service{used: 1420, largest: 1420, more: true})
			}
		})
	}
}

// BenchmarkRelay relays a batch of full packets between two peers.
func BenchmarkRelay(b *testing.B) {
	h, _ := relayHost(b)
	var pkts [][]byte
	for range 128 {
		pkts = append(pkts, udpDatagram(clientAddr+":1", otherAddr+":2", make([]byte, 1300)))
	}
	b.SetBytes(128 * 1328)
	b.ReportAllocs()
	for b.Loop() {
		h.s.Input(h.now(), pkts, 0)
		for n := 1; n > 0; {
			n = h.s.Output(h.now(), h.bufs, h.sizes, 16)
		}
	}
}

// BenchmarkPeers answers a datagram of each of many peers in turn: a packet in and one out per operation.
func BenchmarkPeers(b *testing.B) {
	for _, n := range []int{1, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("peers=%d", n), func(b *testing.B) {
			h := newHost(b, gatewayAddr)
			u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
			if err != nil {
				b.Fatal(err)
			}
			pkts := make([][]byte, n)
			for i := range pkts {
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), 5000)
				pkts[i] = udpDatagram(from.String(), gatewayAddr+":53", make([]byte, 100))
			}
			var p [wire.IPv4MaxLen]byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.s.Input(h.now(), pkts[i%n:i%n+1], 0)
				size, from, _, err := u.ReadFrom(p[:])
				if err != nil {
					b.Fatal(err)
				}
				if err := u.WriteTo(h.now(), p[:size], netip.AddrPort{}, from); err != nil {
					b.Fatal(err)
				}
				h.s.Output(h.now(), h.bufs, h.sizes, 0)
			}
		})
	}
}
