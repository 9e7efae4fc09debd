package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// openConns is how many idle connections are weighed.
	openConns = 2000
	// openWorkers open them at once.
	openWorkers = 8
	// restTime is how long they lie idle before: longer than the gateway keeps anything ready.
	restTime = 4 * time.Second
)

// echo serves every connection of l until it ends.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

// connects opens one connection after the other by the kernel's blocking call, and closes it in
// order before the next.
func connects(ctx context.Context, p *path, d time.Duration) (figures, error) {
	var times []time.Duration
	err := p.client.Do(func() error {
		for end := time.Now().Add(d); time.Now().Before(end) && ctx.Err() == nil; {
			t, err := connectOnce()
			if err != nil {
				return err
			}
			times = append(times, t)
		}
		return ctx.Err()
	})
	if err != nil || len(times) == 0 {
		return nil, errors.Join(err, ctx.Err())
	}
	slices.Sort(times)
	at := func(q float64) float64 { return float64(times[int(q*float64(len(times)-1))].Nanoseconds()) / 1e3 }
	return figures{"p50 us": at(0.5), "p99 us": at(0.99)}, nil
}

func connectOnce() (time.Duration, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	to := netip.MustParseAddrPort(net.JoinHostPort(upstreamAddr, echoPort))
	began := time.Now()
	if err := retry(func() error {
		return unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}); err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	took := time.Since(began)
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return 0, fmt.Errorf("shutdown: %w", err)
	}
	err = retry(func() error { // its end of stream
		_, err := unix.Read(fd, make([]byte, 1))
		return err
	})
	return took, err
}

// retry repeats what the runtime's signals interrupt.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// openMemory weighs connections that have carried a byte each and lie idle.
func openMemory(ctx context.Context, p *path, _ time.Duration) (figures, error) {
	if err := closing(p.open(ctx, 4*openWorkers)); err != nil { // what the first ones alone cost
		return nil, err
	}
	before, _ := p.memory()
	conns, err := p.open(ctx, openConns)
	if err == nil {
		time.Sleep(restTime)
	}
	after, _ := p.memory()
	if err := closing(conns, err); err != nil {
		return nil, err
	}
	return figures{"KiB each": (after - before) / openConns / kib, "MiB": after / mib}, nil
}

// open opens n connections to the echo server and sends a byte forth and back on each.
func (p *path) open(ctx context.Context, n int) ([]net.Conn, error) {
	conns, errs := make([]net.Conn, n), make([]error, openWorkers)
	var workers sync.WaitGroup
	for w := range openWorkers {
		workers.Go(func() {
			for i := w; i < n && errs[w] == nil; i += openWorkers {
				conns[i], errs[w] = p.openOne(ctx)
			}
		})
	}
	workers.Wait()
	return conns, errors.Join(errs...)
}

func (p *path) openOne(ctx context.Context) (net.Conn, error) {
	c, err := p.client.DialContext(ctx, "tcp4", net.JoinHostPort(upstreamAddr, echoPort))
	if err != nil {
		return nil, err
	}
	b := []byte{1}
	err = c.SetDeadline(time.Now().Add(slack))
	if err == nil {
		_, err = c.Write(b)
	}
	if err == nil {
		_, err = io.ReadFull(c, b)
	}
	return c, err
}

// closing closes what open opened.
func closing(conns []net.Conn, err error) error {
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
	return err
}
