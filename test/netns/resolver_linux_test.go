package netns

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/traffic"
)

// dig asks the gateway's resolver from the client and returns what dig prints.
func (n *network) dig(words ...string) string {
	n.t.Helper()
	return n.client.Run(append([]string{"dig", "-r", "@" + tunnelGateway, "+tries=5", "+time=5"}, words...)...)
}

// configure appends tables to the gateway's configuration, which it takes while it runs.
func (g *gateway) configure(tables string) {
	g.n.t.Helper()
	f, err := os.OpenFile(filepath.Join(g.state, "vpngw.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		g.n.t.Fatal(err)
	}
	_, err = f.WriteString(tables)
	if closed := f.Close(); err != nil || closed != nil {
		g.n.t.Fatal(err, closed)
	}
}

// TestResolver is what dig sees of the gateway's resolver.
func TestResolver(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	g.configure(fmt.Sprintf(`
[dns]
upstreams = ["%s", "%s"]

[[dns.record]]
name = "printer"
value = "192.168.50.7"
`, deadHost, upstreamAddr))
	lab.Eventually(t, time.Minute, "the reload", func() error {
		if !strings.Contains(n.dig("+short", "printer.vpn.internal"), "192.168.50.7") {
			return context.DeadlineExceeded
		}
		return nil
	})
	g.run("peer", "add", "second")
	for name, v := range map[string]struct {
		query []string
		want  string
	}{
		"a peer":                 {[]string{"+short", "peer1.vpn.internal"}, "10.8.0.2\n"},
		"a peer over TCP":        {[]string{"+short", "+tcp", "peer1.vpn.internal"}, "10.8.0.2\n"},
		"a peer by its label":    {[]string{"+short", "peer1"}, "10.8.0.2\n"},
		"a peer added just now":  {[]string{"+short", "second.vpn.internal"}, "10.8.0.3\n"},
		"the gateway":            {[]string{"+short", "vpn.internal"}, tunnelGateway + "\n"},
		"an address of a peer":   {[]string{"+short", "-x", "10.8.0.2"}, "peer1.vpn.internal.\n"},
		"nobody":                 {[]string{"nobody.vpn.internal"}, "status: NXDOMAIN"},
		"nobody's address":       {[]string{"-x", "10.8.0.99"}, "status: NXDOMAIN"},
		"upstream":               {[]string{"+short", traffic.HostName}, traffic.HostAddr + "\n"},
		"upstream over TCP":      {[]string{"+short", "+tcp", traffic.HostName}, traffic.HostAddr + "\n"},
		"no IPv6":                {[]string{traffic.HostName, "AAAA"}, "status: NOERROR"},
		"too long, not repeated": {[]string{"+ignore", "+noedns", traffic.LongName, "TXT"}, "flags: qr tc rd ra"},
		"localhost":              {[]string{"+short", "localhost"}, "127.0.0.1\n"},
	} {
		got := n.dig(v.query...)
		if exact := strings.HasSuffix(v.want, "\n"); exact && got != v.want || !strings.Contains(got, v.want) {
			t.Errorf("%s: dig %v prints\n%s\nwant %q", name, v.query, got, v.want)
		}
	}
	if got := strings.Count(n.dig("+short", traffic.LongName, "TXT"), "x"); got != traffic.LongText {
		t.Errorf("%d bytes of a text of %d", got, traffic.LongText)
	}
	if got := n.dig(traffic.HostName, "AAAA"); strings.Contains(got, "ANSWER SECTION") || !strings.Contains(got, "SOA") {
		t.Errorf("an IPv6 address, or none that can be cached:\n%s", got)
	}
	g.stop()
}
