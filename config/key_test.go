package config

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPublicKeyOfRFC7748(t *testing.T) {
	// RFC 7748 §6.1. The private keys there are not clamped; the public keys must not differ for it.
	for _, v := range []struct{ name, private, public string }{
		{"Alice", "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=", "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="},
		{"Bob", "XasIfmJKikt54X+Lg4AO5m87sSkmGLb9HC+LJ/+I4Os=", "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="},
	} {
		k, err := ParsePrivateKey(v.private)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if got := k.Public().String(); got != v.public {
			t.Errorf("%s: public key %s, want %s", v.name, got, v.public)
		}
	}
}

func TestPrivateKeysAreClamped(t *testing.T) {
	ones := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, keyLen))
	parsed, err := ParsePrivateKey(ones)
	if err != nil {
		t.Fatal(err)
	}
	made, err := GeneratePrivateKey(bytes.NewReader(bytes.Repeat([]byte{0xff}, keyLen)))
	if err != nil {
		t.Fatal(err)
	}
	want := "f8" + strings.Repeat("ff", 30) + "7f"
	for name, k := range map[string]PrivateKey{"parsed": parsed, "made": made} {
		if got := k.RevealHex(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	psk, err := ParsePresharedKey(ones)
	if err != nil {
		t.Fatal(err)
	}
	if got := psk.RevealBase64(); got != ones {
		t.Errorf("a preshared key changed from %s to %s", ones, got)
	}
}

func TestKeysSurviveTheirText(t *testing.T) {
	private, err := GeneratePrivateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParsePrivateKey(private.RevealBase64()); err != nil || !again.Equal(private) {
		t.Errorf("private key: %v, %v", again, err)
	}
	if again, err := ParsePublicKey(private.Public().String()); err != nil || again != private.Public() {
		t.Errorf("public key: %v, %v", again, err)
	}
	psk, err := GeneratePresharedKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParsePresharedKey(psk.RevealBase64()); err != nil || !again.Equal(psk) {
		t.Errorf("preshared key: %v, %v", again, err)
	}
}

func TestMalformedKeys(t *testing.T) {
	good := testKey
	for name, s := range map[string]string{
		"empty":                  "",
		"short":                  good[:40],
		"no padding":             strings.TrimSuffix(good, "="),
		"long":                   good + good,
		"other characters":       "!" + good[1:],
		"line break inside":      good[:20] + "\n" + good[21:],
		"stray bits at the end":  good[:42] + "p=",
		"hexadecimal":            strings.Repeat("ab", 32),
		"URL alphabet":           "-" + good[1:],
		"space in front":         " " + good[:43],
		"thirty-one bytes":       base64.StdEncoding.EncodeToString(make([]byte, 31)),
		"all zeros":              base64.StdEncoding.EncodeToString(make([]byte, 32)),
		"two padding characters": good[:42] + "==",
	} {
		t.Run(name, func(t *testing.T) {
			want := errKeyFormat
			if name == "all zeros" {
				want = errKeyZero
			}
			if k, err := ParsePublicKey(s); !errors.Is(err, want) || !k.IsZero() {
				t.Errorf("ParsePublicKey: %v, %v", k, err)
			}
			if k, err := ParsePrivateKey(s); !errors.Is(err, want) || !k.IsZero() {
				t.Errorf("ParsePrivateKey: %v, %v", k, err)
			}
			if k, err := ParsePresharedKey(s); !errors.Is(err, want) || !k.IsZero() {
				t.Errorf("ParsePresharedKey: %v, %v", k, err)
			}
		})
	}
}

func TestGenerateNeedsRandomness(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"source ends early": strings.NewReader("too short"),
		"source is zeros":   bytes.NewReader(make([]byte, keyLen)),
	} {
		if k, err := GeneratePrivateKey(r); err == nil || !k.IsZero() {
			t.Errorf("%s: private key %v, error %v", name, k, err)
		}
	}
	if k, err := GeneratePresharedKey(strings.NewReader("too short")); err == nil || !k.IsZero() {
		t.Errorf("preshared key %v, error %v", k, err)
	}
}

func TestNoKey(t *testing.T) {
	var (
		private PrivateKey
		psk     PresharedKey
		public  PublicKey
	)
	if !private.IsZero() || !psk.IsZero() || !public.IsZero() || !private.Public().IsZero() {
		t.Error("a zero value is a key")
	}
	if private.RevealBase64() != "" || private.String() != "" || public.String() != "" {
		t.Error("a zero value prints something")
	}
	// The configuration protocol reads 64 zeros as "none".
	if got := psk.RevealHex(); got != strings.Repeat("0", 64) {
		t.Errorf("hex of no key: %q", got)
	}
	other, _ := ParsePrivateKey(testKey)
	if private.Equal(other) || other.Equal(private) || !private.Equal(PrivateKey{}) {
		t.Error("Equal is wrong about no key")
	}
}
