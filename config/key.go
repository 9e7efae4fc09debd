package config

import (
	"crypto/ecdh"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
)

// keyLen is the size of every WireGuard key in bytes.
const keyLen = 32

var (
	errKeyFormat = errors.New("not a WireGuard key: 32 bytes in base64, 44 characters ending in \"=\"")
	errKeyZero   = errors.New("the key is all zeros")
)

// PublicKey is a Curve25519 public key. It is comparable; the zero value means none.
type PublicKey [keyLen]byte

// ParsePublicKey reads the base64 form that wg(8) prints.
func ParsePublicKey(s string) (PublicKey, error) {
	k, err := parseKey(s)
	return PublicKey(k), err
}

// IsZero reports whether there is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// String returns the base64 form, or "" if there is no key.
func (k PublicKey) String() string {
	if k.IsZero() {
		return ""
	}
	return base64.StdEncoding.EncodeToString(k[:])
}

// Hex returns the form of WireGuard's configuration protocol.
func (k PublicKey) Hex() string { return hex.EncodeToString(k[:]) }

// MarshalText returns what String does.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// PrivateKey is a clamped Curve25519 private key. The zero value means none. Whatever prints,
// formats, logs or encodes it shows "(hidden)"; see [PrivateKey.RevealBase64].
type PrivateKey struct{ secret }

// PresharedKey is a symmetric key of one peer. The zero value means none. Whatever prints,
// formats, logs or encodes it shows "(hidden)"; see [PresharedKey.RevealBase64].
type PresharedKey struct{ secret }

// GeneratePrivateKey makes a private key from random, which is crypto/rand.Reader except in tests.
func GeneratePrivateKey(random io.Reader) (PrivateKey, error) {
	k, err := randomKey(random)
	if err != nil {
		return PrivateKey{}, err
	}
	return newPrivateKey(k), nil
}

// ParsePrivateKey reads the base64 form that wg(8) prints, and clamps it (RFC 7748 §5).
func ParsePrivateKey(s string) (PrivateKey, error) {
	k, err := parseKey(s)
	if err != nil {
		return PrivateKey{}, err
	}
	return newPrivateKey(k), nil
}

// Public returns the public key that belongs to k, or no key if k is none.
func (k PrivateKey) Public() PublicKey {
	if k.IsZero() {
		return PublicKey{}
	}
	priv, err := ecdh.X25519().NewPrivateKey(k.bytes())
	if err != nil {
		return PublicKey{} // not reached: every 32 bytes are a private key
	}
	return PublicKey(priv.PublicKey().Bytes())
}

// Equal reports whether the two keys are the same, without a data-dependent time.
func (k PrivateKey) Equal(other PrivateKey) bool { return k.equal(other.secret) }

// GeneratePresharedKey makes a preshared key from random, which is crypto/rand.Reader except in
// tests.
func GeneratePresharedKey(random io.Reader) (PresharedKey, error) {
	k, err := randomKey(random)
	if err != nil {
		return PresharedKey{}, err
	}
	return PresharedKey{newSecret(k)}, nil
}

// ParsePresharedKey reads the base64 form that wg(8) prints.
func ParsePresharedKey(s string) (PresharedKey, error) {
	k, err := parseKey(s)
	if err != nil {
		return PresharedKey{}, err
	}
	return PresharedKey{newSecret(k)}, nil
}

// Equal reports whether the two keys are the same, without a data-dependent time.
func (k PresharedKey) Equal(other PresharedKey) bool { return k.equal(other.secret) }

// newPrivateKey clamps k. RFC 7748 §5: "set the three least significant bits of the first byte and
// the most significant bit of the last to zero, set the second most significant bit of the last
// byte to 1".
func newPrivateKey(k [keyLen]byte) PrivateKey {
	k[0] &= 248
	k[31] = k[31]&127 | 64
	return PrivateKey{newSecret(k)}
}

// parseKey decodes exactly the canonical base64 of 32 bytes, not all of them zero.
func parseKey(s string) (k [keyLen]byte, err error) {
	if len(s) != base64.StdEncoding.EncodedLen(keyLen) {
		return k, errKeyFormat
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != keyLen {
		return k, errKeyFormat
	}
	copy(k[:], b)
	if k == [keyLen]byte{} {
		return k, errKeyZero
	}
	return k, nil
}

func randomKey(random io.Reader) (k [keyLen]byte, err error) {
	if _, err = io.ReadFull(random, k[:]); err == nil && k == [keyLen]byte{} {
		err = errKeyZero
	}
	return k, err
}
