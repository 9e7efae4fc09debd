package netns

import (
	"net"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
	"vpngw/test/relay"
	"vpngw/test/traffic"
)

const ms = time.Millisecond

// startRelay puts a host with a relay between client and gateway, for a client whose endpoint is
// pathAddr:51820.
func (n *network) startRelay(seed uint64, imp relay.Impairment) *relay.Relay {
	n.t.Helper()
	path := n.lab.Host("path")
	n.lab.Link(n.client, "172.31.2.2/24", path, pathAddr+"/24")
	n.lab.Link(path, "172.31.3.2/24", n.gateway, gatewayPath+"/24")
	listen, err := path.ListenUDP(pathAddr + ":51820")
	if err != nil {
		n.t.Fatal(err)
	}
	r, err := relay.New(relay.Config{
		Listen: listen,
		Dial:   func() (*net.UDPConn, error) { return path.DialUDP(gatewayPath + ":51820") },
		Seed:   seed,
		Up:     imp,
		Down:   imp,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := r.Close(); err != nil {
			n.t.Error(err)
		}
		up, down := r.Stats()
		n.t.Logf("relay with seed %d and %+v:\nup %+v\ndown %+v", seed, imp, up, down)
		if err := r.Err(); err != nil {
			n.t.Error(err)
		}
	})
	return r
}

// TestBadPath is the traffic of TestStockClient over paths that lose, delay, reorder and double:
// slower, and nothing else.
func TestBadPath(t *testing.T) {
	for _, c := range []struct {
		name string
		seed uint64
		imp  relay.Impairment
		bulk uint64
	}{
		{
			"far and a little lossy", 1,
			relay.Impairment{Delay: 25 * ms, Jitter: 5 * ms, Loss: 0.005, Reorder: 0.005, Duplicate: 0.002},
			8 << 20,
		},
		{
			"five percent lost", 2,
			relay.Impairment{Delay: 5 * ms, Jitter: 2 * ms, Loss: 0.05, Reorder: 0.02, Duplicate: 0.02},
			2 << 20,
		},
		{
			"out of order and doubled", 3,
			relay.Impairment{Delay: 3 * ms, Reorder: 0.2, ReorderBy: 2 * ms, Duplicate: 0.1},
			8 << 20,
		},
		{
			"slow line with a short queue", 4,
			relay.Impairment{Delay: 10 * ms, Rate: 20_000_000, Queue: 64 << 10},
			8 << 20,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t)
			g := n.startGateway()
			n.startRelay(c.seed, c.imp)
			n.connect(n.client, withEndpoint(t, g.shownConfig(), pathAddr+":51820"))
			traffic.Run(t, n.site(n.client, tunnelGateway), traffic.Load{
				Bulk: c.bulk, Small: 50, Session: 512 << 10, Timeout: 2 * time.Minute,
			})
			g.stop()
		})
	}
}

// TestRoaming changes the address that the gateway sees of a client, in the middle of a download.
func TestRoaming(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	r := n.startRelay(5, relay.Impairment{Delay: 5 * ms, Rate: 50_000_000})
	n.connect(n.client, withEndpoint(t, g.shownConfig(), pathAddr+":51820"))

	const seed, size = 3, 16 << 20
	download := n.startDownload(t, seed, size)
	done := make(chan struct{})
	var got origin.Digest
	var err error
	go func() {
		defer close(done)
		got, err = origin.DigestOf(download)
	}()
	changes := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(500 * ms):
			if err := r.Rebind(); err != nil {
				t.Fatal(err)
			}
			changes++
		}
	}
	if want, _ := origin.DigestOf(origin.Content(seed, size)); err != nil || got != want {
		t.Errorf("after %d changes of address: %v, %v; want %v", changes, got, err, want)
	}
	if changes < 2 {
		t.Errorf("only %d changes of address during the download: the test shows little", changes)
	}
	lab.Eventually(t, 30*time.Second, "ping after roaming", (&client{n: n, host: n.client}).ping)
}
