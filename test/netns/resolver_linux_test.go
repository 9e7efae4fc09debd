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
log_queries = true

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
		"a stranger's name":      {[]string{traffic.RebindName}, "EDE: 15 (Blocked): (dns.rebind_protection)"},
		"a stranger's address":   {[]string{"+short", traffic.RebindName}, ""},
		"no IPv6":                {[]string{traffic.HostName, "AAAA"}, "status: NOERROR"},
		"too long, not repeated": {[]string{"+ignore", "+noedns", traffic.LongName, "TXT"}, "flags: qr tc rd ra"},
		"localhost":              {[]string{"+short", "localhost"}, "127.0.0.1\n"},
	} {
		got := n.dig(v.query...)
		if exact := v.want == "" || strings.HasSuffix(v.want, "\n"); exact && got != v.want || !strings.Contains(got, v.want) {
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
	if want := "peer=peer1 client=10.8.0.2 name=" + traffic.HostName + ". type=A answer=NOERROR from="; !strings.Contains(g.process.Output(), want) {
		t.Errorf("the query log has no %q", want)
	}
}

// TestNamesAsProgramsSeeThem: wg-quick is given the very line that the gateway offers in a comment, and
// hands resolver and search domain to the host; programs then find peers by their names alone.
func TestNamesAsProgramsSeeThem(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	g.run("peer", "add", "second")
	const comment = "# DNS = " + tunnelGateway + ", vpn.internal #"
	conf := g.shownConfig()
	if !strings.Contains(conf, comment) {
		t.Fatalf("the gateway is not offered as a resolver:\n%s", conf)
	}
	// A resolvconf that writes the host's own resolv.conf, which "ip netns exec" puts in place.
	dir, etc := t.TempDir(), n.client.OwnEtc()
	for path, text := range map[string]string{
		filepath.Join(dir, "resolvconf"):  "#!/bin/sh\n[ \"$1\" != -a ] || cat >/etc/resolv.conf\n",
		filepath.Join(etc, "resolv.conf"): "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := n.newClient(n.client, strings.Replace(conf, comment, "DNS = "+tunnelGateway+", vpn.internal #", 1))
	n.client.Run("env", "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go", "PATH="+dir+":"+os.Getenv("PATH"), "wg-quick", "up", c.conf)
	c.waitForPing()
	for name, want := range map[string]string{
		"second": "10.8.0.3", "second.vpn.internal": "10.8.0.3", "gateway": tunnelGateway, "10.8.0.3": "second.vpn.internal",
	} {
		if out := n.client.Run("getent", "hosts", name); !strings.Contains(out, want) {
			t.Errorf("getent hosts %s prints %q, want %s", name, out, want)
		}
	}
	g.stop()
}
