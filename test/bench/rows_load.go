package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.zx2c4.com/wireguard/tun"
)

// distantWindow is the null device's window where a round trip takes 100 ms: 23 MB.
const distantWindow = 1 << 14

// longPath sends on one flow over a round trip of 100 ms: the rate once 3 s have passed since the start,
// and when it first was 600 Mbit/s over a tenth of a second.
func longPath(s stack, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, false)
	if err != nil {
		return nil, err
	}
	defer stop()
	counts := make([]atomic.Int64, 1)
	start := time.Now()
	if a.null != nil {
		a.null.start(1, distantWindow)
	} else if err := startFlows(a, b, counts); err != nil {
		return nil, err
	}
	read := func() float64 {
		if b.null != nil {
			n := make([]float64, 1)
			b.null.received(n)
			return n[0] * (mtu - 52)
		}
		return float64(counts[0].Load())
	}
	const tick, fast = 100 * time.Millisecond, 600e6 / 8
	reached, last := 0.0, 0.0
	for at := start; time.Since(start) < 3*time.Second; {
		time.Sleep(tick)
		now, n := time.Now(), read()
		if reached == 0 && (n-last)/now.Sub(at).Seconds() >= fast {
			reached = now.Sub(start).Seconds()
		}
		at, last = now, n
	}
	before, m := read(), startMeter()
	time.Sleep(d)
	wall, cpu, _ := m.stop()
	total := read() - before
	return figures{
		"Mbit/s after 3 s": total * 8 / wall.Seconds() / 1e6, "s to 600 Mbit/s": reached,
		"CPU s/GB": cpu.Seconds() / (total / 1e9),
	}, nil
}

// besideBulk measures round trips of one byte on a connection, and of pings, first alone and then
// beside n bulk flows in the same direction between the same hosts.
func besideBulk(s stack, n int, d time.Duration) (figures, error) {
	a, b, stop, err := pair(s, false)
	if err != nil {
		return nil, err
	}
	defer stop()
	quiet := netip.AddrPortFrom(addrB, 7)
	l, err := b.listen(quiet)
	if err != nil {
		return nil, err
	}
	go echo(l, echoSize)
	c, err := dialTo(a, quiet)
	if err != nil {
		return nil, err
	}
	p, err := a.ping(addrB)
	if err != nil {
		return nil, err
	}
	f := figures{}
	measure := func(suffix string) error {
		byteTrip, err1 := trips(d/2, func() error { return roundTrip(c, []byte{1}) })
		pingTrip, err2 := trips(d/2, func() error { return pingOnce(p) })
		for name, t := range map[string][]time.Duration{"TCP": byteTrip, "ping": pingTrip} {
			f[name+" p50 us"+suffix], f[name+" p99 us"+suffix] = percentile(t, 0.5), percentile(t, 0.99)
		}
		return errors.Join(err1, err2)
	}
	if err := measure(" idle"); err != nil {
		return nil, err
	}
	counts := make([]atomic.Int64, n)
	if err := startFlows(a, b, counts); err != nil {
		return nil, err
	}
	time.Sleep(d / 3)
	err = measure(" loaded")
	for _, name := range []string{"TCP p50 us", "TCP p99 us", "ping p50 us", "ping p99 us"} {
		f[name+" loaded/idle"] = f[name+" loaded"] / f[name+" idle"]
	}
	return f, err
}

// trips repeats trip for d.
func trips(d time.Duration, trip func() error) (times []time.Duration, err error) {
	end := time.Now().Add(d)
	for t := time.Now(); t.Before(end); {
		if err := trip(); err != nil {
			return nil, err
		}
		now := time.Now()
		times = append(times, now.Sub(t))
		t = now
	}
	return times, nil
}

func roundTrip(c net.Conn, p []byte) error {
	if _, err := c.Write(p); err != nil {
		return err
	}
	_, err := io.ReadFull(c, p)
	return err
}

// pingOnce sends an echo request with 56 bytes and waits for a message; nothing lost is expected.
func pingOnce(c net.Conn) error {
	var b [64]byte
	b[0] = 8
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(b[:]); err != nil {
		return err
	}
	_, err := c.Read(b[:])
	return err
}

// share has a hub send to two peers at once, many flows to one and a single one to the other, or
// receive from them if up is set, and returns what the single one gets of all: 0.5 is even.
func share(s stack, up bool, many int, d time.Duration) (figures, error) {
	addrC := netip.MustParseAddr("10.8.0.3")
	hosts := make([]host, 3)
	for i, addr := range []netip.Addr{addrA, addrB, addrC} {
		var err error
		if hosts[i], err = s.end(addr); err != nil {
			return nil, err
		}
	}
	hub, crowd, single := hosts[0], hosts[1], hosts[2]
	stop, err := star(s, hub.dev, addrA, []tun.Device{crowd.dev, single.dev}, []netip.Addr{addrB, addrC})
	if err != nil {
		return nil, err
	}
	defer stop()
	ofCrowd, ofSingle := make([]atomic.Int64, many), make([]atomic.Int64, 1)
	if up {
		err = errors.Join(startFlowsTo(crowd, hub, netip.AddrPortFrom(addrA, 80), ofCrowd),
			startFlowsTo(single, hub, netip.AddrPortFrom(addrA, 81), ofSingle))
	} else {
		err = errors.Join(startFlowsTo(hub, crowd, netip.AddrPortFrom(addrB, 80), ofCrowd),
			startFlowsTo(hub, single, netip.AddrPortFrom(addrC, 80), ofSingle))
	}
	if err != nil {
		return nil, err
	}
	time.Sleep(d / 3)
	sum := func(counts []atomic.Int64) (n float64) {
		for i := range counts {
			n += float64(counts[i].Load())
		}
		return n
	}
	c, o, start := sum(ofCrowd), sum(ofSingle), time.Now()
	time.Sleep(d)
	c, o = sum(ofCrowd)-c, sum(ofSingle)-o
	return figures{
		"share of the single": o / (c + o), "Mbit/s": (c + o) * 8 / time.Since(start).Seconds() / 1e6,
	}, nil
}

// memory runs many bulk flows at once and weighs the process, both ends of it.
func memory(s stack, flows int, d time.Duration) (figures, error) {
	f, err := bulk(s, false, flows, d)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"VmHWM", "VmRSS"} {
		f[name+" MB"] = statusKB(name) / 1e3
	}
	return f, nil
}

// statusKB reads a size of this process from Linux; 0 elsewhere.
func statusKB(name string) float64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb
		}
	}
	return 0
}
