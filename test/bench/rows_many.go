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

// few has a byte go forth and back on amongWorkers of n connections; the others are idle. What a packet
// costs shows what idle connections cost.
func few(s stack, n int, d time.Duration) (figures, error) { return among(s, n, amongWorkers, d) }

// among has a byte go forth and back on one after the other of the busy ones of n connections, chosen at
// random, so that the cost of a round trip shows what the number of connections costs. The more are busy, the
// longer each waits for its next byte, and the more acknowledgments go alone, when their timer fires: so what a
// packet costs is given, too. The far end of each is a goroutine that echoes.
func among(s stack, n, busy int, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, true)
	if err != nil {
		return nil, err
	}
	defer stop()
	conns, err := openMany(a, b, n)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	rand.Shuffle(n, func(i, j int) { conns[i], conns[j] = conns[j], conns[i] }) // the busy ones lie anywhere
	var done, failed atomic.Int64
	var wg sync.WaitGroup
	end := make(chan struct{})
	for w := range amongWorkers {
		own := conns[w*busy/amongWorkers : (w+1)*busy/amongWorkers] // one round trip at a time on each
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

// openMany opens n connections from a to b, which echoes, and has a byte go forth and back on each, so that what
// a first use costs is over. With an error it returns those that it opened.
func openMany(a, b host, n int) ([]net.Conn, error) {
	conns, p := make([]net.Conn, 0, n), make([]byte, 1)
	for port := uint16(1); len(conns) < n; port++ {
		at := netip.AddrPortFrom(addrB, port)
		l, err := b.listen(at)
		if err != nil {
			return conns, err
		}
		go echo(l, len(p))
		for range min(n-len(conns), 20000) { // a port of ours each
			c, err := dialTo(a, at)
			if err != nil {
				return conns, err
			}
			conns = append(conns, c)
			if err := roundTrip(c, p); err != nil {
				return conns, err
			}
		}
	}
	return conns, nil
}
