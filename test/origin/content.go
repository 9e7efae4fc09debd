package origin

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
)

// Content returns size bytes that follow from seed and look random, so that no two parts are equal.
func Content(seed, size uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return io.LimitReader(rand.NewChaCha8(key), int64(size))
}

// Digest is how the services report a stream: its length and its SHA-256 in hex.
type Digest struct {
	Bytes int64
	Sum   string
}

// String is what goes over the wire.
func (d Digest) String() string { return fmt.Sprintf("%d %s", d.Bytes, d.Sum) }

// DigestOf reads r to its end.
func DigestOf(r io.Reader) (Digest, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return Digest{Bytes: n, Sum: hex.EncodeToString(h.Sum(nil))}, err
}
