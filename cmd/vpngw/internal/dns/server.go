package dns

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"vpngw/cmd/vpngw/internal/rarely"
	"vpngw/config"
)

// Options are what a Server takes from its program beside the configuration.
type Options struct {
	// Logger receives the log; nil discards it.
	Logger *slog.Logger
	// PeerName returns the name of the peer that an address in the tunnel belongs to, "" for
	// nobody's, whose queries are dropped. It must not block.
	PeerName func(netip.Addr) string
	// Dial connects to a listed upstream, network "udp" or "tcp", within ctx; nil: over this host's
	// sockets, as those of the system are always reached.
	Dial DialFunc
}

// A DialFunc connects to a server.
type DialFunc func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)

// dialHost connects over this host's sockets.
func dialHost(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, addr.String())
}

// A Server answers DNS queries. Its methods are safe for concurrent use.
type Server struct {
	log      *slog.Logger
	peerName func(netip.Addr) string
	dial     DialFunc
	counters counters
	slots    slots // queries that wait for upstreams
	conns    slots // TCP connections
	settings atomic.Pointer[settings]
	blocked  rarely.Limit // warnings
	failed   rarely.Limit

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	open sync.WaitGroup // goroutines

	mu        sync.Mutex // guards the fields below
	closed    bool
	listening map[interface{ Close() error }]struct{} // sockets to close
}

// New makes a Server of a valid configuration. It serves nothing until Serve.
func New(cfg *config.Config, o Options) *Server {
	s := &Server{
		log: o.Logger, peerName: o.PeerName, dial: o.Dial,
		slots:     newSlots(queriesMax, queriesPerPeerMax),
		conns:     newSlots(connsMax, connsPerPeerMax),
		listening: map[interface{ Close() error }]struct{}{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.dial == nil {
		s.dial = dialHost
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.Configure(cfg)
	return s
}

// Configure brings the Server to a new, valid configuration, which must not change afterwards.
// Queries under way end with the old one. The cache is kept unless upstreams changed.
func (s *Server) Configure(cfg *config.Config) {
	old := s.settings.Load()
	s.settings.Store(newSettings(cfg, old, s.dial, &s.counters))
	if old != nil && old.forward != s.settings.Load().forward {
		old.forward.close()
	}
}

// Counters returns what happened since New.
func (s *Server) Counters() Counters { return s.counters.snapshot() }

// Serve answers what arrives at the two sockets, in goroutines of its own, until Close, which
// closes them. The addresses of their clients must be *net.UDPAddr and *net.TCPAddr.
func (s *Server) Serve(udp net.PacketConn, tcp net.Listener) {
	s.run(udp, func() { s.serveUDP(udp) })
	s.run(tcp, func() { s.serveTCP(tcp) })
}

// run runs f beside what else there is. Close closes the socket that f serves; after Close it is
// closed at once.
func (s *Server) run(socket interface{ Close() error }, f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = socket.Close()
		return false
	}
	s.listening[socket] = struct{}{}
	s.open.Go(func() {
		f()
		_ = socket.Close()
		s.mu.Lock()
		delete(s.listening, socket)
		s.mu.Unlock()
	})
	return true
}

// Silence closes what Serve was given: queries are not answered until it is called again.
func (s *Server) Silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for socket := range s.listening {
		_ = socket.Close()
	}
}

// Close ends the Server: queries under way are not answered. It returns when no goroutine of its is
// left.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Silence()
	s.stop()
	s.open.Wait()
	s.settings.Load().forward.close()
}

// client is the address and port of a client, zero for what is neither TCP nor UDP.
func client(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// slots bounds something for all peers together and for each.
type slots struct {
	mu             sync.Mutex
	limit, perPeer int
	used           int
	byPeer         map[string]int
}

func newSlots(limit, perPeer int) slots {
	return slots{limit: limit, perPeer: perPeer, byPeer: map[string]int{}}
}

// take takes one for the peer, and reports false if there is none left.
func (s *slots) take(peer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used >= s.limit || s.byPeer[peer] >= s.perPeer {
		return false
	}
	s.used++
	s.byPeer[peer]++
	return true
}

// give returns one that was taken.
func (s *slots) give(peer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.byPeer[peer]--; s.byPeer[peer] == 0 {
		delete(s.byPeer, peer)
	}
}
