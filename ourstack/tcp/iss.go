package tcp

import (
	"crypto/sha256"
	"encoding/binary"

	"vpngw/ourstack/seqnum"
)

// ISS returns an initial send sequence number: "ISN = M + F(localip, localport,
// remoteip, remoteport, secretkey)" (RFC 6528 §3, RFC 9293 §3.4.1: MUST-8, SHLD-1,
// MUST-9). M is a clock of 4 µs ticks, F a keyed SHA-256.
func ISS(secret *[32]byte, t Tuple, now Instant) seqnum.Value {
	return seqnum.Value(uint32(uint64(now)/4000) + tupleHash(secret, t, 'i'))
}

// TSOffset returns the offset of the timestamp clock for a tuple (RFC 7323 §7.1).
// It is the same for all connections of the tuple, so that PAWS and TIME-WAIT
// reuse work across them.
func TSOffset(secret *[32]byte, t Tuple) uint32 { return tupleHash(secret, t, 't') }

func tupleHash(secret *[32]byte, t Tuple, use byte) uint32 {
	var b [45]byte
	copy(b[:], secret[:])
	copy(b[32:], t.Local.Addr[:])
	copy(b[36:], t.Remote.Addr[:])
	binary.BigEndian.PutUint16(b[40:], t.Local.Port)
	binary.BigEndian.PutUint16(b[42:], t.Remote.Port)
	b[44] = use
	sum := sha256.Sum256(b[:])
	return binary.BigEndian.Uint32(sum[:])
}
