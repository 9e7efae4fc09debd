package ourstack

import (
	"fmt"
	"net/netip"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// DefaultMTU is the MTU when Config.MTU is zero, in bytes: a WireGuard tunnel over IPv6 in
// Ethernet frames.
const DefaultMTU = 1420

// Config says what a Stack is. It is copied by New and cannot change afterwards.
type Config struct {
	// Addresses are the stack's own addresses. IPv6 addresses are ignored. Without an IPv4
	// address the stack can forward but neither dial, listen nor send ICMP errors. The first
	// is the source of active opens and of ICMP errors about forwarded packets.
	Addresses []netip.Addr

	// MTU is the largest packet in bytes that Output produces, 128 to 65535. Zero means DefaultMTU.
	// Larger packets are still accepted by Input.
	MTU int

	// Seed is the source of all randomness: initial sequence numbers (RFC 6528), ports (RFC 6056),
	// SYN cookies, timestamp offsets, IDs. It must be secret and different in each run. Tests
	// pass the same seed for the same behaviour.
	Seed [32]byte

	// TCP is what new connections start from. MTU and Memory are set by the stack.
	TCP tcp.Config

	// Limits bounds memory and tables.
	Limits Limits

	// Wake is called when Output has something again after it returned 0, and when NextDeadline
	// moved to an earlier time. It is called without locks held, from whatever goroutine
	// caused it, perhaps from several at once, and must not block. Nil means that the caller polls.
	Wake func()

	// Tracer sees every packet; may be nil.
	Tracer Tracer
}

// validate checks c and returns the own IPv4 addresses.
func (c *Config) validate() ([]wire.Addr, error) {
	if c.MTU < minMTU || c.MTU > wire.IPv4MaxLen {
		return nil, fmt.Errorf("ourstack: MTU %d is not within %d–%d", c.MTU, minMTU, wire.IPv4MaxLen)
	}
	if !tcp.ParseCongestionControl(c.TCP.CongestionControl) {
		return nil, fmt.Errorf("ourstack: unknown congestion control %q", c.TCP.CongestionControl)
	}
	var own []wire.Addr
	for _, a := range c.Addresses {
		w, ok := wire.AddrFrom(a)
		if !ok {
			continue
		}
		if !isUnicast(w) {
			return nil, fmt.Errorf("ourstack: %v is not a unicast address", a)
		}
		own = append(own, w)
	}
	return own, nil
}
