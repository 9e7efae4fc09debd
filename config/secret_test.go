package config

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// hoarder keeps secrets where methods are not called: in unexported fields.
type hoarder struct {
	private PrivateKey
	peers   []Peer
	cfg     Config
	byName  map[string]PresharedKey
	any     any
}

// TestSecretsAreNeverPrinted prints a secret in every way the standard library has, and looks for it
// in every form it could have.
func TestSecretsAreNeverPrinted(t *testing.T) {
	key, err := ParsePrivateKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	psk, err := ParsePresharedKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Interface.PrivateKey = key
	c.Peers = []Peer{{Name: "laptop", PresharedKey: psk, PrivateKey: key}}
	values := map[string]any{
		"private key": key, "pointer": &key, "preshared key": psk, "list": []PrivateKey{key},
		"map": map[string]PresharedKey{"a": psk}, "config": c, "peer": c.Peers[0],
		"hoarder":            hoarder{key, c.Peers, *c, map[string]PresharedKey{"a": psk}, psk},
		"pointer to hoarder": &hoarder{private: key, any: &psk},
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{
				"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%#x", "%d", "%o",
				"%b", "%c", "%U", "%t", "%e", "%p", "%T", "%100.3s", "%-5x", "%y",
			} {
				noSecret(t, verb, fmt.Sprintf(verb, v))
			}
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("m", "k", v, slog.Group("g", "k", v))
			slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "k", v, slog.Group("g", "k", v))
			slog.New(slog.NewTextHandler(&b, nil)).Info(fmt.Sprint(v))
			noSecret(t, "log/slog", b.String())
			if text, err := json.Marshal(v); err == nil {
				noSecret(t, "encoding/json", string(text))
			}
			if text, err := xml.Marshal(v); err == nil {
				noSecret(t, "encoding/xml", string(text))
			}
			if text, err := toml.Marshal(v); err == nil {
				noSecret(t, "toml", string(text))
			}
		})
	}
}

func noSecret(t *testing.T, how, text string) {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(testKey)
	if err != nil {
		t.Fatal(err)
	}
	// The middle of the key: clamping changes both ends.
	middle := raw[1:31]
	for form, s := range map[string]string{
		"base64":  testKey[4:40],
		"bytes":   string(middle),
		"hex":     hex.EncodeToString(middle),
		"HEX":     strings.ToUpper(hex.EncodeToString(middle)),
		"% x":     fmt.Sprintf("% x", middle),
		"decimal": strings.Trim(fmt.Sprint(middle), "[]"),
		"list":    strings.ReplaceAll(strings.Trim(fmt.Sprint(middle), "[]"), " ", ","),
		"Go":      strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", middle), "[]byte{"), "}"),
	} {
		if strings.Contains(text, s) {
			t.Errorf("%s shows the key as %s: %s", how, form, text)
		}
	}
}

func TestSecretsSayThatTheyAreThere(t *testing.T) {
	key, err := ParsePrivateKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"set": key, "none": PrivateKey{}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), `{"none":"","set":"(hidden)"}`; got != want {
		t.Errorf("JSON %s, want %s", got, want)
	}
	if got := fmt.Sprintf("%s|%s", key, PresharedKey{}); got != "(hidden)|" {
		t.Errorf("text %q", got)
	}
}
