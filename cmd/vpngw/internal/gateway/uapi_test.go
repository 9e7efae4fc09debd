package gateway

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vpngw/config"
)

func prefixes(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func TestChangePeerWritesOnlyTheDifference(t *testing.T) {
	psk, err := config.GeneratePresharedKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	was := &config.Peer{PublicKey: config.PublicKey{1}, AllowedIPs: prefixes("10.8.0.2/32", "10.9.0.0/16")}
	head := "public_key=" + was.PublicKey.Hex() + "\nupdate_only=true\n"
	for _, c := range []struct {
		name   string
		change func(*config.Peer)
		want   string
	}{
		{"name only", func(p *config.Peer) { p.Name = "new" }, ""},
		{"keepalive", func(p *config.Peer) { p.PersistentKeepalive = 25 }, "persistent_keepalive_interval=25\n"},
		{"preshared key", func(p *config.Peer) { p.PresharedKey = psk }, "preshared_key=" + psk.RevealHex() + "\n"},
		{
			"addresses", func(p *config.Peer) { p.AllowedIPs = prefixes("10.8.0.2/32", "10.10.1.1/16") },
			"allowed_ip=-10.9.0.0/16\nallowed_ip=10.10.0.0/16\n",
		},
	} {
		is := *was
		c.change(&is)
		var w uapiWriter
		w.changePeer(was, &is)
		if w.String() != head+c.want {
			t.Errorf("%s: wrote\n%swant\n%s", c.name, w.String(), head+c.want)
		}
	}
}

func TestAddAndRemovePeer(t *testing.T) {
	p := &config.Peer{PublicKey: config.PublicKey{2}, AllowedIPs: prefixes("10.8.0.9/24"), PersistentKeepalive: 7}
	var w uapiWriter
	w.addPeer(p)
	w.removePeer(p.PublicKey)
	key := "public_key=02" + strings.Repeat("00", 31) + "\n"
	want := key + "preshared_key=" + strings.Repeat("00", 32) +
		"\npersistent_keepalive_interval=7\nreplace_allowed_ips=true\nallowed_ip=10.8.0.0/24\n" + key + "remove=true\n"
	if w.String() != want {
		t.Errorf("wrote\n%swant\n%s", w.String(), want)
	}
}

func TestParseDeviceState(t *testing.T) {
	a, b := config.PublicKey{0xa}, config.PublicKey{0xb}
	text := "private_key=" + strings.Repeat("11", 32) + "\nlisten_port=51820\n" +
		"public_key=" + a.Hex() + "\npreshared_key=" + strings.Repeat("22", 32) + "\nprotocol_version=1\n" +
		"endpoint=198.51.100.7:1234\nlast_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\n" +
		"tx_bytes=10\nrx_bytes=18446744073709551615\nallowed_ip=10.8.0.2/32\nsomething_new=1\n" +
		"public_key=" + b.Hex() + "\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
	s, err := parseDeviceState([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if s.listenPort != 51820 || len(s.peers) != 2 {
		t.Fatalf("%+v", s)
	}
	want := devicePeer{endpoint: "198.51.100.7:1234", lastHandshake: time.Unix(1700000000, 5), rx: 1<<64 - 1, tx: 10}
	if *s.peers[a] != want {
		t.Errorf("peer a: %+v", *s.peers[a])
	}
	if !s.peers[b].lastHandshake.IsZero() {
		t.Error("a peer that was never heard from has no handshake time")
	}
	for _, bad := range []string{"public_key=zz", "listen_port=x", "public_key=" + a.Hex() + "\nrx_bytes=-1"} {
		if _, err := parseDeviceState([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestLogShowsNoKeys(t *testing.T) {
	k, err := config.GeneratePrivateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	log := deviceLogger(textLog(&out))
	log.Errorf("failed to parse line %q", "private_key="+k.RevealHex())
	log.Errorf("peer %s", k.RevealBase64())
	log.Verbosef("peer(%s…%s) - Handshake", "abcd", "wxyz")
	for _, secret := range []string{k.RevealHex(), k.RevealBase64()} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("a key is in the log:\n%s", out.String())
		}
	}
	if !strings.Contains(out.String(), "wxyz") || strings.Count(out.String(), "(key)") != 2 {
		t.Errorf("log:\n%s", out.String())
	}
}
