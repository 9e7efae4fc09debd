package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestClientConfig(t *testing.T) {
	c := testConfig(t)
	c.Interface.ClientDNS = []netip.Addr{netip.MustParseAddr("10.8.0.1"), netip.MustParseAddr("9.9.9.9")}
	c.Interface.ClientAllowedIPs = append(c.Interface.ClientAllowedIPs, netip.MustParsePrefix("::/0"))
	got, err := ClientConfig(c, &c.Peers[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `# vpngw peer laptop
[Interface]
PrivateKey = AAIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH2A=
Address = 10.8.0.2/32
DNS = 10.8.0.1, 9.9.9.9, vpn.internal
MTU = 1420

[Peer]
PublicKey = hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
PresharedKey = ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = vpn.example.com:51820
PersistentKeepalive = 25
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestClientConfigLeavesOutWhatIsNotSet(t *testing.T) {
	c := testConfig(t)
	c.Interface.ClientPersistentKeepalive = 0
	c.DNS.Enabled = false
	p := &c.Peers[0]
	p.PresharedKey = PresharedKey{}
	p.PersistentKeepalive = 25 // the gateway's, no concern of the client
	got, err := ClientConfig(c, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"DNS", "PresharedKey", "PersistentKeepalive"} {
		if strings.Contains(got, key) {
			t.Errorf("%s stands in\n%s", key, got)
		}
	}
	p.PrivateKey = PrivateKey{}
	if got, err = ClientConfig(c, p); err != nil || !strings.Contains(got, "# PrivateKey = the client's own") ||
		strings.Contains(got, "\nPrivateKey") || !strings.Contains(got, p.PublicKey.String()) {
		t.Errorf("without a private key: %v\n%s", err, got)
	}
}

func TestClientResolvers(t *testing.T) {
	for name, v := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"the gateway":         {func(*Config) {}, "10.8.0.1"},
		"its network routed":  {func(c *Config) { c.Interface.ClientAllowedIPs = prefixList("10.8.0.0/24") }, "10.8.0.1"},
		"another domain":      {func(c *Config) { c.DNS.Domain = "corp.example" }, "10.8.0.1"},
		"out of reach":        {func(c *Config) { c.Interface.ClientAllowedIPs = prefixList("192.168.0.0/16") }, ""},
		"off":                 {func(c *Config) { c.DNS.Enabled = false }, ""},
		"others, in any case": {func(c *Config) { c.Interface.ClientDNS = []netip.Addr{netip.MustParseAddr("9.9.9.9")} }, "9.9.9.9"},
	} {
		c := testConfig(t)
		v.change(c)
		if got := join(c.ClientResolvers()); got != v.want {
			t.Errorf("%s: %q, want %q", name, got, v.want)
		}
		text, err := ClientConfig(c, &c.Peers[0])
		comment, setting := "\n# DNS = "+v.want+", "+c.DNS.Domain+" # this gateway", "\nDNS = "+v.want+"\n"
		if err != nil || strings.Contains(text, comment) != (v.want == "10.8.0.1") || strings.Contains(text, setting) != (v.want == "9.9.9.9") {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

func prefixList(p string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(p)} }

func TestClientAddresses(t *testing.T) {
	for list, want := range map[string]string{
		"10.8.0.2/32":                                "10.8.0.2/32",
		"10.8.0.2/32 192.168.50.0/24":                "10.8.0.2/32",
		"192.168.50.0/24 10.8.0.2/32 10.8.0.3/32":    "10.8.0.2/32, 10.8.0.3/32",
		"172.16.0.2/32 10.8.0.2/32":                  "10.8.0.2/32",
		"172.16.0.2/32 172.16.0.3/32 192.168.0.0/16": "172.16.0.2/32, 172.16.0.3/32",
	} {
		c := claiming("10.8.0.1/24", list)
		if got := join(ClientAddresses(c, &c.Peers[0])); got != want {
			t.Errorf("%s: %s, want %s", list, got, want)
		}
	}
}

func TestClientConfigNamesIPv6Addresses(t *testing.T) {
	for list, want := range map[string]string{
		"10.8.0.2/32 fd00:8::2/128":             "10.8.0.2/32, fd00:8::2/128",
		"fd00:8::2/128 10.8.0.2/32 fd00:9::/64": "10.8.0.2/32, fd00:8::2/128",
		"fd00:8::2/128":                         "fd00:8::2/128",
	} {
		c := testConfig(t)
		c.Peers[0].AllowedIPs = claiming("10.8.0.1/24", list).Peers[0].AllowedIPs
		if got, err := ClientConfig(c, &c.Peers[0]); err != nil || !strings.Contains(got, "\nAddress = "+want+"\n") {
			t.Errorf("%s: %v\n%s\nwant %s", list, err, got, want)
		}
	}
}

func TestClientConfigThatCannotBe(t *testing.T) {
	c := testConfig(t)
	c.Peers[0].AllowedIPs = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")}
	if text, err := ClientConfig(c, &c.Peers[0]); err == nil || text != "" {
		t.Errorf("without an address: %q, %v", text, err)
	}
	c.Interface.Endpoint = ""
	if text, err := ClientConfig(c, &c.Peers[1]); !errors.Is(err, ErrNoEndpoint) || text != "" {
		t.Errorf("without an endpoint: %q, %v", text, err)
	}
}
