package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNewPeerIsComplete(t *testing.T) {
	c := testConfig(t)
	p, err := NewPeer(c, "tablet", PeerOptions{Groups: []string{"staff"}, PersistentKeepalive: 30})
	if err != nil {
		t.Fatal(err)
	}
	if p.PublicKey != p.PrivateKey.Public() || p.PublicKey.IsZero() || p.PresharedKey.IsZero() {
		t.Errorf("keys %+v", p)
	}
	if got := join(p.AllowedIPs); got != "10.8.0.4/32" {
		t.Errorf("allowed_ips %s", got)
	}
	if p.Name != "tablet" || p.PersistentKeepalive != 30 || len(p.Groups) != 1 {
		t.Errorf("%+v", p)
	}
	if len(c.Peers) != 2 {
		t.Errorf("the configuration has %d peers now", len(c.Peers))
	}
	other, err := NewPeer(c, "tablet", PeerOptions{})
	if err != nil || other.PublicKey == p.PublicKey || other.PresharedKey.Equal(p.PresharedKey) {
		t.Errorf("a second peer has the keys of the first: %v", err)
	}
}

func TestNewPeerForAClientsOwnKey(t *testing.T) {
	c := testConfig(t)
	key, _ := ParsePublicKey("Hd7y8mGHpe5A5ZTHBVs3/tI28RqN5MPPPKyTjXBoFgk=")
	p, err := NewPeer(c, "tablet", PeerOptions{
		PublicKey: key, OmitPresharedKey: true,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.77/32")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.PublicKey != key || !p.PrivateKey.IsZero() || !p.PresharedKey.IsZero() ||
		join(p.AllowedIPs) != "10.8.0.77/32" {
		t.Errorf("%+v", p)
	}
}

func TestNewPeerThatCannotBe(t *testing.T) {
	c := testConfig(t)
	full := claiming("10.8.0.1/30", "10.8.0.2/32")
	for name, v := range map[string]struct {
		cfg  *Config
		peer string
		o    PeerOptions
		want string
	}{
		"name taken": {c, "laptop", PeerOptions{}, `"laptop" is the name of peer "laptop" too`},
		"bad name":   {c, "My Laptop", PeerOptions{}, `did you mean "my-laptop"?`},
		"no name":    {c, "", PeerOptions{}, "name: there is none"},
		"key taken": {
			c, "x",
			PeerOptions{PublicKey: c.Peers[0].PublicKey},
			`is the key of peer "laptop" too`,
		},
		"gateway's key": {
			c, "x",
			PeerOptions{PublicKey: c.Interface.PrivateKey.Public()},
			"is the gateway's own",
		},
		"address taken": {
			c, "x",
			PeerOptions{AllowedIPs: c.Peers[0].AllowedIPs},
			`belongs to peer "laptop" already`,
		},
		"gateway address": {
			c, "x",
			PeerOptions{AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.1/32")}},
			"the gateway's own address",
		},
		"host bits": {
			c, "x",
			PeerOptions{AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.9/24")}},
			"write 10.8.0.0/24",
		},
		"no network":    {c, "x", PeerOptions{AllowedIPs: []netip.Prefix{{}}}, "is not a network"},
		"bad group":     {c, "x", PeerOptions{Groups: []string{"a b"}}, `did you mean "a-b"?`},
		"keepalive":     {c, "x", PeerOptions{PersistentKeepalive: -1}, "use 0 to 65535"},
		"no room":       {full, "x", PeerOptions{}, "no address is left in 10.8.0.0/30"},
		"no randomness": {c, "x", PeerOptions{Random: iotest.ErrReader(errors.New("no entropy"))}, "no entropy"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPeer(v.cfg, v.peer, v.o)
			if p != nil || err == nil || !strings.Contains(err.Error(), v.want) {
				t.Errorf("%+v, %v, want an error with %q", p, err, v.want)
			}
		})
	}
}
