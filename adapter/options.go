package adapter

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"time"

	"vpngw/ourstack"
	"vpngw/ourstack/tcp"
)

// defaultName is the name of a device whose Options give none.
const defaultName = "vpngw"

// Limits bounds memory, tables and rates of the stack; its fields say what their defaults are.
type Limits = ourstack.Limits

// Tracer sees every packet in and out.
type Tracer = ourstack.Tracer

// Options says what a Net is. The zero value of every field means its default;
// Addresses alone is enough. It is copied by New and cannot change afterwards.
type Options struct {
	// Addresses are the Net's own addresses. The first IPv4 address is the source of
	// dialed connections. IPv6 addresses are accepted and unused: the path is IPv4.
	Addresses []netip.Addr

	// DNS are the servers that LookupHost asks, in this order, through the tunnel.
	DNS []netip.Addr

	// MTU is that of the tunnel in bytes, IP header included, 128–65535. Default 1420.
	MTU int

	// Name is what Device().Name() returns. Default "vpngw".
	Name string

	// ReadBuffer and WriteBuffer bound the receive and the send buffer of one TCP
	// connection, in bytes. Within them buffers grow and shrink by themselves.
	// Default 16 MiB each.
	ReadBuffer, WriteBuffer int

	// CongestionControl is "cubic" (the default), "newreno" or "bbr".
	CongestionControl string

	// KeepAlive is the keep-alive setting of new TCP connections, with the meaning
	// that it has in net.Dialer: off unless Enable is set; then Idle and Interval
	// are 15 s and Count is 9 where they are 0, and the system's where negative
	// (here: 2 h, 75 s and 9, RFC 9293 §3.8.4).
	KeepAlive net.KeepAliveConfig

	// UserTimeout is how long sent data may stay unacknowledged before a TCP
	// connection fails with ETIMEDOUT (RFC 9293 §3.8.3). Default 15 min.
	UserTimeout time.Duration

	// DialTimeout is how long a dialed TCP connection may stay unanswered before it
	// fails with ETIMEDOUT, whatever its context allows. Default 3 min (RFC 9293
	// §3.8.3, MUST-23).
	DialTimeout time.Duration

	// ECN asks for and accepts explicit congestion notification (RFC 3168).
	ECN bool

	// Limits bounds memory, tables and rates of the stack.
	Limits Limits

	// Tracer sees every packet in and out, for captures; may be nil.
	Tracer Tracer
}

// stackConfig translates o for the stack. wake is the stack's call-back.
func (o *Options) stackConfig(wake func()) (ourstack.Config, error) {
	if o.UserTimeout < 0 || o.DialTimeout < 0 {
		return ourstack.Config{}, fmt.Errorf("adapter: negative time-out")
	}
	if o.ReadBuffer < 0 || o.WriteBuffer < 0 {
		return ourstack.Config{}, fmt.Errorf("adapter: negative buffer size")
	}
	for _, a := range o.Addresses {
		if !a.IsValid() {
			return ourstack.Config{}, fmt.Errorf("adapter: invalid address in Options.Addresses")
		}
	}
	for _, a := range o.DNS {
		if !a.IsValid() {
			return ourstack.Config{}, fmt.Errorf("adapter: invalid address in Options.DNS")
		}
	}
	cfg := ourstack.Config{
		Addresses: unmapAll(o.Addresses),
		MTU:       o.MTU,
		Limits:    o.Limits,
		Tracer:    o.Tracer,
		Wake:      wake,
		TCP: tcp.Config{
			RcvBufMax:         o.ReadBuffer,
			SndBufMax:         o.WriteBuffer,
			CongestionControl: o.CongestionControl,
			NoDelay:           true, // as package net does
			KeepAlive:         mergeKeepAlive(tcp.KeepAliveConfig{}, o.KeepAlive),
			UserTimeout:       tcp.Duration(o.UserTimeout),
			SynTimeout:        tcp.Duration(o.DialTimeout),
			ECN:               o.ECN,
		},
	}
	if cfg.MTU == 0 {
		cfg.MTU = ourstack.DefaultMTU
	}
	_, _ = rand.Read(cfg.Seed[:]) // never fails (crypto/rand)
	return cfg, nil
}

// unmapAll returns addrs with IPv4-mapped IPv6 addresses as IPv4.
func unmapAll(addrs []netip.Addr) []netip.Addr {
	list := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		list[i] = a.Unmap()
	}
	return list
}

// Defaults of net.KeepAliveConfig, see there.
const (
	keepAlivePeriod = 15 * tcp.Second
	keepAliveCount  = 9
)

// mergeKeepAlive applies a net.KeepAliveConfig to what is in force: 0 is the
// default of package net, a negative value leaves the setting alone.
func mergeKeepAlive(now tcp.KeepAliveConfig, k net.KeepAliveConfig) tcp.KeepAliveConfig {
	now.Enabled = k.Enable
	if !k.Enable {
		return now
	}
	now.Idle = mergePeriod(now.Idle, k.Idle)
	now.Interval = mergePeriod(now.Interval, k.Interval)
	switch {
	case k.Count == 0:
		now.Count = keepAliveCount
	case k.Count > 0:
		now.Count = k.Count
	}
	return now
}

func mergePeriod(now tcp.Duration, d time.Duration) tcp.Duration {
	switch {
	case d == 0:
		return keepAlivePeriod
	case d > 0:
		return tcp.Duration(d)
	}
	return now
}
