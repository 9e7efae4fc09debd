package gateway

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"vpngw/config"
)

// Benchmarks of what grows with the number of configured peers.

// crowdSizes are numbers of peers.
var crowdSizes = []int{10, 100, 1000, 10_000}

// crowd is a configuration with n peers, p0 at 10.9.0.0, p1 at 10.9.0.1, …
func crowd(t testing.TB, n int) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Interface.PrivateKey = newKey(t)
	cfg.Interface.ListenPort = 0
	cfg.Interface.Address = netip.MustParsePrefix("10.8.0.1/15")
	cfg.Peers = make([]config.Peer, n)
	for i := range cfg.Peers {
		cfg.Peers[i] = config.Peer{
			Name: fmt.Sprint("p", i), PublicKey: newKey(t).Public(),
			AllowedIPs: []netip.Prefix{netip.PrefixFrom(crowdAddr(i), 32)},
		}
	}
	return cfg
}

func crowdAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}) }

// start runs a gateway until stop is called.
func start(t testing.TB, cfg *config.Config) (g *Gateway, stop func()) {
	t.Helper()
	g, err := New(cfg, Options{})
	if err == nil {
		err = g.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return g, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// BenchmarkStart is a gateway's start with many peers, and tells what each of them costs while it is idle.
func BenchmarkStart(b *testing.B) {
	for _, n := range crowdSizes {
		b.Run(fmt.Sprint("peers=", n), func(b *testing.B) {
			cfg := crowd(b, n)
			var each float64
			for b.Loop() {
				b.StopTimer()
				before := inUse()
				b.StartTimer()
				_, stop := start(b, cfg)
				b.StopTimer()
				each = (inUse() - before) / float64(n)
				stop()
				b.StartTimer()
			}
			b.ReportMetric(each, "bytes/peer")
		})
	}
}

// inUse weighs what lives, stacks included.
func inUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkReload changes one of many peers, adds one and removes one.
func BenchmarkReload(b *testing.B) {
	for _, n := range crowdSizes {
		b.Run(fmt.Sprint("peers=", n), func(b *testing.B) {
			with := crowd(b, n)
			without := *with
			without.Peers = append([]config.Peer(nil), with.Peers[1:]...)
			without.Peers[0].PersistentKeepalive = 25
			g, stop := start(b, with)
			defer stop()
			b.ReportAllocs()
			for b.Loop() {
				for _, cfg := range []*config.Config{&without, with} {
					if err := g.Reload(cfg); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkStatus looks at a gateway with many peers.
func BenchmarkStatus(b *testing.B) {
	for _, n := range crowdSizes {
		b.Run(fmt.Sprint("peers=", n), func(b *testing.B) {
			g, stop := start(b, crowd(b, n))
			defer stop()
			b.ReportAllocs()
			for b.Loop() {
				g.Status()
			}
		})
	}
}

// BenchmarkRelayPolicy asks for two of many peers whether one's packets go to the other, as happens for each
// run of packets between them.
func BenchmarkRelayPolicy(b *testing.B) {
	for _, n := range crowdSizes {
		b.Run(fmt.Sprint("peers=", n), func(b *testing.B) {
			g, err := New(crowd(b, n), Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, _, ok := g.fwd.policy.relays(crowdAddr(i%n), crowdAddr((i+n/2)%n)); !ok {
					b.Fatal("they may not")
				}
			}
		})
	}
}
