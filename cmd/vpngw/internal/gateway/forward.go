package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"vpngw/cmd/vpngw/internal/rarely"
	"vpngw/config"
)

// A forwarder carries what clients want to its destination. It is what the protocols share. Safe
// for concurrent use.
type forwarder struct {
	log       *slog.Logger
	epoch     time.Time // when it was made: the origin of its monotonic times
	policy    policy
	budgets   *budgets
	dead      *deadHosts
	counters  counters
	noSocket  rarely.Limit // warnings
	dial      dialFunc
	listenUDP func(at netip.AddrPort) (upstreamUDP, error) // zero: any port
	listenTCP func(at netip.AddrPort) (tcpListener, error)
	inward    inward // set once the stack is there
	ports     pool   // TCP ports that clients asked for; budgets.mu guards it
	udpPorts  portTable[*udpMapping]
	tcpPorts  portTable[*peerPort]
	pings     pingFlows
	poller    poller

	peers    atomic.Pointer[peerTable] // never nil
	settings atomic.Pointer[config.Forward]
	draining atomic.Bool

	// portmapAddress is the address which clients are told that their ports have, where the
	// configuration names one; nil otherwise.
	portmapAddress atomic.Pointer[netip.Addr]
	open           sync.WaitGroup // the flows of all peers
}

func newForwarder(log *slog.Logger, files int) *forwarder {
	f := &forwarder{
		log: log, epoch: time.Now(), budgets: newBudgets(newLimits(files)), dead: newDeadHosts(),
		listenUDP: newUDPListener(),
		listenTCP: listenTCP, ports: newPool(portsLimit(files), 0),
		pings: pingFlows{open: openPingSocket, byClient: map[netip.Addr][]*pingFlow{}},
	}
	f.dial = f.dialTCP
	f.peers.Store(newPeerTable(nil, nil, &f.open))
	f.policy.peers = &f.peers
	f.policy.guard.interfaces = net.InterfaceAddrs
	return f
}

// configure applies what of cfg concerns forwarding, but for the peers.
func (f *forwarder) configure(cfg *config.Config) {
	s := cfg.Forward
	f.settings.Store(&s)
	f.policy.forward.Store(s.Enabled)
	f.policy.peerToPeer.Store(s.PeerToPeer)
	network := cfg.Interface.Address.Masked()
	f.policy.network.Store(&network)
	f.policy.guard.setEndpoint(cfg.Interface.Endpoint)
	var external *netip.Addr
	if a := cfg.Portmap.ExternalAddress; cfg.Portmap.Enabled && a.IsValid() {
		external = &a
	}
	f.portmapAddress.Store(external)
	f.budgets.configure(s.MaxTCPFlowsPerPeer, s.MaxUDPFlowsPerPeer, s.MaxDialsPerPeer, s.MaxDialsPerDestination)
	f.dead.configure(s.DeadHostMemory)
	f.reviewIdle()
}

// sender returns the peer that a request comes from, or nil if it is to be dropped: its source
// address belongs to no peer (a peer that was removed a moment ago), or the gateway is about to
// stop.
func (f *forwarder) sender(src netip.AddrPort) *peer {
	if f.draining.Load() {
		f.counters.draining.Add(1)
		return nil
	}
	p, _ := f.peers.Load().lookup(src.Addr())
	if p == nil {
		f.counters.noPeer.Add(1)
	}
	return p
}

// end aborts every flow and waits for its goroutines, or for ctx. No flow is opened afterwards.
func (f *forwarder) end(ctx context.Context) error {
	f.draining.Store(true)
	for _, p := range f.peers.Load().peers {
		p.end(errStopped)
	}
	done := make(chan struct{})
	go func() {
		f.open.Wait()
		f.poller.Close()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watchHost keeps the guard's knowledge of this host's addresses fresh until ctx ends.
func (f *forwarder) watchHost(ctx context.Context) {
	tick := time.NewTicker(hostAddressesRefresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := f.policy.guard.refresh(); err != nil {
				f.log.Warn("cannot read this host's addresses, the guard goes on with those of before", "err", err)
			}
		}
	}
}
