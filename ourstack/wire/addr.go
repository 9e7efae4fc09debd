package wire

import "net/netip"

// Addr is an IPv4 address in network order. It is comparable and the zero value is 0.0.0.0.
type Addr [4]byte

// AddrFrom returns a as an IPv4 address. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are taken
// as the IPv4 address they hold; ok is false for every other IPv6 address and for the zero Addr.
func AddrFrom(a netip.Addr) (addr Addr, ok bool) {
	if !a.Is4() && !a.Is4In6() {
		return Addr{}, false
	}
	return a.As4(), true
}

// Netip returns a in the form the net packages use.
func (a Addr) Netip() netip.Addr { return netip.AddrFrom4(a) }

// String returns the dotted decimal form. It allocates: for logs and tests.
func (a Addr) String() string { return string(appendAddr(nil, a)) }

// IsUnspecified reports 0.0.0.0.
func (a Addr) IsUnspecified() bool { return a == Addr{} }

// IsZeroNet reports "this network", 0.0.0.0/8 (RFC 1122 §3.2.1.3 a and b).
func (a Addr) IsZeroNet() bool { return a[0] == 0 }

// IsLoopback reports 127.0.0.0/8 (RFC 1122 §3.2.1.3 g).
func (a Addr) IsLoopback() bool { return a[0] == 127 }

// IsLinkLocal reports 169.254.0.0/16 (RFC 3927).
func (a Addr) IsLinkLocal() bool { return a[0] == 169 && a[1] == 254 }

// IsMulticast reports class D, 224.0.0.0/4 (RFC 1112 §4).
func (a Addr) IsMulticast() bool { return a[0]&0xF0 == 0xE0 }

// IsClassE reports the reserved 240.0.0.0/4 (RFC 1112 §4), which includes 255.255.255.255.
func (a Addr) IsClassE() bool { return a[0]&0xF0 == 0xF0 }

// IsBroadcast reports the limited broadcast address 255.255.255.255. Directed broadcasts depend
// on a prefix and are for the caller to know.
func (a Addr) IsBroadcast() bool { return a == Addr{255, 255, 255, 255} }
