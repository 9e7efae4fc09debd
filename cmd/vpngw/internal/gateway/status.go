package gateway

import (
	"net/netip"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"vpngw/cmd/vpngw/internal/dns"
	"vpngw/cmd/vpngw/internal/portmap"
	"vpngw/config"
)

// Status is one look at a gateway. It is plain data, made for JSON; the caller owns it.
type Status struct {
	// Ready is what [Gateway.Ready] reports.
	Ready bool `json:"ready"`
	// Draining is set from the call of [Gateway.Drain] on.
	Draining bool `json:"draining"`
	// StartedAt is when Start succeeded; zero before.
	StartedAt     time.Time `json:"started_at,omitzero"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	PublicKey     string    `json:"public_key"`
	// ListenPort is the UDP port in use, 0 while there is none.
	ListenPort int          `json:"listen_port"`
	Address    netip.Prefix `json:"address"`
	MTU        int          `json:"mtu"`
	// RestartNeeded are the keys of the configuration that changed but take effect only after a
	// restart.
	RestartNeeded []string `json:"restart_needed,omitempty"`
	// PingRelay says whether echo requests to other hosts are relayed.
	PingRelay bool `json:"ping_relay"`
	// Peers are in the order of the configuration.
	Peers    []PeerStatus `json:"peers"`
	Totals   Totals       `json:"totals"`
	Counters Counters     `json:"counters"`
	DNS      dns.Counters `json:"dns"`

	Portmap portmap.Counters `json:"portmap"`
}

// PeerStatus is one peer's part of a Status.
type PeerStatus struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key"`
	// Endpoint is where the peer was last heard from, "" if it never was.
	Endpoint   string         `json:"endpoint"`
	AllowedIPs []netip.Prefix `json:"allowed_ips"`
	// LastHandshake is the time of the last handshake, zero if there was none.
	LastHandshake time.Time `json:"last_handshake,omitzero"`
	// RxBytes and TxBytes are what the device received from and sent to the peer since the start,
	// in bytes on the wire.
	RxBytes uint64     `json:"rx_bytes"`
	TxBytes uint64     `json:"tx_bytes"`
	Flows   FlowCounts `json:"flows"`
	// Ports are those of this host that the peer asked for.
	Ports []portmap.Mapping `json:"ports,omitempty"`
}

// FlowCounts are the flows open now.
type FlowCounts struct {
	Dialing int `json:"dialing"` // TCP requests waiting for their destination
	TCP     int `json:"tcp"`
	UDP     int `json:"udp"`  // mappings: one per client socket
	Ping    int `json:"ping"` // sockets: one for the processes of a client, or a few
}

// Totals are sums over all peers. Bytes are those of the peers configured now.
type Totals struct {
	Peers       int        `json:"peers"`
	RxBytes     uint64     `json:"rx_bytes"`
	TxBytes     uint64     `json:"tx_bytes"`
	Flows       FlowCounts `json:"flows"`
	DeadHosts   int        `json:"dead_hosts"`             // destinations remembered for not answering
	HeapBytes   uint64     `json:"heap_bytes"`             // objects, dead ones not yet collected included
	MemoryLimit int64      `json:"memory_limit,omitempty"` // in bytes, see SetMemoryLimit
	Goroutines  int        `json:"goroutines"`
}

// Status looks at the gateway. It costs a walk over all peers; the packet path does not notice.
func (g *Gateway) Status() Status {
	g.mu.Lock()
	cfg, tunnel, running := g.cfg, g.tunnel, g.phase == phaseRunning
	s := Status{
		Ready:         g.readyLocked(),
		Draining:      g.fwd.draining.Load(),
		StartedAt:     g.startedAt,
		PublicKey:     cfg.Interface.PrivateKey.Public().String(),
		Address:       cfg.Interface.Address,
		MTU:           cfg.Interface.MTU,
		RestartNeeded: g.restart,
	}
	if running {
		s.Address, s.MTU = g.stack.started.Interface.Address, g.stack.started.Interface.MTU
		s.UptimeSeconds = time.Since(g.startedAt).Seconds()
	}
	g.mu.Unlock()

	var device deviceState
	if running {
		var err error
		if device, err = tunnel.state(); err != nil {
			g.log.Warn("cannot read the device's state", "err", err)
		}
	}
	s.ListenPort = device.listenPort
	s.PingRelay = running && g.fwd.pings.allowed
	s.Counters = g.fwd.counters.snapshot()
	if running {
		g.stack.count(&s.Counters)
	}
	s.DNS = g.dns.Counters()
	s.Portmap = g.portmap.Counters()
	ports := map[config.PublicKey][]portmap.Mapping{}
	for _, m := range g.portmap.Mappings() {
		ports[m.Peer] = append(ports[m.Peer], m)
	}
	peers := g.fwd.peers.Load().peers
	s.Peers = make([]PeerStatus, 0, len(peers)) // a list in JSON, also without peers
	for _, p := range peers {
		peer := g.peerStatus(p, device.peers[p.key])
		peer.Ports = ports[p.key]
		s.Peers = append(s.Peers, peer)
	}
	s.Totals = g.totals(s.Peers)
	return s
}

func (g *Gateway) peerStatus(p *peer, d *devicePeer) PeerStatus {
	settings := p.settings.Load()
	s := PeerStatus{
		Name:       settings.Name,
		PublicKey:  p.key.String(),
		AllowedIPs: slices.Clone(settings.AllowedIPs),
		Flows:      g.fwd.budgets.held(p),
	}
	if d != nil {
		s.Endpoint, s.LastHandshake, s.RxBytes, s.TxBytes = d.endpoint, d.lastHandshake, d.rx, d.tx
	}
	return s
}

func (g *Gateway) totals(peers []PeerStatus) Totals {
	t := Totals{
		Peers:       len(peers),
		Flows:       g.fwd.budgets.total(),
		DeadHosts:   g.fwd.dead.size(),
		MemoryLimit: g.opts.MemoryLimit,
		Goroutines:  runtime.NumGoroutine(),
	}
	for i := range peers {
		t.RxBytes += peers[i].RxBytes
		t.TxBytes += peers[i].TxBytes
	}
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindUint64 {
		t.HeapBytes = sample[0].Value.Uint64()
	}
	return t
}
