package ourstack

import (
	"fmt"
	"net/netip"
	"slices"

	"vpngw/ourstack/wire"
)

// mtuTable says which remote addresses take less than the MTU of the stack. It is not changed once it
// is in use.
type mtuTable struct {
	bits []int // prefix lengths, long ones first
	mtu  map[mtuKey]int
}

// mtuKey is a prefix, without the host's bits.
type mtuKey struct {
	addr wire.Addr
	bits int
}

// SetMTUs says which networks lie behind links with an MTU, in bytes, below that of the stack; the longest
// prefix that contains an address decides. It replaces what was said before; IPv6 prefixes are ignored.
// Datagrams and relayed packets follow at once, TCP with the next connection after those that are open
// to the same address have ended: they know their peer's MSS.
func (s *Stack) SetMTUs(mtus map[netip.Prefix]int) error {
	t := &mtuTable{mtu: map[mtuKey]int{}}
	for p, mtu := range mtus {
		addr, ok := wire.AddrFrom(p.Masked().Addr())
		if !ok {
			continue
		}
		if mtu < minMTU || mtu > wire.IPv4MaxLen {
			return fmt.Errorf("ourstack: MTU %d of %v is not within %d–%d", mtu, p, minMTU, wire.IPv4MaxLen)
		}
		t.mtu[mtuKey{addr, p.Bits()}] = mtu
		if !slices.Contains(t.bits, p.Bits()) {
			t.bits = append(t.bits, p.Bits())
		}
	}
	slices.Sort(t.bits)
	slices.Reverse(t.bits)
	s.mtus.Store(t)
	s.forgetIdle()
	return nil
}

// forgetIdle gives up what is kept of remote addresses only for the next datagram to them.
func (s *Stack) forgetIdle() {
	s.echoes.forgetIdle()
	s.relayed.forgetIdle()
	for _, u := range s.udp.all() {
		u.out.forgetIdle()
	}
	for _, p := range s.pings.all() {
		p.out.forgetIdle()
	}
}

// mtuTo is the largest packet, in bytes, that may be sent to dst.
func (s *Stack) mtuTo(dst wire.Addr) int {
	t := s.mtus.Load()
	if t == nil {
		return s.cfg.MTU
	}
	for _, bits := range t.bits {
		if mtu, ok := t.mtu[mtuKey{masked(dst, bits), bits}]; ok {
			return min(mtu, s.cfg.MTU)
		}
	}
	return s.cfg.MTU
}

// masked is a without the bits behind the first ones.
func masked(a wire.Addr, bits int) wire.Addr {
	for i := range a {
		switch keep := bits - 8*i; {
		case keep <= 0:
			a[i] = 0
		case keep < 8:
			a[i] &= 0xFF << (8 - keep)
		}
	}
	return a
}
