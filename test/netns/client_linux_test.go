package netns

import (
	"strings"
	"testing"
	"time"

	"vpngw/test/traffic"
)

// TestStockClient is a user's first hour: up with nothing prepared, and everything a client does.
func TestStockClient(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	conf := g.shownConfig()
	if want := "Endpoint = " + gatewayOuter + ":51820\n"; !strings.Contains(conf, want) {
		t.Errorf("clients are told otherwise than %q:\n%s", want, conf)
	}
	n.connect(n.client, conf)
	traffic.Run(t, n.site(n.client, tunnelGateway), traffic.Load{
		Bulk: 200 << 20, Small: 200, Session: 4 << 20, Timeout: 2 * time.Minute,
	})
	g.stop()
}
