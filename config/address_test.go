package config

import (
	"errors"
	"net/netip"
	"testing"
)

func TestAllowedIPs(t *testing.T) {
	for s, want := range map[string]string{
		"10.8.0.2": "10.8.0.2/32", "10.8.0.2/32": "10.8.0.2/32", "10.8.0.0/24": "10.8.0.0/24", "0.0.0.0/0": "0.0.0.0/0",
		"fd00::2": "fd00::2/128", "::/0": "::/0", "::ffff:10.8.0.2": "10.8.0.2/32",
	} {
		if got, err := parseAllowedIP(s); err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %s", s, got, err, want)
		}
	}
	for s, fix := range map[string]string{
		"10.8.0.2/24": `write "10.8.0.2/32" for the address or "10.8.0.0/24" for the network`,
		"fd00::2/64":  `write "fd00::2/128" for the address or "fd00::/64" for the network`,
		"":            "", "laptop": "", "10.8.0.2/33": "", "10.8.0.256": "", "fe80::1%eth0": "", "::ffff:10.8.0.0/120": "", "10.8.0.2/-1": "",
	} {
		_, err := parseAllowedIP(s)
		if err == nil {
			t.Errorf("%q is taken for a network", s)
			continue
		}
		if got := asValueError(err, "").fix; got != fix {
			t.Errorf("%q: fix %q, want %q", s, got, fix)
		}
	}
}

func TestInterfaceAddresses(t *testing.T) {
	if got, err := parseInterfaceAddress("10.8.0.1/24"); err != nil || got != netip.MustParsePrefix("10.8.0.1/24") {
		t.Errorf("%v, %v", got, err)
	}
	var fixed *fixedError
	if _, err := parseInterfaceAddress("10.8.0.1"); !errors.As(err, &fixed) || fixed.fix != `write "10.8.0.1/24"` {
		t.Errorf("an address alone: %v", err)
	}
	for _, s := range []string{"", "x", "fd00::1", "10.8.0.1/33", "10.8.0/24"} {
		if _, err := parseInterfaceAddress(s); err == nil {
			t.Errorf("%q is taken for an address with a network", s)
		}
	}
}

func TestGatewayAddresses(t *testing.T) {
	for _, s := range []string{
		"10.8.0.1/24", "10.8.0.254/24", "10.0.0.0/31", "10.0.0.1/31",
		"100.64.0.1/10", "10.8.0.1/32", "10.8.1.0/16", "1.0.0.1/0",
	} {
		if message, _ := gatewayAddress(netip.MustParsePrefix(s)); message != "" {
			t.Errorf("%s: %s", s, message)
		}
	}
	for _, s := range []string{
		"10.8.0.0/24", "10.8.0.255/24", "127.0.0.1/8", "224.0.0.1/24",
		"169.254.1.1/16", "240.0.0.1/8",
		"255.255.255.255/32", "0.0.0.1/8", "fd00::1/64", "::ffff:10.8.0.1/120",
	} {
		if message, _ := gatewayAddress(netip.MustParsePrefix(s)); message == "" {
			t.Errorf("%s is taken for a gateway's address", s)
		}
	}
	if message, _ := gatewayAddress(netip.Prefix{}); message == "" {
		t.Error("no address is taken for a gateway's")
	}
}

func TestEndpoints(t *testing.T) {
	for _, s := range []string{
		"vpn.example.com:51820", "203.0.113.1:1", "[2001:db8::1]:65535",
		"localhost:51820", "vpn.example.com.:443", "a_b.example:1",
	} {
		if message, _ := hostPort(s, 51820); message != "" {
			t.Errorf("%s: %s", s, message)
		}
	}
	for s, fix := range map[string]string{
		"vpn.example.com": `write "vpn.example.com:51820"`,
		"203.0.113.1":     `write "203.0.113.1:51820"`,
		"2001:db8::1":     `write "[2001:db8::1]:51820"`,
		"[2001:db8::1]":   `write "[2001:db8::1]:51820"`,
		"vpn:0":           "use 1 to 65535",
		"vpn:65536":       "use 1 to 65535",
		"vpn:http":        "use 1 to 65535",
		":51820":          "", "1.2.3.256:1": "", "a b:1": "", "https://vpn.example.com": "", "https://vpn:1": "", "vpn:1:2": "", "-x:1": "",
	} {
		message, got := hostPort(s, 51820)
		if message == "" || got != fix {
			t.Errorf("%s: %q, fix %q, want %q", s, message, got, fix)
		}
	}
}
