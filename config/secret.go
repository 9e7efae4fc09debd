package config

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// hidden stands wherever a secret would otherwise be printed.
const hidden = "(hidden)"

// secret holds key material. The bytes are behind two pointers because fmt calls no methods on
// unexported fields, and follows one pointer where a verb does not suit: so a print of a struct
// around a secret shows an address, not the key. The function array makes == a compile error; it
// would compare those addresses.
type secret struct {
	_ [0]func()
	b **[keyLen]byte
}

func newSecret(k [keyLen]byte) secret {
	p := &k
	return secret{b: &p}
}

// bytes returns the key, which must be there.
func (s secret) bytes() []byte { return (*s.b)[:] }

// IsZero reports whether there is no key.
func (s secret) IsZero() bool { return s.b == nil }

// RevealBase64 returns the key itself as wg(8) writes it, or "" if there is none. The name is what
// to search for when auditing where secrets go.
func (s secret) RevealBase64() string {
	if s.b == nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(s.bytes())
}

// RevealHex returns the key itself in the form of WireGuard's configuration protocol; 64 zeros,
// which that protocol reads as none, if there is none.
func (s secret) RevealHex() string {
	if s.b == nil {
		return hex.EncodeToString(make([]byte, keyLen))
	}
	return hex.EncodeToString(s.bytes())
}

// String returns "(hidden)", or "" if there is no key.
func (s secret) String() string {
	if s.b == nil {
		return ""
	}
	return hidden
}

// Format answers every verb of package fmt with what String returns.
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is what package log/slog prints.
func (s secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is what encoders of JSON, TOML and XML write.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s secret) equal(o secret) bool {
	if s.b == nil || o.b == nil {
		return s.b == o.b
	}
	return subtle.ConstantTimeCompare(s.bytes(), o.bytes()) == 1
}
