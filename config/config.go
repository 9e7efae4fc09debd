package config

import (
	"log/slog"
	"net/netip"
	"time"
)

// Config is everything a gateway is told. It is plain data: nothing in it opens, listens or logs.
//
// [Default] gives every key its default, [Load] reads one from files, [Config.Validate] checks one
// that a program put together. A Config is not changed after Load returned it and may then be read
// from any goroutine.
//
// The struct tags are the schema: `toml` names the key, `range` bounds a number or a duration,
// `oneof` lists the words a string may be, `reload` says whether a running gateway takes a change
// ("live") or has to be started again ("restart"; see [Diff]).
type Config struct {
	// Path is the file it was loaded from, "" if it was not. Every path below is already resolved
	// against the directory of the file that names it.
	Path string `toml:"-"`
	// Warnings are the problems that did not stop Load, in file order.
	Warnings Problems `toml:"-"`

	Interface Interface `toml:"interface"`
	// Peers are the [[peer]] tables in their order, then the files of peers_dir in the order of
	// their names. Names and public keys are unique.
	Peers   []Peer  `toml:"peer"`
	Forward Forward `toml:"forward"`
	Stack   Stack   `toml:"stack"`
	DNS     DNS     `toml:"dns"`
	Portmap Portmap `toml:"portmap"`
	Admin   Admin   `toml:"admin"`
	Log     Log     `toml:"log"`
}

// Interface is the table [interface]: the gateway's own end of the tunnel.
type Interface struct {
	// PrivateKey is the gateway's key, from private_key (inline or "$ENV") or else the content of
	// private_key_file. Load always fills it.
	PrivateKey PrivateKey `toml:"private_key" reload:"live"`
	// PrivateKeyFile is the file PrivateKey was read from; "" when private_key is set.
	PrivateKeyFile string `toml:"private_key_file" kind:"path" reload:"live"`
	// ListenPort is the UDP port of WireGuard, 0–65535; 0 lets the system choose.
	ListenPort int `toml:"listen_port" range:"0,65535" reload:"live"`
	// Address is the gateway's IPv4 address in the tunnel, with the length of the network that
	// peers live in.
	Address netip.Prefix `toml:"address" reload:"restart"`
	// MTU is the largest IP packet in the tunnel in bytes, 576–65475: what remains of the largest
	// UDP datagram (65,507) after WireGuard's 32 bytes of header and tag.
	MTU int `toml:"mtu" range:"576,65475" reload:"restart"`
	// Endpoint is the "host:port" that clients are told to connect to; "" while nobody knows it.
	Endpoint string `toml:"endpoint" reload:"live"`
	// PeersDir is the directory with one TOML file per peer. It need not exist.
	PeersDir string `toml:"peers_dir" kind:"path" reload:"live"`
	// ClientDNS are the resolvers that generated client configs name; see [Config.ClientResolvers].
	ClientDNS []netip.Addr `toml:"client_dns" reload:"live"`
	// ClientAllowedIPs is what generated client configs route into the tunnel.
	ClientAllowedIPs []netip.Prefix `toml:"client_allowed_ips" reload:"live"`
	// ClientPersistentKeepalive is the interval in seconds at which generated client configs keep
	// the NATs between them and the gateway open, 0–65535; 0 means off.
	ClientPersistentKeepalive int `toml:"client_persistent_keepalive" range:"0,65535" reload:"live"`
}

// Peer is one table [[peer]], or one file of peers_dir.
type Peer struct {
	// Name identifies the peer everywhere but on the wire; a DNS label (see [CheckName]).
	Name string `toml:"name"`
	// PublicKey identifies the peer on the wire. It may be left out of the file if PrivateKey is
	// there; Load always fills it.
	PublicKey PublicKey `toml:"public_key"`
	// PresharedKey is mixed into the handshake; the zero value means none. It comes from
	// preshared_key (inline or "$ENV") or the content of preshared_key_file.
	PresharedKey     PresharedKey `toml:"preshared_key"`
	PresharedKeyFile string       `toml:"preshared_key_file" kind:"path"`
	// PrivateKey is the client's own key, only there if the key pair was made here and kept, so
	// that the client's config can be shown again. The gateway itself never needs it.
	PrivateKey     PrivateKey `toml:"private_key"`
	PrivateKeyFile string     `toml:"private_key_file" kind:"path"`
	// AllowedIPs are the source addresses the peer may use and the destinations routed to it.
	AllowedIPs []netip.Prefix `toml:"allowed_ips"`
	// PersistentKeepalive is the interval in seconds of the gateway's keep-alives to the peer,
	// 0–65535; 0 means off. Only a peer that the gateway could not reach otherwise needs it; the
	// client's direction is Interface.ClientPersistentKeepalive.
	PersistentKeepalive int `toml:"persistent_keepalive" range:"0,65535"`
	// MTU is the largest IP packet, in bytes, that the peer's end of the tunnel takes, 576–65475, if that
	// is less than Interface.MTU; 0 means that it is not.
	MTU int `toml:"mtu" range:"0,65475"`
	// Groups are the names by which policies may address the peer.
	Groups []string `toml:"groups"`

	// File and Line say where the peer is defined; "" and 0 if nowhere.
	File string `toml:"-"`
	Line int    `toml:"-"`
}

// Forward is the table [forward]: transparent forwarding of the peers' traffic, and its budgets.
type Forward struct {
	// Enabled turns forwarding on. When off, only the gateway's own address answers.
	Enabled bool `toml:"enabled" reload:"live"`
	// PeerToPeer lets peers reach each other and the networks behind them. When off, each is alone
	// with the gateway and what it forwards to.
	PeerToPeer bool `toml:"peer_to_peer" reload:"live"`
	// DialTimeout bounds one attempt to reach a destination, 100 ms–2 min.
	DialTimeout time.Duration `toml:"dial_timeout" range:"100ms,2m" reload:"live"`
	// DeadHostMemory is how long, at most, a destination that did not answer is remembered: until
	// then only one dial at a time tries it. 0–10 min; 0 forgets at once.
	DeadHostMemory time.Duration `toml:"dead_host_memory" range:"0s,10m" reload:"live"`
	// MaxTCPFlowsPerPeer bounds the forwarded TCP connections of one peer, 1–1,000,000.
	MaxTCPFlowsPerPeer int `toml:"max_tcp_flows_per_peer" range:"1,1000000" reload:"live"`
	// MaxUDPFlowsPerPeer bounds the UDP mappings of one peer (one per client socket), 1–65,536;
	// the one idle the longest makes room.
	MaxUDPFlowsPerPeer int `toml:"max_udp_flows_per_peer" range:"1,65536" reload:"live"`
	// MaxDialsPerPeer bounds the TCP dials of one peer under way at once, 1–65,536.
	MaxDialsPerPeer int `toml:"max_dials_per_peer" range:"1,65536" reload:"live"`
	// MaxDialsPerDestination bounds the TCP dials of one peer to one address and port under way
	// at once, 1–65,536.
	MaxDialsPerDestination int `toml:"max_dials_per_destination" range:"1,65536" reload:"live"`
	// UDPIdleTimeout ends a UDP mapping without traffic, 10 s–24 h. RFC 4787 REQ-5: at least two
	// minutes, five recommended.
	UDPIdleTimeout time.Duration `toml:"udp_idle_timeout" range:"10s,24h" reload:"live"`
	// UDPDNSTimeout is the same for a mapping that spoke to port 53 alone, 1 s–24 h.
	UDPDNSTimeout time.Duration `toml:"udp_dns_timeout" range:"1s,24h" reload:"live"`
	// UDPPortTimeouts are the same for mappings that spoke to other ports; see [Forward.UDPTimeout].
	UDPPortTimeouts PortTimeouts `toml:"udp_port_timeouts" reload:"live"`
	// UDPFiltering says who may send to a client's UDP socket (RFC 4787 §5): the hosts that it has
	// sent to ("address-dependent"), those from the very ports that it has sent to
	// ("address-and-port-dependent"), or all ("endpoint-independent").
	UDPFiltering string `toml:"udp_filtering" oneof:"address-dependent,address-and-port-dependent,endpoint-independent" reload:"live"`
}

// Stack is the table [stack]: options of the gateway's own TCP/IP stack.
type Stack struct {
	// CongestionControl is "cubic", "newreno" or "bbr".
	CongestionControl string `toml:"congestion_control" oneof:"cubic,newreno,bbr" reload:"restart"`
	// ReceiveBufferMax and SendBufferMax bound the buffers of one connection in bytes,
	// 8 KiB–1 GiB. Buffers grow up to them as needed; an idle connection holds none.
	ReceiveBufferMax Size `toml:"receive_buffer_max" range:"8KiB,1GiB" reload:"restart"`
	SendBufferMax    Size `toml:"send_buffer_max" range:"8KiB,1GiB" reload:"restart"`
	// MemoryMax bounds all connections' buffers together in bytes, 1 MiB–64 GiB.
	MemoryMax Size `toml:"memory_max" range:"1MiB,64GiB" reload:"restart"`
	// KeepAliveIdle is how long a forwarded connection may be silent before it is probed,
	// 0 or 10 s–24 h; 0 never probes. RFC 9293 MUST-28: two hours unless set.
	KeepAliveIdle time.Duration `toml:"keepalive_idle" range:"0s,24h" reload:"restart"`
	// KeepAliveInterval lies between two probes, 1 s–1 h.
	KeepAliveInterval time.Duration `toml:"keepalive_interval" range:"1s,1h" reload:"restart"`
	// KeepAliveCount unanswered probes end the connection, 1–100.
	KeepAliveCount int `toml:"keepalive_count" range:"1,100" reload:"restart"`
}

// Admin is the table [admin]: how the command and monitoring reach a running gateway.
type Admin struct {
	// Socket is the path of the unix socket for the command; "" means none.
	Socket string `toml:"socket" kind:"path" reload:"restart"`
	// Listen is a "host:port" for HTTP probes; "" means none.
	Listen string `toml:"listen" reload:"restart"`
}

// Log is the table [log].
type Log struct {
	// Level is debug, info, warn or error.
	Level slog.Level `toml:"level" reload:"live"`
	// Format is "text" or "json".
	Format string `toml:"format" oneof:"text,json" reload:"restart"`
}
