package portmap

import (
	"errors"
	"math/rand/v2"
	"time"
)

// An assignment says how the search for a port ended.
type assignment uint8

const (
	assigned           assignment = iota
	assignNotSuggested            // the suggested port cannot be had, and no other will do
	assignNoResources             // there is no port, or this host cannot open one
	assignQuota                   // the peer has all that it may have
)

func (a assignment) pcp() pcpResult {
	if a == assignQuota {
		return pcpUserExQuota
	}
	return pcpNoResources
}

func (a assignment) natpmp() natpmpResult { return natpmpNoResources }

// A wish is what a client wants of a new mapping.
type wish struct {
	suggested uint16 // 0: any
	only      bool   // or none: PREFER_FAILURE
	pcp       bool
	nonce     [nonceLen]byte
	filters   []Filter
}

// PCP's own ports: "A PCP server MUST NOT create client mappings for external UDP ports
// 5350 or 5351." RFC 6887 §11.3. For TCP they
// would be reserved as companions.
const (
	portAnnounce = 5350
	// ServerPort is where requests go.
	ServerPort = 5351
)

// assign makes a new mapping, with the suggested port if that can be had. nil: the assignment says why
// not.
func (s *Server) assign(now time.Time, k key, q query, w wish, lifetime time.Duration) (*mapping, assignment) {
	if s.byPeer[q.peer.PublicKey] >= s.settings.MaxPerPeer {
		return nil, assignQuota
	}
	if len(s.byKey) >= mappingsMax {
		return nil, assignNoResources
	}
	m := &mapping{key: k, peer: q.peer.PublicKey, pcp: w.pcp, nonce: w.nonce, filters: w.filters}
	err := ErrPortTaken
	if w.suggested != 0 && s.free(now, m, w.suggested) {
		err = s.open(m, w.suggested)
	}
	if w.only && errors.Is(err, ErrPortTaken) {
		return nil, assignNotSuggested
	}
	if errors.Is(err, ErrPortTaken) {
		err = s.openAny(now, m, w.suggested)
	}
	if err != nil {
		if s.noPort.Due() {
			s.log.Warn("cannot give a port", "peer", q.peer.Name, "proto", k.proto, "to", k.internal, "err", err)
		}
		return nil, assignNoResources
	}
	s.enter(now, m, lifetime)
	s.counters.Mapped++
	s.log.Info("port given", "peer", q.peer.Name, "proto", k.proto, "port", m.port, "to", k.internal, "lifetime", lifetime)
	return m, assigned
}

// openAny opens a port, searching from a random one on, but not the one that was tried.
func (s *Server) openAny(now time.Time, m *mapping, tried uint16) error {
	total := 0
	for _, r := range s.settings.Ports {
		total += int(r.Last-r.First) + 1
	}
	start, attempts := rand.IntN(total), 0
	for i := range total {
		port := s.portAt((start + i) % total)
		if port == tried || !s.free(now, m, port) {
			continue
		}
		err := s.open(m, port)
		if attempts++; err == nil || !errors.Is(err, ErrPortTaken) || attempts >= openAttemptsMax {
			return err
		}
	}
	return errNoPort
}

// errNoPort is for a search without a result.
var errNoPort = errors.New("none of portmap.ports is free")

// portAt returns the port with an index among all that may be given.
func (s *Server) portAt(i int) uint16 {
	for _, r := range s.settings.Ports {
		n := int(r.Last-r.First) + 1
		if i < n {
			return r.First + uint16(i)
		}
		i -= n
	}
	return 0 // not reached
}

// mayGive reports whether the operator allows the port.
func (s *Server) mayGive(port uint16) bool {
	if port == portAnnounce || port == ServerPort {
		return false
	}
	for _, r := range s.settings.Ports {
		if r.Contains(port) {
			return true
		}
	}
	return false
}

// free reports whether m may have the port, as far as the table knows.
func (s *Server) free(now time.Time, m *mapping, port uint16) bool {
	o := outer{m.proto, port}
	if !s.mayGive(port) || s.byPort[o] != nil {
		return false
	}
	// "the same client, where "same client" means "same internal IP address, internal port, and mapping
	// nonce"" RFC 6887 §15.
	if r, ok := s.resting[o]; ok && now.Before(r.until) && (r.internal != m.internal || r.nonce != m.nonce) {
		return false
	}
	// "the NAT gateway MUST reserve the companion port so the same client can choose to map it" RFC
	// 6886 §3.3.
	companion := s.byPort[outer{TCP + UDP - m.proto, port}]
	return companion == nil || companion.internal.Addr() == m.internal.Addr()
}

// open opens the port for m.
func (s *Server) open(m *mapping, port uint16) error {
	opened, err := s.options.Open(m.proto, s.settings.bind(port), m.internal, func() { s.lost(m) })
	if err != nil {
		return err
	}
	m.port, m.opened = port, opened
	if len(m.filters) > 0 {
		opened.SetFilters(m.filters)
	}
	return nil
}

// conflict is for how long a port that was refused is expected to be taken.
func (s *Server) conflict(now time.Time, proto Protocol, port uint16) time.Duration {
	o := outer{proto, port}
	if m := s.byPort[o]; m != nil {
		// "the remaining lifetime of the conflicting mapping + TIME_WAIT" RFC 6887 §13.2.
		return m.left(now) + portRest
	}
	if r, ok := s.resting[o]; ok && now.Before(r.until) {
		return r.until.Sub(now)
	}
	return pcpCannotProvideExternal.lifetime()
}
