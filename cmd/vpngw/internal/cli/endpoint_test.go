package cli

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"vpngw/config"
)

func TestGuessedEndpointWarnsWhenOthersCannotReachIt(t *testing.T) {
	for _, tt := range []struct {
		outward, endpoint string
		warning           string // a word of it; "" for none
	}{
		{"203.0.113.5", "203.0.113.5:51820", ""},
		{"10.1.2.3", "10.1.2.3:51820", "private"},
		{"192.168.1.5", "192.168.1.5:51820", "private"},
		{"100.64.7.7", "100.64.7.7:51820", "private"},
		{"169.254.1.1", "169.254.1.1:51820", "private"},
		{"", "127.0.0.1:51820", "no route"},
	} {
		var outward netip.Addr
		if tt.outward != "" {
			outward = netip.MustParseAddr(tt.outward)
		}
		endpoint, warning := guessEndpoint(outward, 51820)
		if endpoint != tt.endpoint || (warning == "") != (tt.warning == "") || !strings.Contains(warning, tt.warning) {
			t.Errorf("%q: %s, %q", tt.outward, endpoint, warning)
		}
		if warning != "" && !strings.Contains(warning, "--endpoint") {
			t.Errorf("%q: the warning does not say what to do: %s", tt.outward, warning)
		}
	}
}

func TestEndpointWithoutPortGetsOne(t *testing.T) {
	for in, want := range map[string]string{
		"vpn.example.com":    "vpn.example.com:7000",
		"vpn.example.com:51": "vpn.example.com:51",
		"203.0.113.5":        "203.0.113.5:7000",
		"2001:db8::1":        "[2001:db8::1]:7000",
		"[2001:db8::1]":      "[2001:db8::1]:7000",
		"[2001:db8::1]:51":   "[2001:db8::1]:51",
	} {
		if got, err := checkEndpoint(in, 7000); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", ":51820", "a:b", "a:0", "a:65536", "a b", "https://a", "a:1:2", "a\nPostUp = x:1", "fe80::1%eth0", "[fe80::1%x\nPostUp = x]:1"} {
		if got, err := checkEndpoint(in, 7000); err == nil {
			t.Errorf("%q was taken as %s", in, got)
		}
	}
}

func TestUsableResolvers(t *testing.T) {
	const text = `# made by hand
nameserver 127.0.0.53
nameserver 10.0.0.53
nameserver 2001:db8::53
nameserver 169.254.169.254
nameserver
nameserver nonsense
nameserver 168.63.129.16
nameserver 192.168.1.5
options nameserver 1.2.3.4
  nameserver 192.168.1.1 # indented
`
	got := usableResolvers(text, []netip.Addr{netip.MustParseAddr("192.168.1.5")})
	want := []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("192.168.1.1")}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestResolversForPhones(t *testing.T) {
	hosts := phoneDNS()
	for name, v := range map[string]struct {
		change func(*config.Config)
		want   []netip.Addr
	}{
		"the gateway":                 {func(*config.Config) {}, []netip.Addr{netip.MustParseAddr("10.8.0.1")}},
		"the gateway does not answer": {func(c *config.Config) { c.DNS.Enabled = false }, hosts},
		"a phone that keeps its own network": {func(c *config.Config) {
			c.Interface.ClientAllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.168.10.0/24")}
		}, nil},
		"client_dns": {func(c *config.Config) {
			c.Interface.ClientDNS = []netip.Addr{netip.MustParseAddr("10.9.9.9")}
		}, []netip.Addr{netip.MustParseAddr("10.9.9.9")}},
	} {
		c := config.Default()
		v.change(c)
		before := len(c.Interface.ClientDNS)
		if got := forPhone(c).Interface.ClientDNS; !slices.Equal(got, v.want) {
			t.Errorf("%s: %v, want %v", name, got, v.want)
		}
		if len(c.Interface.ClientDNS) != before {
			t.Errorf("%s: the original was changed", name)
		}
	}
}
