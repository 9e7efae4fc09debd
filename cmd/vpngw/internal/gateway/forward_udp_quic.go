package gateway

import (
	"encoding/binary"
	"net/netip"
)

// QUIC must not be fragmented (RFC 9000 §14), and finds the size of its packets by sending larger ones until
// one is lost. That a server has set DF no socket tells; if we cut what is too large for the tunnel, each of
// its packets would be two from then on. So what comes from where the client speaks QUIC with goes on with DF.

// quicVersions are versions 1 (RFC 9000 §15) and 2 (RFC 9369 §3.1).
const quicVersion1, quicVersion2 = 0x00000001, 0x6b3343cf

// beginsQUIC reports whether a datagram of a client is as the first one of a QUIC connection must be: it begins
// with a long header of a version that is known, and has at least 1200 bytes (RFC 9000 §14.1, §17.2).
func beginsQUIC(p []byte) bool {
	const form, fixed, sizeMin = 0x80, 0x40, 1200
	if len(p) < sizeMin || p[0]&(form|fixed) != form|fixed {
		return false
	}
	version := binary.BigEndian.Uint32(p[1:])
	return version == quicVersion1 || version == quicVersion2
}

// quicOf is under what the contacts of a client have those that it speaks QUIC with, beside under what they
// are: no datagram is sent to an IPv4 address in the form of an IPv6 address.
func quicOf(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
}

// contactQUIC remembers that the client speaks QUIC with dst.
func (m *udpMapping) contactQUIC(dst netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contacts.add(quicOf(dst))
}
