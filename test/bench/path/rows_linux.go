package main

import (
	"context"
	"time"
)

// row is one measurement.
type row struct {
	name    string
	measure func(ctx context.Context, p *path, d time.Duration) (figures, error)
	alone   bool // it has a gateway of its own, in a small container, and is not compared
}

// rows are measured in this order: see the package comment.
var rows = []row{
	{name: "rss/idle", measure: idleMemory},
	{name: "rss/open", measure: openMemory},
	{name: "connect", measure: connects},
	{name: "ping", measure: pings},
	{name: "http/keepalive", measure: requests(true)},
	{name: "http/each", measure: requests(false)},
	{name: "udp/up", measure: datagrams(false)},
	{name: "udp/down", measure: datagrams(true)},
	{name: "quic/up", measure: http3(false)},
	{name: "quic/down", measure: http3(true)},
	{name: "tcp/up/1", measure: bulk(false, 1)},
	{name: "tcp/down/1", measure: bulk(true, 1)},
	{name: "tcp/up/8", measure: bulk(false, 8)},
	{name: "tcp/down/8", measure: bulk(true, 8)},
	{name: "rss/load", measure: loadedMemory},
	{name: "beside/up/64", measure: besideBulk(false)},
	{name: "beside/down/64", measure: besideBulk(true)},
	{name: "share/up", measure: share(false)},
	{name: "share/down", measure: share(true)},
	{name: "rss/crowd", measure: loadedMemory},
	{name: "small/64MiB", measure: smallContainer, alone: true},
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gb  = 1e9
)

// cost adds what the gateway spent on n bytes.
func (f figures) cost(cpu time.Duration, n float64) { f["CPU s/GB"] = cpu.Seconds() / (n / gb) }

func idleMemory(_ context.Context, p *path, _ time.Duration) (figures, error) {
	now, _ := p.memory()
	return figures{"MiB": now / mib}, nil
}

func loadedMemory(_ context.Context, p *path, _ time.Duration) (figures, error) {
	now, peak := p.memory()
	return figures{"MiB": now / mib, "peak MiB": peak / mib}, nil
}
