package netns

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"vpngw/test/origin"
	"vpngw/test/relay"
	"vpngw/test/traffic"
)

// wireGuardHeaders is what a data message has besides the packet, which is padded to 16 bytes.
const wireGuardHeaders = 32

// largeDatagrams echoes UDP datagrams that fill many packets.
func (n *network) largeDatagrams(t *testing.T) {
	t.Helper()
	conn, err := n.client.DialUDP(at(origin.PortEcho))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, size := range []int{1200, 1300, 1400, 9000, 60_000} {
		echoDatagram(t, conn, size)
	}
}

// TestMTU has a user's first hour at the MTUs that people have: the least of IPv6, Google's cloud and
// PPPoE with room to spare, Ethernet, and jumbo frames.
func TestMTU(t *testing.T) {
	for _, mtu := range []int{1280, 1380, 1420, 8920} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			n := newNetwork(t)
			n.client.Run("ip", "link", "set", "to-gateway", "mtu", "9000")
			n.gateway.Run("ip", "link", "set", "to-client", "mtu", "9000")
			n.gateway.Run("ip", "link", "set", "to-upstream", "mtu", "9000")
			n.upstream.Run("ip", "link", "set", "to-gateway", "mtu", "9000")
			g := n.startGateway("--mtu", fmt.Sprint(mtu))
			conf := g.shownConfig()
			if want := fmt.Sprintf("\nMTU = %d\n", mtu); !strings.Contains(conf, want) {
				t.Errorf("clients are told otherwise than %q:\n%s", want, conf)
			}
			n.connect(n.client, conf)
			traffic.Run(t, n.site(n.client, tunnelGateway), traffic.Load{
				Bulk: 16 << 20, Small: 20, Session: 256 << 10, Timeout: time.Minute,
			})
			n.largeDatagrams(t)
			n.client.Run("ping", "-n", "-c", "1", "-W", "10", "-M", "do", "-s", fmt.Sprint(mtu-28), upstreamAddr)
			g.stop()
		})
	}
}

// TestPeerWithASmallMTU: the way to one client carries less than the tunnel has, and says nothing of it.
// Told of it, the gateway sends nothing larger.
func TestPeerWithASmallMTU(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	r := n.startRelay(6, relay.Impairment{Max: 1280 + wireGuardHeaders})
	g.run("peer", "remove", "peer1")
	conf := g.run("peer", "add", "small", "--mtu", "1280")
	if !strings.Contains(conf, "\nMTU = 1280\n") {
		t.Errorf("the client is told another MTU:\n%s", conf)
	}
	n.connect(n.client, withEndpoint(t, conf, pathAddr+":51820"))
	traffic.Run(t, n.site(n.client, tunnelGateway), traffic.Load{
		Bulk: 4 << 20, Small: 20, Session: 256 << 10, Timeout: time.Minute,
	})
	n.largeDatagrams(t)
	n.client.Run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "10", "-s", "8000", upstreamAddr)
	if up, down := r.Stats(); up.TooLarge+down.TooLarge != 0 {
		t.Errorf("too large for the way: %d up, %d down", up.TooLarge, down.TooLarge)
	}
	g.stop()
}

// TestPathThatSwallowsLargePackets: the same, and nobody was told. TCP finds out (RFC 8899): ours what it
// may send, and the client's, where that looks for it.
func TestPathThatSwallowsLargePackets(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	r := n.startRelay(7, relay.Impairment{Delay: 2 * ms, Max: 1300 + wireGuardHeaders})
	n.connect(n.client, withEndpoint(t, g.shownConfig(), pathAddr+":51820"))
	n.client.Run("sysctl", "-qw", "net.ipv4.tcp_mtu_probing=1") // off by default, in Linux

	const seed, size = 8, 4 << 20
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := origin.DigestOf(n.startDownload(t, seed, size)); err != nil || got != want {
		t.Errorf("download: %v, %v; want %v", got, err, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	url := fmt.Sprintf("http://%s/sum", at(origin.PortHTTP))
	out, err := n.client.Shell(ctx, "head -c 2000000 /dev/zero | curl -sS --fail -T - "+url)
	if err != nil || !strings.HasPrefix(out, "2000000 ") {
		t.Errorf("upload: %v: %q", err, out)
	}
	if _, down := r.Stats(); down.TooLarge == 0 {
		t.Error("nothing was too large: the test shows little")
	}
	g.stop()
}
