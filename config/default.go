package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Default returns the configuration of an empty file: every key at the default that
// conf.example.toml documents. Paths are relative, and there is no private key yet.
func Default() *Config {
	return &Config{
		Interface: Interface{
			PrivateKeyFile:   "private.key",
			ListenPort:       51820,
			Address:          netip.MustParsePrefix("10.8.0.1/24"),
			MTU:              1420, // an Ethernet path of 1500 less IPv6, UDP and WireGuard headers
			PeersDir:         "peers.d",
			ClientAllowedIPs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},

			ClientPersistentKeepalive: 25, // below the 30 s after which the shortest NAT timers forget
		},
		Forward: Forward{
			Enabled:                true,
			PeerToPeer:             true,
			DialTimeout:            10 * time.Second,
			DeadHostMemory:         10 * time.Second,
			MaxTCPFlowsPerPeer:     16384,
			MaxUDPFlowsPerPeer:     4096,
			MaxDialsPerPeer:        512,
			MaxDialsPerDestination: 128,
			UDPIdleTimeout:         5 * time.Minute,
			UDPDNSTimeout:          30 * time.Second,
			UDPFiltering:           FilterAddress,
		},
		Stack: Stack{
			CongestionControl: "cubic",
			ReceiveBufferMax:  16 << 20, // 1 Gbit/s × 100 ms is 12.5 MB
			SendBufferMax:     16 << 20,
			MemoryMax:         128 << 20,
			KeepAliveIdle:     2 * time.Hour, // RFC 9293 §3.8.4, MUST-28
			KeepAliveInterval: 75 * time.Second,
			KeepAliveCount:    9,
		},
		DNS: DNS{
			Enabled:    true,
			Upstreams:  []Resolver{{Kind: ResolverSystem}},
			Domain:     "vpn.internal", // "internal" is reserved for private use (ICANN, 2024)
			FilterAAAA: true,
			CacheSize:  10000,
			// Not more: reaching private hosts by names of the public DNS is what gateways are for.
			RebindProtection: RebindTunnel,
		},
		Portmap: Portmap{
			Protocols:   []string{"tcp", "udp"},
			Ports:       []PortRange{{61000, 65535}}, // beyond those that Linux uses for outgoing traffic
			MaxLifetime: 2 * time.Hour,               // what RFC 6886 §3.3 recommends to ask for
			MaxPerPeer:  32,
		},
		Admin: Admin{Socket: "vpngw.sock"},
		Log:   Log{Level: slog.LevelInfo, Format: "text"},
	}
}
