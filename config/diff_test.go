package config

import (
	"net/netip"
	"slices"
	"testing"
)

// testConfig returns a valid configuration with two peers.
func testConfig(t *testing.T) *Config {
	t.Helper()
	c := Default()
	c.Interface.Endpoint = "vpn.example.com:51820"
	var err error
	if c.Interface.PrivateKey, err = ParsePrivateKey(testKey); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"laptop", "phone"} {
		p, err := NewPeer(c, name, PeerOptions{Random: &counter{next: byte(100 * i)}})
		if err != nil {
			t.Fatal(err)
		}
		c.Peers = append(c.Peers, *p)
	}
	return c
}

// counter is a source of "random" bytes for tests: one more each time.
type counter struct{ next byte }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		c.next++
		p[i] = c.next
	}
	return len(p), nil
}

func TestDiffOfTheSame(t *testing.T) {
	if ch := Diff(testConfig(t), testConfig(t)); !ch.Empty() {
		t.Errorf("changes %+v", ch)
	}
	a, b := testConfig(t), testConfig(t)
	a.Interface.ClientDNS, b.Interface.ClientDNS = nil, []netip.Addr{}
	a.Peers[0].Groups, b.Peers[0].Groups = nil, []string{}
	// Where a peer is defined, and what the gateway does not use.
	b.Path, b.Warnings = "elsewhere.toml", Problems{{}}
	b.Peers[0].File, b.Peers[0].Line, b.Peers[0].PrivateKey = "elsewhere.toml", 7, PrivateKey{}
	b.Peers[1].PresharedKeyFile = "elsewhere.psk"
	slices.Reverse(b.Peers)
	if ch := Diff(a, b); !ch.Empty() {
		t.Errorf("changes without an effect: %+v", ch)
	}
}

func TestDiffOfSettings(t *testing.T) {
	a, b := testConfig(t), testConfig(t)
	b.Interface.PrivateKey, _ = ParsePrivateKey("XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os=")
	b.Interface.MTU = 1280
	b.Interface.ClientDNS = []netip.Addr{netip.MustParseAddr("10.8.0.1")}
	b.Forward.Enabled = false
	b.Stack.MemoryMax++
	b.Admin.Listen = "127.0.0.1:51821"
	b.Log.Level++
	ch := Diff(a, b)
	if want := []string{"interface.private_key", "interface.client_dns", "forward.enabled", "log.level"}; !slices.Equal(ch.Live, want) {
		t.Errorf("live %v, want %v", ch.Live, want)
	}
	if want := []string{"interface.mtu", "stack.memory_max", "admin.listen"}; !slices.Equal(ch.Restart, want) {
		t.Errorf("restart %v, want %v", ch.Restart, want)
	}
	if ch.Empty() || len(ch.Added)+len(ch.Removed)+len(ch.Changed) > 0 {
		t.Errorf("peers changed: %+v", ch)
	}
}

func TestDiffOfPeers(t *testing.T) {
	psk, _ := ParsePresharedKey(testKey)
	key, _ := ParsePublicKey("Hd7y8mGHpe5A5ZTHBVs3/tI28RqN5MPPPKyTjXBoFgk=")
	for name, v := range map[string]struct {
		change                  func(c *Config)
		added, removed, changed []string
	}{
		"added": {
			func(c *Config) { c.Peers = append(c.Peers, Peer{Name: "new", PublicKey: key}) },
			[]string{"new"},
			nil, nil,
		},
		"removed":   {func(c *Config) { c.Peers = c.Peers[:1] }, nil, []string{"phone"}, nil},
		"all gone":  {func(c *Config) { c.Peers = nil }, nil, []string{"laptop", "phone"}, nil},
		"new key":   {func(c *Config) { c.Peers[1].PublicKey = key }, []string{"phone"}, []string{"phone"}, nil},
		"renamed":   {func(c *Config) { c.Peers[1].Name = "tablet" }, nil, nil, []string{"tablet"}},
		"psk":       {func(c *Config) { c.Peers[1].PresharedKey = psk }, nil, nil, []string{"phone"}},
		"no psk":    {func(c *Config) { c.Peers[1].PresharedKey = PresharedKey{} }, nil, nil, []string{"phone"}},
		"keepalive": {func(c *Config) { c.Peers[0].PersistentKeepalive = 25 }, nil, nil, []string{"laptop"}},
		"groups":    {func(c *Config) { c.Peers[0].Groups = []string{"staff"} }, nil, nil, []string{"laptop"}},
		"address": {
			func(c *Config) { c.Peers[0].AllowedIPs = []netip.Prefix{netip.MustParsePrefix("10.8.0.9/32")} },
			nil, nil,
			[]string{"laptop"},
		},
		"keys swapped": {func(c *Config) {
			c.Peers[0].PublicKey, c.Peers[1].PublicKey = c.Peers[1].PublicKey, c.Peers[0].PublicKey
		}, nil, nil, []string{"laptop", "phone"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := testConfig(t), testConfig(t)
			v.change(b)
			ch := Diff(a, b)
			for what, v := range map[string]struct {
				got  []Peer
				want []string
			}{
				"added": {ch.Added, v.added}, "removed": {ch.Removed, v.removed}, "changed": {ch.Changed, v.changed},
			} {
				var names []string
				for _, p := range v.got {
					names = append(names, p.Name)
				}
				if !slices.Equal(names, v.want) {
					t.Errorf("%s %v, want %v", what, names, v.want)
				}
			}
			if len(ch.Live)+len(ch.Restart) > 0 {
				t.Errorf("settings changed: %+v", ch)
			}
		})
	}
}
