package netns

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"vpngw/test/lab"
)

// torrentClient is a BitTorrent client that does nothing but ask its default gateway for its ports, by PCP,
// or by NAT-PMP if it were told that PCP is not known.
const torrentClient = `
import libtorrent
session = libtorrent.session({
    "listen_interfaces": "` + clientInner + `:6881", "enable_natpmp": True, "enable_upnp": False,
    "enable_dht": False, "enable_lsd": False, "alert_mask": libtorrent.alert.category_t.all_categories,
})
while True:
    session.wait_for_alert(1000)
    for alert in session.pop_alerts():
        print(alert.what(), alert.message(), flush=True)
`

// TestPortsOfATorrentClient: libtorrent, whose PCP others use daily, gets its ports, and is reached there.
func TestPortsOfATorrentClient(t *testing.T) {
	n := newNetwork(t)
	lab.Require(t, netnsSwitch, "/usr/bin/python3")
	if _, err := n.client.Try(t.Context(), "/usr/bin/python3", "-c", "import libtorrent"); err != nil {
		t.Fatalf("install python3-libtorrent: %v", err)
	}
	g := n.startPortmap()
	// libtorrent looks for a default route with a gateway in the main table, where wg-quick has none.
	n.client.Run("sh", "-c", "ip route add default via "+tunnelGateway+" dev $(ls /sys/class/net | grep ^wg) onlink")
	p := n.client.Start("/usr/bin/python3", "-c", torrentClient)
	mapped := regexp.MustCompile(`<== port map \[ transport: PCP protocol: (tcp|udp) local: 6881 external: (\d+) `)
	ports := map[string]string{}
	lab.Eventually(t, time.Minute, "libtorrent has its ports by PCP", func() error {
		for _, m := range mapped.FindAllStringSubmatch(p.Output(), -1) {
			ports[m[1]] = m[2]
		}
		if len(ports) < 2 {
			return errors.New("not yet")
		}
		return nil
	})
	wantStatus(t, g, ports["tcp"]+"/tcp", ports["udp"]+"/udp", clientInner+":6881")
	c, err := n.dial(n.upstream, gatewayInner+":"+ports["tcp"])
	if err != nil {
		t.Fatal(err)
	}
	p.WaitFor("INCOMING CONNECTION", time.Minute)
	_ = c.Close()
	g.stop()
}
