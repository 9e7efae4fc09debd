package ourstack

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// Benchmarks of what happens for each datagram, and of the small parts that every packet or connection
// passes.

// BenchmarkEcho answers echo requests, a batch at a time.
func BenchmarkEcho(b *testing.B) {
	h := newHost(b, gatewayAddr)
	var pkts [][]byte
	for seq := range uint16(64) {
		pkts = append(pkts, echo(clientAddr, gatewayAddr, 1, seq, make([]byte, 56)))
	}
	b.ReportAllocs()
	for b.Loop() {
		h.s.Input(h.now(), pkts, 0)
		if n := h.s.Output(h.now(), h.bufs, h.sizes, 16); n != len(pkts) {
			b.Fatalf("%d answers", n)
		}
	}
}

// BenchmarkReassembly puts a datagram of 8 KB together, in order and with the last fragment first.
func BenchmarkReassembly(b *testing.B) {
	for _, backwards := range []bool{false, true} {
		b.Run(fmt.Sprint("backwards=", backwards), func(b *testing.B) {
			h := newHost(b, gatewayAddr)
			u, err := h.s.ListenUDP(ap(gatewayAddr + ":53"))
			if err != nil {
				b.Fatal(err)
			}
			pkts := fragments(udpDatagram(clientAddr+":1", gatewayAddr+":53", make([]byte, 8000)), 1400)
			if backwards {
				for i, j := 0, len(pkts)-1; i < j; i, j = i+1, j-1 {
					pkts[i], pkts[j] = pkts[j], pkts[i]
				}
			}
			var p [wire.IPv4MaxLen]byte
			b.SetBytes(8000)
			b.ReportAllocs()
			for b.Loop() {
				h.s.Input(h.now(), pkts, 0)
				if n, _, _, err := u.ReadFrom(p[:]); n != 8000 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkMemory takes and gives back a block of stream buffer, as does each 8 KiB of text.
func BenchmarkMemory(b *testing.B) {
	h := newHost(b, gatewayAddr)
	r := h.s.acquireRemote(addr(clientAddr))
	b.ReportAllocs()
	for b.Loop() {
		r.Put(r.Get())
	}
}

// BenchmarkRemotes finds one of many remote addresses, as does each new connection.
func BenchmarkRemotes(b *testing.B) {
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprint("remotes=", n), func(b *testing.B) {
			h := newHost(b, gatewayAddr)
			addrs := make([]wire.Addr, n)
			for i := range addrs {
				addrs[i] = wire.Addr{10, 9, byte(i >> 8), byte(i)}
				h.s.acquireRemote(addrs[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.s.acquireRemote(addrs[i*7919%n]).release()
			}
		})
	}
}

// BenchmarkMTU looks up the MTU of an address, as does each datagram, with prefixes of two lengths.
func BenchmarkMTU(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprint("prefixes=", n), func(b *testing.B) {
			h := newHost(b, gatewayAddr)
			t := &mtuTable{bits: []int{32, 24}, mtu: map[mtuKey]int{}}
			for i := range n {
				t.mtu[mtuKey{wire.Addr{10, 9, byte(i >> 8), byte(i)}, 32}] = 1280
			}
			if n > 0 {
				h.s.mtus.Store(t)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if h.s.mtuTo(wire.Addr{10, 9, byte(i >> 8), byte(i)}) == 0 {
					b.Fatal("none")
				}
			}
		})
	}
}

// BenchmarkIPID chooses the identification of a packet that may be fragmented.
func BenchmarkIPID(b *testing.B) {
	h := newHost(b, gatewayAddr)
	from, to := addr(gatewayAddr), addr(clientAddr)
	b.ReportAllocs()
	for b.Loop() {
		h.s.ipID.next(from, to, wire.ProtoUDP)
	}
}

// BenchmarkPorts chooses a local port, as does each connection that the stack opens.
func BenchmarkPorts(b *testing.B) {
	h := newHost(b, gatewayAddr)
	local := tcp.Endpoint{Addr: addr(gatewayAddr)}
	rng := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		peer := tcp.Endpoint{Addr: wire.Addr{10, 9, 0, byte(rng.Uint32())}, Port: 80}
		if h.s.ports.choose(local, peer, func(uint16) bool { return true }) == 0 {
			b.Fatal("none")
		}
	}
}
