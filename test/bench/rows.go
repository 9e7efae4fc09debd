package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// row is one line of the table.
type row struct {
	name    string
	stacks  []string
	measure func(s stack, d time.Duration) (figures, error)
}

var (
	withIdeal = []string{"ours", "netstack", "ideal"}
	without   = []string{"ours", "netstack"}
	binds     = []string{"ours", "ours/std", "ours/nolimit", "ideal", "ideal/own"}
	far       = []string{"ours+100ms", "netstack+100ms", "ideal+100ms"}
	alone     = []string{"ours"}
)

var rows = []row{
	{"wg/bulk/1", withIdeal, func(s stack, d time.Duration) (figures, error) { return bulk(s, false, 1, d) }},
	{"wg/bulk/8", withIdeal, func(s stack, d time.Duration) (figures, error) { return bulk(s, false, 8, d) }},
	{"wg/bulk/64", withIdeal, func(s stack, d time.Duration) (figures, error) { return bulk(s, false, 64, d) }},
	{"wg/rr/1", without, func(s stack, d time.Duration) (figures, error) { return pingPong(s, false, 1, d) }},
	{"wg/rr/64", without, func(s stack, d time.Duration) (figures, error) { return pingPong(s, false, 64, d) }},
	{"wg/churn/32", without, func(s stack, d time.Duration) (figures, error) { return churn(s, false, 32, d) }},
	{"wg/100ms", far, longPath},
	{"wg/beside/64", without, func(s stack, d time.Duration) (figures, error) { return besideBulk(s, 64, d) }},
	{"wg/share/down", without, func(s stack, d time.Duration) (figures, error) { return share(s, false, 64, d) }},
	{"wg/share/up", without, func(s stack, d time.Duration) (figures, error) { return share(s, true, 64, d) }},
	{"wg/memory/2000", []string{"ours", "ours/std"}, func(s stack, d time.Duration) (figures, error) { return memory(s, 2000, d) }},
	{"wg/peers/10", alone, func(s stack, d time.Duration) (figures, error) { return manyPeers(s, 10, d) }},
	{"wg/peers/100", alone, func(s stack, d time.Duration) (figures, error) { return manyPeers(s, 100, d) }},
	{"wg/peers/1000", alone, func(s stack, d time.Duration) (figures, error) { return manyPeers(s, 1000, d) }},
	{"wg/peers/10000", alone, func(s stack, d time.Duration) (figures, error) { return manyPeers(s, 10000, d) }},
	{"bind/bulk/1", binds, func(s stack, d time.Duration) (figures, error) { return bulk(s, false, 1, d) }},
	{"bind/rr/64", binds[:3], func(s stack, d time.Duration) (figures, error) { return pingPong(s, false, 64, d) }},
	{"direct/bulk/1", withIdeal, func(s stack, d time.Duration) (figures, error) { return bulk(s, true, 1, d) }},
	{"direct/bulk/8", without, func(s stack, d time.Duration) (figures, error) { return bulk(s, true, 8, d) }},
	{"direct/rr/1", without, func(s stack, d time.Duration) (figures, error) { return pingPong(s, true, 1, d) }},
	{"direct/churn/32", without, func(s stack, d time.Duration) (figures, error) { return churn(s, true, 32, d) }},
	{"direct/idle/10000", without, func(s stack, _ time.Duration) (figures, error) { return idle(s, 10000) }},
	{"direct/idle/100000", alone, func(s stack, _ time.Duration) (figures, error) { return idle(s, 100000) }},
	{"direct/few/64", alone, func(s stack, d time.Duration) (figures, error) { return few(s, 64, d) }},
	{"direct/few/1000", alone, func(s stack, d time.Duration) (figures, error) { return few(s, 1000, d) }},
	{"direct/few/10000", alone, func(s stack, d time.Duration) (figures, error) { return few(s, 10000, d) }},
	{"direct/few/100000", alone, func(s stack, d time.Duration) (figures, error) { return few(s, 100000, d) }},
	{"direct/among/64", without, func(s stack, d time.Duration) (figures, error) { return among(s, 64, 64, d) }},
	{"direct/among/1000", without, func(s stack, d time.Duration) (figures, error) { return among(s, 1000, 1000, d) }},
	{"direct/among/10000", without, func(s stack, d time.Duration) (figures, error) { return among(s, 10000, 10000, d) }},
	{"direct/among/100000", alone, func(s stack, d time.Duration) (figures, error) { return among(s, 100000, 100000, d) }},
}

var service = netip.AddrPortFrom(addrB, 80)

// bulk sends on flows connections from A to B for d, after a third of it as warm-up.
func bulk(s stack, direct bool, flows int, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, direct)
	if err != nil {
		return nil, err
	}
	defer stop()
	counts := make([]atomic.Int64, flows)
	if a.null != nil {
		a.null.start(flows, nullWindow)
	} else if err := startFlows(a, b, counts); err != nil {
		return nil, err
	}
	read := func() []float64 {
		out := make([]float64, flows)
		for i := range counts {
			out[i] = float64(counts[i].Load())
		}
		if b.null != nil {
			b.null.received(out)
			for i := range out {
				out[i] *= mtu - 52
			}
		}
		return out
	}
	time.Sleep(d / 3)
	before, m := read(), startMeter()
	time.Sleep(d)
	wall, cpu, allocs := m.stop()
	after := read()
	var total float64
	for i := range after {
		after[i] -= before[i]
		total += after[i]
	}
	f := figures{
		"Mbit/s": total * 8 / wall.Seconds() / 1e6, "CPU s/GB": cpu.Seconds() / (total / 1e9),
		"allocs/MB": allocs / (total / 1e6),
	}
	if flows > 1 {
		f["Jain"] = jain(after)
	}
	return f, nil
}

func startFlows(a, b host, counts []atomic.Int64) error { return startFlowsTo(a, b, service, counts) }

// startFlowsTo sends from a to at on b for good, and counts what arrives, by flow.
func startFlowsTo(a, b host, at netip.AddrPort, counts []atomic.Int64) error {
	l, err := b.listen(at)
	if err != nil {
		return err
	}
	go func() {
		for i := range counts {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, bufferOf(len(counts)))
				for {
					n, err := c.Read(buf)
					counts[i].Add(int64(n))
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	conns := make([]net.Conn, len(counts))
	for i := range conns {
		if conns[i], err = dialTo(a, at); err != nil {
			return err
		}
	}
	for _, c := range conns {
		go func() {
			buf := make([]byte, bufferOf(len(counts)))
			for {
				if _, err := c.Write(buf); err != nil {
					return
				}
			}
		}()
	}
	return nil
}

// bufferOf is what each of n flows reads or writes at once, in bytes.
func bufferOf(n int) int { return max(8<<10, min(256<<10, 16<<20/n)) }

func dial(a host) (net.Conn, error) { return dialTo(a, service) }

func dialTo(a host, at netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return a.dial(ctx, at)
}

// echoSize is what an echo server reads at once, in bytes, but among many connections.
const echoSize = 4096

// echo serves every connection of l until it ends, size bytes at once.
func echo(l net.Listener, size int) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, size)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				if _, err := c.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
}

// pingPong sends one byte forth and back on each of n connections, over and over.
func pingPong(s stack, direct bool, n int, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, direct)
	if err != nil {
		return nil, err
	}
	defer stop()
	l, err := b.listen(service)
	if err != nil {
		return nil, err
	}
	go echo(l, echoSize)
	conns := make([]net.Conn, n)
	for i := range conns {
		if conns[i], err = dial(a); err != nil {
			return nil, err
		}
	}
	times := make([][]time.Duration, n)
	m := startMeter()
	end := time.Now().Add(d)
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			p := []byte{1}
			times[i] = make([]time.Duration, 0, 1<<16)
			for t := time.Now(); t.Before(end); {
				_, errW := c.Write(p)
				_, errR := io.ReadFull(c, p)
				if errors.Join(errW, errR) != nil {
					return
				}
				now := time.Now()
				times[i] = append(times[i], now.Sub(t))
				t = now
			}
		})
	}
	wg.Wait()
	wall, cpu, allocs := m.stop()
	var all []time.Duration
	for _, t := range times {
		all = append(all, t...)
	}
	ops := float64(len(all))
	return figures{
		"per s": ops / wall.Seconds(), "p50 us": percentile(all, 0.5), "p99 us": percentile(all, 0.99),
		"CPU us/op": float64(cpu.Microseconds()) / ops, "allocs/op": allocs / ops,
	}, nil
}

// churn opens a connection, echoes 1 KB and closes it, with workers in parallel.
func churn(s stack, direct bool, workers int, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, direct)
	if err != nil {
		return nil, err
	}
	defer stop()
	l, err := b.listen(service)
	if err != nil {
		return nil, err
	}
	go echo(l, echoSize)
	m := startMeter()
	end := time.Now().Add(d)
	var done, failed atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			buf := make([]byte, 1024)
			for time.Now().Before(end) {
				if once(a, buf) != nil {
					failed.Add(1)
				} else {
					done.Add(1)
				}
			}
		})
	}
	wg.Wait()
	wall, cpu, allocs := m.stop()
	n := float64(done.Load())
	return figures{
		"per s": n / wall.Seconds(), "CPU us/op": float64(cpu.Microseconds()) / n, "allocs/op": allocs / n,
		"failed": float64(failed.Load()),
	}, nil
}

func once(a host, buf []byte) error {
	c, err := dial(a)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write(buf); err != nil {
		return err
	}
	_, err = io.ReadFull(c, buf)
	return err
}

// idle opens n connections, sends a byte forth and back on each, waits for them to fall asleep, and
// weighs what one end of one costs: half of a pair.
func idle(s stack, n int) (figures, error) {
	a, b, stop, err := pair(s, true)
	if err != nil {
		return nil, err
	}
	defer stop()
	accepted := make(chan net.Conn, n)
	ports := uint16(1 + n/20000) // a port of the dialling side is taken once for each
	for port := range ports {
		l, err := b.listen(netip.AddrPortFrom(addrB, 80+port))
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
	}
	before := heap()
	keep := make([]net.Conn, 0, 2*n)
	p := make([]byte, 1)
	for i := range n {
		c, err := dialTo(a, netip.AddrPortFrom(addrB, 80+uint16(i)%ports))
		if err != nil {
			return nil, err
		}
		e := <-accepted
		for _, step := range []func([]byte) (int, error){c.Write, e.Read, e.Write, c.Read} {
			if _, err := step(p); err != nil {
				return nil, err
			}
		}
		keep = append(keep, c, e)
	}
	time.Sleep(3 * time.Second) // longer than a connection keeps its working memory
	after := heap()
	runtime.KeepAlive(keep)
	return figures{"bytes": (after.bytes - before.bytes) / float64(2*n), "objects": (after.objects - before.objects) / float64(2*n)}, nil
}

type weight struct{ bytes, objects float64 }

// heap weighs what lives, stacks included.
func heap() weight {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return weight{float64(m.HeapAlloc + m.StackInuse), float64(m.HeapObjects)}
}
