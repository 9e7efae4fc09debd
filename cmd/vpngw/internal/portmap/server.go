package portmap

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"vpngw/cmd/vpngw/internal/rarely"
	"vpngw/config"
)

// ErrPortTaken is what Options.Open returns, wrapped or not, for a port that this host cannot open,
// while another one may do.
var ErrPortTaken = errors.New("the port is taken")

// A Port is a port of this host that leads to a client.
type Port interface {
	// SetFilters says who is admitted: whom one of the filters admits, or with none everybody. The
	// list is not changed afterwards.
	SetFilters([]Filter)
	// Close closes the port. It neither blocks nor calls back.
	Close()
}

// Options are what a Server takes from its program beside the configuration. No function may block
// or call the Server; they are not called concurrently.
type Options struct {
	// Logger receives the log; nil discards it.
	Logger *slog.Logger
	// Peer returns the peer that an address in the tunnel belongs to, nil for nobody's, whose
	// requests are dropped.
	Peer func(netip.Addr) *config.Peer
	// Open opens a port of this host for a client in the tunnel. If it is closed by others than by its
	// Close, ended is called, after Open has returned. An error that is ErrPortTaken makes the Server
	// try another one.
	Open func(proto Protocol, at, client netip.AddrPort, ended func()) (Port, error)
	// External returns this host's IPv4 address as others see it; not valid if that is not known.
	External func() netip.Addr
}

// A Server answers requests for ports. Its methods are safe for concurrent use.
type Server struct {
	log     *slog.Logger
	options Options
	serving sync.WaitGroup
	noPort  rarely.Limit // warnings

	mu sync.Mutex // guards the fields below
	table
	settings   settings
	counters   Counters
	epoch      time.Time
	closed     bool
	listening  map[net.PacketConn]struct{}
	external   netip.Addr               // as of externalAt; not valid if it was not known
	externalAt time.Time                //
	window     time.Time                // the second that rates counts
	rates      map[config.PublicKey]int // requests in it

	lastExternal netip.Addr // that was known
}

// settings are what of the configuration concerns the Server.
type settings struct{ config.Portmap }

// bind is where a port is opened.
func (s *settings) bind(port uint16) netip.AddrPort {
	addr := s.BindAddress
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	return netip.AddrPortFrom(addr, port)
}

// New makes a Server of a valid configuration. It answers nothing until Serve.
func New(cfg *config.Config, o Options) *Server {
	s := &Server{
		log: o.Logger, options: o, table: newTable(), epoch: time.Now(),
		settings: settings{cfg.Portmap}, rates: map[config.PublicKey]int{},
		listening: map[net.PacketConn]struct{}{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Configure brings the Server to a new, valid configuration, which must not change afterwards.
// Mappings that it does not allow end at once.
func (s *Server) Configure(cfg *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := s.settings.BindAddress != cfg.Portmap.BindAddress
	s.settings = settings{cfg.Portmap}
	s.externalAt = time.Time{}
	s.endUnless(func(m *mapping) bool {
		peer := s.options.Peer(m.internal.Addr())
		return !moved && s.settings.Enabled && s.allows(m.proto) && s.mayGive(m.port) &&
			peer != nil && peer.PublicKey == m.peer && s.settings.Allows(peer)
	})
}

// allows reports whether the operator allows the protocol.
func (s *Server) allows(p Protocol) bool { return slices.Contains(s.settings.Protocols, p.String()) }

// endUnless ends the mappings that keep does not want. "If the PCP server resets or loses the state
// of its explicit dynamic mappings […] it MUST reset its Epoch time" RFC 6887 §8.5.
func (s *Server) endUnless(keep func(*mapping) bool) {
	now := time.Now()
	for _, m := range s.byKey {
		if !keep(m) {
			s.end(now, m)
			s.counters.Ended++
			s.epoch = now
		}
	}
}

// Serve answers what arrives at the socket, in a goroutine of its own, until Silence or Close, which
// close it. The addresses of its clients must be *net.UDPAddr.
func (s *Server) Serve(conn net.PacketConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close()
		return
	}
	s.listening[conn] = struct{}{}
	s.serving.Go(func() { s.serve(conn) })
}

func (s *Server) serve(conn net.PacketConn) {
	buf := make([]byte, requestMax+1) // what is longer is cut off, and longer than it may be all the same
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		addr, ok := from.(*net.UDPAddr)
		if err != nil || !ok {
			// An ICMP error that an earlier answer met; should a socket fail for good, this is no busy
			// loop.
			time.Sleep(errorPause)
			continue
		}
		client := addr.AddrPort()
		client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		if answer := s.answer(time.Now(), client, buf[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from) // if it is lost the client asks again
		}
	}
}

// A query is a request and who asks.
type query struct {
	from    netip.AddrPort
	peer    *config.Peer
	message []byte
}

// client is a port of the asking host: "The source address of the packet MUST be used for the internal
// address in the mapping" RFC 6886 §3.3.
func (q *query) client(port uint16) netip.AddrPort { return netip.AddrPortFrom(q.from.Addr(), port) }

// requestedLifetime reads a lifetime in seconds. More than a duration holds is as good as much.
func requestedLifetime(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Second
}

// answer answers one datagram; nil: silence. The answer does not refer to the datagram.
func (s *Server) answer(now time.Time, from netip.AddrPort, message []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(message) < 2 { // RFC 6887 §8.2: "silently dropped"
		s.counters.Dropped++
		return nil
	}
	q := query{from, s.options.Peer(from.Addr()), message}
	switch {
	case q.peer == nil:
		s.counters.NoPeer++
		return nil
	case !s.admit(now, q.peer):
		s.counters.OverLimit++
		return nil
	case message[0] == versionNATPMP:
		return s.answerNATPMP(now, q)
	}
	return s.answerPCP(now, q)
}

// admit counts a request of the peer, and reports false for one too many.
func (s *Server) admit(now time.Time, p *config.Peer) bool {
	if now.Sub(s.window) >= time.Second {
		s.window = now
		clear(s.rates)
	}
	s.rates[p.PublicKey]++
	return s.rates[p.PublicKey] <= requestsPerSecond
}

// Silence closes what Serve was given: requests are not answered until it is called again. Mappings
// stay; Configure ends them.
func (s *Server) Silence() {
	s.mu.Lock()
	for conn := range s.listening {
		_ = conn.Close()
	}
	clear(s.listening)
	s.mu.Unlock()
	s.serving.Wait()
}

// Close ends the Server and all mappings. It returns when no goroutine of its is left.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.endUnless(func(*mapping) bool { return false })
	s.mu.Unlock()
	s.Silence()
}

// Counters returns what happened since New.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters
}

// A Mapping is one look at a mapping.
type Mapping struct {
	Peer     config.PublicKey `json:"-"`
	Protocol string           `json:"protocol"` // "tcp", "udp"
	// Port is the port of this host, Internal the client that it leads to.
	Port     uint16         `json:"port"`
	Internal netip.AddrPort `json:"internal"`
	// ExpiresAt is when it ends unless its client renews it.
	ExpiresAt time.Time `json:"expires_at"`
	// By is the protocol that it was last asked for by: "pcp", "nat-pmp".
	By string `json:"by"`
}

// Mappings returns the mappings, by port.
func (s *Server) Mappings() []Mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Mapping
	for _, m := range s.byKey {
		by := "nat-pmp"
		if m.pcp {
			by = "pcp"
		}
		list = append(list, Mapping{m.peer, m.proto.String(), m.port, m.internal, m.expires, by})
	}
	slices.SortFunc(list, func(a, b Mapping) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return strings.Compare(a.Protocol, b.Protocol)
	})
	return list
}
