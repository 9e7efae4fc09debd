package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestEditDistance(t *testing.T) {
	for _, v := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"mtu", "mtu", 0},
		{"mtu", "mut", 1},
		{"mtu", "mt", 1},
		{"mtu", "mtuu", 1},
		{"mtu", "mxu", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
		{"listen_prot", "listen_port", 1},
	} {
		if got := editDistance(v.a, v.b); got != v.want {
			t.Errorf("%q to %q: %d, want %d", v.a, v.b, got, v.want)
		}
		if got := editDistance(v.b, v.a); got != v.want {
			t.Errorf("%q to %q: %d, want %d", v.b, v.a, got, v.want)
		}
	}
	long := strings.Repeat("x", 1<<20)
	if got := editDistance(long, "mtu"); got < 24 {
		t.Errorf("a very long word is near a short one: %d", got)
	}
}

func TestUnknownKeysGetAHint(t *testing.T) {
	for key, want := range map[string]string{
		"listen_prot": "listen_port", "listenPort": "listen_port", "ListenPort": "listen_port", "LISTEN_PORT": "listen_port",
		"listen-port": "listen_port", "lisen_port": "listen_port", "PrivateKey": "private_key", "private_keyfile": "private_key_file",
		"adress": "address", "peersdir": "peers_dir", "public_key": "[[peer]]", "AllowedIPs": "allowed_ips is a key of [[peer]]",
		"dial_timeout": "[forward]", "Table": "routes", "PostUp": "no commands", "DNS": "client_dns",
		"something_else": "", "x": "", "": "",
	} {
		message, fix := unknownKey(reflect.TypeFor[Interface](), key)
		if !strings.HasPrefix(message, "unknown key") || !strings.Contains(fix, want) || want == "" && fix != "" {
			t.Errorf("%q: %q, %q, want %q", key, message, fix, want)
		}
	}
}

func TestUnknownTablesGetAHint(t *testing.T) {
	for key, want := range map[string]string{
		"Interface": "[interface]", "Peer": "[[peer]]", "peers": "[[peer]]", "fwd": "", "forwards": "[forward]", "loging": "", "logs": "[log]",
		"stak": "[stack]", "policy": "", "dnss": "[dns]", "service": "", "expose": "",
	} {
		_, fix := unknownTable(key, map[string]any{})
		if want == "" && fix != "" || want != "" && fix != "did you mean "+want+"?" {
			t.Errorf("[%s]: %q, want %q", key, fix, want)
		}
	}
	for key, want := range map[string]string{
		"mtu": "mtu is a key of [interface]", "MTU": "mtu is a key of [interface]", "levl": "did you mean level in [log]?",
		"postup": "vpngw runs no commands; remove it", "zzzzzz": "",
	} {
		if _, fix := unknownTable(key, "x"); fix != want {
			t.Errorf("%s: %q, want %q", key, fix, want)
		}
	}
}
