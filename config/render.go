package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// peerFileSuffix is what the names of peer files end with.
const peerFileSuffix = ".toml"

// renderPeer returns the file of a peer. It holds the peer's secrets.
func renderPeer(p *Peer) (string, error) {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	b.WriteString("# One peer of a vpngw gateway; conf.example.toml documents every key.\n\n")
	line("name", quote(p.Name))
	line("public_key", quote(p.PublicKey.String()))
	for _, s := range []struct{ key, value, file string }{
		{"preshared_key", p.PresharedKey.RevealBase64(), p.PresharedKeyFile},
		{"private_key", p.PrivateKey.RevealBase64(), p.PrivateKeyFile},
	} {
		switch {
		case s.file != "":
			path, err := filepath.Abs(s.file)
			if err != nil {
				return "", err
			}
			line(s.key+"_file", quote(path))
		case s.value != "" && s.key == "private_key":
			b.WriteString("# The client's own key, kept so that its config can be shown again.\n")
			line(s.key, quote(s.value))
		case s.value != "":
			line(s.key, quote(s.value))
		}
	}
	line("allowed_ips", quoteAll(p.AllowedIPs))
	if p.PersistentKeepalive != 0 {
		line("persistent_keepalive", fmt.Sprint(p.PersistentKeepalive))
	}
	if p.MTU != 0 {
		line("mtu", fmt.Sprint(p.MTU))
	}
	if len(p.Groups) > 0 {
		words := make([]string, len(p.Groups))
		for i, g := range p.Groups {
			words[i] = quote(g)
		}
		line("groups", "["+strings.Join(words, ", ")+"]")
	}
	return b.String(), nil
}

// renderState returns the configuration file of a state directory: what differs from one gateway
// to the next, and the rest by default.
func renderState(c *Config) string {
	in := &c.Interface
	var b strings.Builder
	b.WriteString("# Made by \"vpngw up\", yours to change: vpngw never writes this file again.\n" +
		"# Keys that are not here have the defaults that conf.example.toml documents.\n\n[interface]\n")
	fmt.Fprintf(&b, "private_key_file = %s\n", quote(stateKeyFile))
	fmt.Fprintf(&b, "listen_port      = %d\n", in.ListenPort)
	fmt.Fprintf(&b, "address          = %s\n", quote(in.Address.String()))
	fmt.Fprintf(&b, "mtu              = %d\n", in.MTU)
	fmt.Fprintf(&b, "endpoint         = %-21s # what clients are told: the public \"host:port\"\n",
		quote(in.Endpoint))
	fmt.Fprintf(&b, "peers_dir        = %-21s # one file per peer: vpngw peer add NAME\n", quote(statePeersDir))
	fmt.Fprintf(&b, "client_dns       = %s\n", quoteAll(in.ClientDNS))
	fmt.Fprintf(&b, "\n[admin]\nsocket = %s\n", quote(c.Admin.Socket))
	return b.String()
}

// quote returns s as a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// quoteAll returns a TOML list of strings.
func quoteAll[T fmt.Stringer](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = quote(item.String())
	}
	return "[" + strings.Join(words, ", ") + "]"
}
