package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

const (
	// crowd is how many bulk flows stand beside what is measured.
	crowd = "64"
	// warmUp is how long bulk flows run before it.
	warmUp = time.Second
)

// besideBulk measures round trips of a byte and pings while bulk flows of the same client fill the path.
func besideBulk(down bool) func(context.Context, *path, time.Duration) (figures, error) {
	return func(ctx context.Context, p *path, d time.Duration) (figures, error) {
		c, err := p.openOne(ctx)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		var report iperfReport
		var errBulk error
		var bulk sync.WaitGroup
		bulk.Go(func() { report, _, errBulk = p.iperf(ctx, 2*warmUp+2*d, down, "-P", crowd) })
		time.Sleep(warmUp)
		times, errTrips := trips(c, d)
		f, errPing := pings(ctx, p, d)
		bulk.Wait()
		if err := errors.Join(errTrips, errPing, errBulk); err != nil {
			return nil, err
		}
		at := func(q float64) float64 { return times[int(q*float64(len(times)-1))].Seconds() * 1e3 }
		return figures{
			"TCP p50 ms": at(0.5), "TCP p99 ms": at(0.99), "ping avg ms": f["avg ms"],
			"bulk Mbit/s": report.End.Received.Rate / 1e6,
		}, nil
	}
}

// trips sends a byte forth and back, one after the other, and returns how long each took, in order of size.
func trips(c net.Conn, d time.Duration) ([]time.Duration, error) {
	if err := c.SetDeadline(time.Now().Add(d + slack)); err != nil {
		return nil, err
	}
	var times []time.Duration
	b := []byte{1}
	for began := time.Now(); len(times) == 0 || time.Since(began) < d; {
		start := time.Now()
		if _, err := c.Write(b); err != nil {
			return nil, fmt.Errorf("a byte beside bulk flows: %w", err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return nil, fmt.Errorf("a byte beside bulk flows: %w", err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	return times, nil
}

// share measures what a client with one bulk flow gets beside another with 64: half is even.
func share(down bool) func(context.Context, *path, time.Duration) (figures, error) {
	return func(ctx context.Context, p *path, d time.Duration) (figures, error) {
		omit := fmt.Sprint(warmUp.Seconds())
		var many, one iperfReport
		var errMany, errOne error
		var both sync.WaitGroup
		both.Go(func() { many, _, errMany = p.iperf(ctx, d, down, "-P", crowd, "-O", omit) })
		both.Go(func() { one, _, errOne = p.iperfFrom(ctx, p.second, d, down, "-p", secondIperf, "-O", omit) })
		both.Wait()
		if err := errors.Join(errMany, errOne); err != nil {
			return nil, err
		}
		all := many.End.Received.Rate + one.End.Received.Rate
		return figures{"of one flow": one.End.Received.Rate / all, "Mbit/s": all / 1e6}, nil
	}
}
