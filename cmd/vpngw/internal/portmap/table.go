package portmap

import (
	"net/netip"
	"time"

	"vpngw/config"
)

// A Protocol is what is mapped: an IP protocol number.
type Protocol uint8

// The protocols that can be mapped.
const (
	TCP Protocol = 6
	UDP Protocol = 17
)

// String returns "tcp" or "udp".
func (p Protocol) String() string {
	if p == TCP {
		return "tcp"
	}
	return "udp"
}

// protocolByNumber returns the protocol with an IP protocol number.
func protocolByNumber(n uint8) (Protocol, bool) {
	p := Protocol(n)
	return p, p == TCP || p == UDP
}

// A key is what a mapping is known by: who gets what arrives.
type key struct {
	proto    Protocol
	internal netip.AddrPort
}

// An outer is the port of this host that a mapping has.
type outer struct {
	proto Protocol
	port  uint16
}

// A mapping is a port of this host that leads to a client.
type mapping struct {
	key
	port    uint16
	peer    config.PublicKey
	pcp     bool           // made or renewed by PCP: nonce is its client's
	nonce   [nonceLen]byte //
	filters []Filter       // none: everybody is admitted
	expires time.Time
	timer   *time.Timer
	opened  Port
}

// left is the rest of the mapping's lifetime.
func (m *mapping) left(now time.Time) time.Duration { return max(0, m.expires.Sub(now)) }

func (m *mapping) setFilters(f []Filter) {
	m.filters = f
	m.opened.SetFilters(f)
}

// A rest keeps the port of a mapping that has ended from other clients.
type rest struct {
	internal netip.AddrPort
	nonce    [nonceLen]byte
	until    time.Time
}

// table holds the mappings. Server.mu guards it.
type table struct {
	byKey   map[key]*mapping
	byPort  map[outer]*mapping
	byPeer  map[config.PublicKey]int
	resting map[outer]rest
}

func newTable() table {
	return table{
		byKey: map[key]*mapping{}, byPort: map[outer]*mapping{}, byPeer: map[config.PublicKey]int{},
		resting: map[outer]rest{},
	}
}

// enter adds a mapping for lifetime.
func (s *Server) enter(now time.Time, m *mapping, lifetime time.Duration) {
	s.byKey[m.key] = m
	s.byPort[outer{m.proto, m.port}] = m
	s.byPeer[m.peer]++
	delete(s.resting, outer{m.proto, m.port})
	m.expires = now.Add(lifetime)
	m.timer = time.AfterFunc(lifetime, func() { s.expire(m) })
}

// renew gives a mapping a new lifetime.
func (s *Server) renew(now time.Time, m *mapping, lifetime time.Duration) {
	m.expires = now.Add(lifetime)
	m.timer.Reset(lifetime)
	s.counters.Renewed++
}

// expire ends a mapping whose time has come: it may have been renewed in this moment.
func (s *Server) expire(m *mapping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.byKey[m.key] == m && !now.Before(m.expires) {
		s.end(now, m)
		s.counters.Expired++
	}
}

// lost ends a mapping whose port was closed by others: its peer is gone.
func (s *Server) lost(m *mapping) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[m.key] == m {
		s.end(time.Now(), m)
		s.counters.Ended++
	}
}

// end removes a mapping and closes its port, which then rests. "the assigned external port […] SHOULD
// NOT be reused for an interval equal to the reuse time limit enforced by the NAT" RFC 6887 §15.
func (s *Server) end(now time.Time, m *mapping) {
	delete(s.byKey, m.key)
	o := outer{m.proto, m.port}
	delete(s.byPort, o)
	if s.byPeer[m.peer]--; s.byPeer[m.peer] == 0 {
		delete(s.byPeer, m.peer)
	}
	m.timer.Stop()
	m.opened.Close()
	if len(s.resting) >= restingMax {
		for port, r := range s.resting {
			if !now.Before(r.until) {
				delete(s.resting, port)
			}
		}
	}
	if len(s.resting) < restingMax {
		s.resting[o] = rest{m.internal, m.nonce, now.Add(portRest)}
	}
}
