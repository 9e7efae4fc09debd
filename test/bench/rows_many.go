package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// amongWorkers send a byte forth and back at once, however many connections there are.
const amongWorkers = 64

// among has a byte go forth and back on one after the other of n connections, chosen at random, so that
// the cost of a round trip shows what the number of busy connections costs. The more there are, the
// longer each waits for its next byte, and the more acknowledgments go alone, when their timer fires: so what a
// packet costs is given, too. The far end of each is a goroutine that echoes.
func among(s stack, n int, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, true)
	if err != nil {
		return nil, err
	}
	defer stop()
	conns, err := openMany(a, b, n)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	var done, failed atomic.Int64
	var wg sync.WaitGroup
	end := make(chan struct{})
	for w := range amongWorkers {
		own := conns[w*n/amongWorkers : (w+1)*n/amongWorkers] // one round trip at a time on each
		wg.Go(func() {
			rng, p := rand.New(rand.NewPCG(1, uint64(w))), make([]byte, 1)
			for {
				select {
				case <-end:
					return
				default:
				}
				if roundTrip(own[rng.IntN(len(own))], p) != nil {
					failed.Add(1)
					return
				}
				done.Add(1)
			}
		})
	}
	time.Sleep(d / 3)
	before, packets, m := done.Load(), carried.Load(), startMeter()
	time.Sleep(d)
	wall, cpu, allocs := m.stop()
	ops, moved := float64(done.Load()-before), float64(carried.Load()-packets)
	close(end)
	wg.Wait()
	return figures{
		"per s": ops / wall.Seconds(), "CPU us/op": float64(cpu.Microseconds()) / ops, "allocs/op": allocs / ops,
		"packets/op": moved / ops, "CPU us/packet": float64(cpu.Microseconds()) / moved, "failed": float64(failed.Load()),
	}, nil
}

// openMany opens n connections from a to b, which echoes.
func openMany(a, b host, n int) ([]net.Conn, error) {
	conns := make([]net.Conn, 0, n)
	for port := uint16(1); len(conns) < n; port++ {
		at := netip.AddrPortFrom(addrB, port)
		l, err := b.listen(at)
		if err != nil {
			return nil, err
		}
		go echo(l)
		for range min(n-len(conns), 20000) { // a port of ours each
			c, err := dialTo(a, at)
			if err != nil {
				return nil, err
			}
			conns = append(conns, c)
		}
	}
	return conns, nil
}
