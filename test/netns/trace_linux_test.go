package netns

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vpngw/test/lab"
)

// Addresses of the far network: behind the upstream, which is its first router, there is another one.
const (
	nearRouter  = upstreamAddr
	farRouter   = "10.97.1.2"
	farHost     = "10.97.2.2"
	farNetworks = "10.97.0.0/16"
	prohibited  = "10.97.2.13" // the far router says 3/13 for it
	filtered    = "10.97.2.10" // 3/10
	unreached   = "10.97.2.1"  // nobody
	farMTU      = 1300         // of the last link
)

// startFar makes two routers and a host behind the gateway, and connects the client.
func (n *network) startFar() (*gateway, *client) {
	n.t.Helper()
	lab.Require(n.t, netnsSwitch, "traceroute", "tracepath")
	router, far := n.lab.Host("router"), n.lab.Host("far")
	n.lab.Link(n.upstream, "10.97.1.1/24", router, farRouter+"/24")
	n.lab.Link(router, "10.97.2.254/24", far, farHost+"/24")
	for _, h := range []*lab.Host{n.upstream, router, far} {
		// Every packet of a burst is answered: the test is not about their restraint.
		h.Run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000",
			"net.ipv4.icmp_msgs_burst=10000")
	}
	router.Run("ip", "route", "add", "default", "via", "10.97.1.1")
	far.Run("ip", "route", "add", "default", "via", "10.97.2.254")
	router.Run("ip", "link", "set", "to-far", "mtu", fmt.Sprint(farMTU))
	far.Run("ip", "link", "set", "to-router", "mtu", fmt.Sprint(farMTU))
	n.upstream.Run("ip", "route", "add", "10.97.2.0/24", "via", farRouter)
	n.gateway.Run("ip", "route", "add", farNetworks, "via", nearRouter)
	router.Run("nft", fmt.Sprintf(`
		table ip refuse {
			chain forward {
				type filter hook forward priority 0
				ip daddr %s reject with icmp type admin-prohibited
				ip daddr %s reject with icmp type host-prohibited
			}
		}`, prohibited, filtered))
	g := n.startGateway()
	return g, n.connect(n.client, g.shownConfig())
}

// hop matches a line of traceroute -n: its number, and the addresses and marks of its probes.
var hop = regexp.MustCompile(`(?m)^ *(\d+)  (.*)$`)

// address matches an address, and mark what traceroute says of an unreachable.
var (
	address = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)
	mark    = regexp.MustCompile(`!\w+`)
)

// trace runs traceroute and returns the addresses of the hops, each once, "*" for silence, with the mark
// of an unreachable behind.
func (n *network) trace(to string, words ...string) []string {
	n.t.Helper()
	out := n.client.Run(append(append([]string{"traceroute", "-n", "-m", "8", "-w", "5"}, words...), to)...)
	var hops []string
	for _, line := range hop.FindAllStringSubmatch(out, -1) {
		seen := address.FindAllString(line[2], -1)
		slices.Sort(seen)
		name := strings.Join(slices.Compact(seen), ",")
		if strings.Contains(line[2], "*") {
			name += "*"
		}
		hops = append(hops, name+mark.FindString(line[2]))
	}
	n.t.Logf("%s", out)
	return hops
}

// TestTraceroute shows the gateway as the first hop and the real path behind it, by every method.
func TestTraceroute(t *testing.T) {
	n := newNetwork(t)
	g, _ := n.startFar()
	path := []string{tunnelGateway, nearRouter, farRouter, farHost}
	refused := []string{tunnelGateway, nearRouter, farRouter, farRouter + "!X"} // it looks at the TTL first
	for _, c := range []struct {
		name  string
		to    string
		words []string
		want  []string
	}{
		{"ICMP", farHost, []string{"-I"}, path},
		{"TCP", farHost, []string{"-T"}, path},
		{"TCP to a port of its own", farHost, []string{"-T", "-p", "443"}, path},
		{"UDP to port 53", farHost, []string{"-U"}, path},
		{"UDP", farHost, nil, path},
		{"ICMP, prohibited", prohibited, []string{"-I"}, refused},
		{"TCP, prohibited", prohibited, []string{"-T"}, refused},
		{"UDP, prohibited", prohibited, nil, refused},
		{"TCP, host prohibited", filtered, []string{"-T"}, refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := n.trace(c.to, c.words...); !slices.Equal(got, c.want) {
				t.Errorf("hops %q, want %q", got, c.want)
			}
		})
	}
	g.stop()
}

// TestTracepath finds the path MTU behind the gateway.
func TestTracepath(t *testing.T) {
	n := newNetwork(t)
	g, _ := n.startFar()
	out := n.client.Run("tracepath", "-n", "-m", "8", farHost)
	for _, want := range []string{"pmtu 1420", "pmtu 1300", tunnelGateway, nearRouter, farRouter, farHost, "Resume: pmtu 1300 hops 4 back"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	g.stop()
}

// TestPing is what ping(8) sees: its own payload, the hops that are left, and who says what is wrong.
func TestPing(t *testing.T) {
	n := newNetwork(t)
	g, c := n.startFar()
	for _, size := range []string{"0", "56", "8000", "65000", "65507"} {
		// ping compares what comes back with what it sent.
		out := n.client.Run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "10", "-s", size, "-p", "a55a", farHost)
		if !strings.Contains(out, " 0% packet loss") || strings.Contains(out, "wrong data") {
			t.Errorf("%s bytes:\n%s", size, out)
		}
		if size != "0" && !strings.Contains(out, "ttl=61") { // two routers and the gateway
			t.Errorf("the reply's hops:\n%s", out)
		}
	}
	n.floodPings(g, c)
	for _, c := range []struct{ name, to, want string }{
		{"prohibited", prohibited, "From " + farRouter + " icmp_seq=1 Packet filtered"},
		{"host prohibited", filtered, "From " + farRouter + " icmp_seq=1 Destination Host Prohibited"},
		{"nobody there", unreached, "From " + farRouter + " icmp_seq=1 Destination Host Unreachable"},
		{"nobody beside the gateway", deadHost, "From " + tunnelGateway + " icmp_seq=1 Destination Host Unreachable"},
		{"no route", noRouteHost, "From " + tunnelGateway + " icmp_seq=1 Destination Net Unreachable"},
	} {
		if out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "15", c.to); !strings.Contains(out, c.want) {
			t.Errorf("%s: no %q in:\n%s", c.name, c.want, out)
		}
	}
	if out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", "-M", "do", "-s", "1372", farHost); !strings.Contains(out,
		"From "+farRouter+" icmp_seq=1 Frag needed and DF set (mtu = 1300)") {
		t.Errorf("too large for the far link, with DF:\n%s", out)
	}
	g.stop()
}

// floodPings has a thousand pings under way at once. ping's own socket does not hold so many answers, so
// the gateway is asked how many it passed back.
func (n *network) floodPings(g *gateway, c *client) {
	n.t.Helper()
	n.client.Run("ip", "link", "set", c.name, "txqueuelen", "4000")
	var before, after struct {
		Counters struct {
			Relayed    int `json:"ping_relayed"`
			Answered   int `json:"ping_answered"`
			OverBudget int `json:"ping_over_budget"`
		} `json:"counters"`
	}
	g.status(&before)
	out, _ := n.try(n.client, "ping", "-n", "-f", "-q", "-c", "1000", "-l", "1000", "-W", "2", farHost)
	g.status(&after)
	relayed, answered := after.Counters.Relayed-before.Counters.Relayed, after.Counters.Answered-before.Counters.Answered
	if relayed < 1000 || answered != relayed || after.Counters.OverBudget != 0 {
		n.t.Errorf("%d of a thousand relayed, %d answered, %d over budget:\n%s", relayed, answered, after.Counters.OverBudget, out)
	}
	if out := n.client.Run("ping", "-n", "-f", "-q", "-c", "1000", "-l", "50", "-W", "10", farHost); !strings.Contains(out, " 0% packet loss") {
		n.t.Errorf("fifty at once:\n%s", out)
	}
}

// status reads the status of the running gateway.
func (g *gateway) status(v any) {
	g.n.t.Helper()
	if err := json.Unmarshal([]byte(g.run("status", "--json")), v); err != nil {
		g.n.t.Fatal(err)
	}
}

// TestPingForbidden: a host that lets nobody have ping sockets. One line says so, and how to mend it; the
// gateway itself answers, TCP is traced, and a ping to elsewhere is refused rather than lost.
func TestPingForbidden(t *testing.T) {
	n := newNetwork(t)
	n.gateway.Run("sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	out := g.process.Output()
	for _, want := range []string{"ping_group_range (1 0) does not contain", "sysctl -w net.ipv4.ping_group_range="} {
		if strings.Count(out, want) != 1 {
			t.Errorf("not one line with %q:\n%s", want, out)
		}
	}
	if out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", upstreamAddr); !strings.Contains(out,
		"From "+tunnelGateway+" icmp_seq=1 Packet filtered") {
		t.Errorf("a ping to elsewhere:\n%s", out)
	}
	if got, want := n.trace(upstreamAddr, "-T"), []string{tunnelGateway, upstreamAddr}; !slices.Equal(got, want) {
		t.Errorf("hops %q, want %q", got, want)
	}
	g.stop()
}
