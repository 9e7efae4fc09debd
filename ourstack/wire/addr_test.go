package wire

import (
	"net/netip"
	"testing"
)

func TestAddrFrom(t *testing.T) {
	tests := []struct {
		in   string
		want string
		ok   bool
	}{
		{"10.8.0.1", "10.8.0.1", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"255.255.255.255", "255.255.255.255", true},
		{"::ffff:192.0.2.7", "192.0.2.7", true},
		{"::", "0.0.0.0", false},
		{"fd00::1", "0.0.0.0", false},
	}
	for _, tt := range tests {
		got, ok := AddrFrom(netip.MustParseAddr(tt.in))
		if ok != tt.ok || got.String() != tt.want {
			t.Errorf("AddrFrom(%s) = %v, %v", tt.in, got, ok)
		}
		if ok && got.Netip() != netip.MustParseAddr(tt.want) {
			t.Errorf("%s: Netip() = %v", tt.in, got.Netip())
		}
	}
	if _, ok := AddrFrom(netip.Addr{}); ok {
		t.Error("the zero netip.Addr is taken as IPv4")
	}
}

func TestAddrClasses(t *testing.T) {
	const (
		unspecified = 1 << iota
		zeroNet
		loopback
		linkLocal
		multicast
		classE
		broadcast
	)
	tests := []struct {
		addr string
		want int
	}{
		{"0.0.0.0", unspecified | zeroNet},
		{"0.0.0.1", zeroNet},
		{"1.0.0.0", 0},
		{"10.0.0.1", 0},
		{"126.255.255.255", 0},
		{"127.0.0.1", loopback},
		{"127.255.255.255", loopback},
		{"128.0.0.0", 0},
		{"169.253.255.255", 0},
		{"169.254.0.0", linkLocal},
		{"169.254.169.254", linkLocal},
		{"169.255.0.0", 0},
		{"223.255.255.255", 0},
		{"224.0.0.1", multicast},
		{"239.255.255.255", multicast},
		{"240.0.0.0", classE},
		{"255.255.255.254", classE},
		{"255.255.255.255", classE | broadcast},
	}
	for _, tt := range tests {
		a := addr(tt.addr)
		got := 0
		for i, is := range []bool{
			a.IsUnspecified(), a.IsZeroNet(), a.IsLoopback(), a.IsLinkLocal(), a.IsMulticast(),
			a.IsClassE(), a.IsBroadcast(),
		} {
			if is {
				got |= 1 << i
			}
		}
		if got != tt.want {
			t.Errorf("%s: classes %07b, want %07b", tt.addr, got, tt.want)
		}
	}
}

// addr returns a literal address.
func addr(s string) Addr {
	a, ok := AddrFrom(netip.MustParseAddr(s))
	if !ok {
		panic("not an IPv4 address: " + s)
	}
	return a
}
