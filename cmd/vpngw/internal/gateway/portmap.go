package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"

	"vpngw/cmd/vpngw/internal/portmap"
	"vpngw/config"
)

// An inward path reaches clients as if from outside: *stack.
type inward interface {
	// openUDP opens the client's socket; what it sends, to wherever, is read there from now on.
	openUDP(client netip.AddrPort) (udpClient, error)
	// dialTCP connects to the client as from src. It returns when ctx ends.
	dialTCP(ctx context.Context, src, client netip.AddrPort) (tcpConn, error)
	// dial connects to a host in the tunnel from the gateway's address there, network "udp" or "tcp".
	dial(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)
}

// newPortmap makes the server of requests for ports; it does not listen yet.
func newPortmap(cfg *config.Config, opts Options, f *forwarder) *portmap.Server {
	return portmap.New(cfg, portmap.Options{
		Logger: opts.Logger,
		Peer: func(a netip.Addr) *config.Peer {
			if p, _ := f.peers.Load().lookup(a); p != nil {
				return p.settings.Load()
			}
			return nil
		},
		Open:     f.openPort,
		External: f.externalAddress,
	})
}

// portsLimit is how many TCP ports clients may have when the process may open that many files (0:
// unknown).
func portsLimit(files int) int {
	if files == 0 {
		return portsMax
	}
	return min(portsMax, max(1, files/portFilesShare))
}

// listenPortmap lets the server answer at the gateway's address.
func (s *stack) listenPortmap(server *portmap.Server) error {
	conn, err := s.net.ListenUDPAddrPort(netip.AddrPortFrom(s.started.Interface.Address.Addr(), portmap.ServerPort))
	if err != nil {
		return err
	}
	server.Serve(conn)
	return nil
}

// startPortmap lets the server answer if cfg, but not the configuration in force, wants that.
func (g *Gateway) startPortmap(cfg *config.Config) error {
	if !cfg.Portmap.Enabled || g.cfg.Portmap.Enabled {
		return nil
	}
	return g.stack.listenPortmap(g.portmap)
}

// settlePortmap brings the server to cfg, which is in force: it ends what cfg does not allow.
func (g *Gateway) settlePortmap(cfg *config.Config) {
	if !cfg.Portmap.Enabled {
		g.portmap.Silence()
	}
	g.portmap.Configure(cfg)
}

// externalProbe is what the route outside is looked up for: an address of no host (RFC 5737).
const externalProbe = "192.0.2.1:9"

// externalAddress is this host's address as others see it, as far as it can know: that of
// interface.endpoint, or the source of its route outside. Nothing is sent.
func (f *forwarder) externalAddress() netip.Addr {
	if a := f.policy.guard.extra.Load(); a != nil && a.Is4() {
		return *a
	}
	conn, err := net.Dial("udp4", externalProbe)
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = conn.Close() }()
	return endpoint(conn.LocalAddr()).Addr()
}

// A peerPort is a port of this host that leads to a client, who asked for it. One for TCP is a flow of
// its peer, and ends with it; one for UDP is its mapping, which is.
type peerPort struct {
	f       *forwarder
	peer    *peer
	inner   netip.AddrPort // the client
	proto   proto
	filters atomic.Pointer[[]portmap.Filter] // nil: everybody is admitted
	closed  atomic.Bool
	slots   chan struct{} // of TCP: the flows that are open
	stop    func()        // closes the socket
	ended   func()        // tells the server
}

// openPort opens a port for a client: see portmap.Options.
func (f *forwarder) openPort(p portmap.Protocol, at, client netip.AddrPort, ended func()) (portmap.Port, error) {
	owner := f.sender(client)
	if owner == nil {
		return nil, errNotRunning
	}
	port := &peerPort{f: f, peer: owner, inner: client, ended: ended}
	var err error
	if p == portmap.TCP {
		err = port.openTCP(at)
	} else {
		err = port.openUDP(at)
	}
	if err != nil {
		return nil, err
	}
	return port, nil
}

// takenError marks the errors that another port may not meet.
func takenError(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("%w: %w", portmap.ErrPortTaken, err)
	}
	return err
}

var errPortBudget = errors.New("the peer, or all peers together, have too many open")

// openUDP opens a UDP port: a mapping that the client did not have to make by sending. It takes over
// the client's socket, so that what the client sends leaves by this port (endpoint-independent
// mapping); the mapping that it had still delivers what is on its way, until it is idle.
func (p *peerPort) openUDP(at netip.AddrPort) error {
	p.proto = protoUDP
	m := &udpMapping{f: p.f, peer: p.peer, src: p.inner, admits: p.admits}
	m.idle.init(p.f.epoch)
	if !m.takeBudget() {
		return errPortBudget
	}
	var err error
	if m.up, err = p.f.listenUDP(at); err != nil {
		m.release()
		return takenError(err)
	}
	if m.down, err = p.f.inward.openUDP(p.inner); err != nil {
		m.release()
		m.up.close()
		return err
	}
	p.stop = func() { m.abort(nil) }
	m.ended = func() { p.abort(nil) }
	m.start()
	if p.peer.gone() { // then m has ended, or never began
		return errPeerRemoved
	}
	return nil
}

// gone reports whether the peer was removed.
func (p *peer) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.removed != nil
}

// SetFilters implements portmap.Port.
func (p *peerPort) SetFilters(f []portmap.Filter) {
	if len(f) == 0 {
		p.filters.Store(nil)
		return
	}
	p.filters.Store(&f)
}

// Close implements portmap.Port.
func (p *peerPort) Close() {
	if !p.closed.Swap(true) {
		p.stop()
	}
}

func (p *peerPort) client() netip.AddrPort { return p.inner }

// abort implements flow: the peer is gone, or the address is no longer its own.
func (p *peerPort) abort(error) {
	if !p.closed.Swap(true) {
		p.stop()
		p.ended()
	}
}

// admits reports whether what comes from src is for the client: the filters that it asked for say so,
// and it may answer. Above all, nothing of this host reaches the client as from 127.0.0.1.
func (p *peerPort) admits(src netip.AddrPort) bool {
	if !p.filtersAdmit(src) {
		return false
	}
	if p.proto == protoUDP { // which may come from another mapping
		d, _ := p.f.judgeUDP(p.peer, src)
		return d.verdict == verdictAllow
	}
	return p.f.policy.decide(p.peer, p.proto, src).verdict == verdictAllow
}

// filtersAdmit reports whether the filters that the client asked for, if any, admit src.
func (p *peerPort) filtersAdmit(src netip.AddrPort) bool {
	filters := p.filters.Load()
	return filters == nil || slices.ContainsFunc(*filters, func(f portmap.Filter) bool { return f.Admits(src) })
}

func (s *stack) openUDP(client netip.AddrPort) (udpClient, error) {
	c, err := s.net.OpenUDP(client)
	if err != nil {
		return nil, err
	}
	return stackUDPClient{c}, nil
}

func (s *stack) dialTCP(ctx context.Context, src, client netip.AddrPort) (tcpConn, error) {
	c, err := s.net.DialContextTCPAs(ctx, src, client)
	if err != nil {
		return nil, err
	}
	return c, nil
}
