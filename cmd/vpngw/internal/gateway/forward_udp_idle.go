package gateway

import (
	"container/heap"
	"slices"
	"time"
)

// ruleBy makes a destination port's timeout that of the mapping, if it is the longest so far.
func (m *udpMapping) ruleBy(port uint16) {
	s := m.f.settings.Load()
	if now := m.rule.Load(); now == 0 || s.UDPTimeout(port) > s.UDPTimeout(uint16(now)) {
		m.rule.Store(uint32(port))
	}
}

// idleMax is how long the mapping may be idle: as long as the settings say for the destination ports
// that the client has sent to, the longest of which counts. RFC 4787 §4.3 REQ-5.
func (m *udpMapping) idleMax() time.Duration {
	return m.f.settings.Load().UDPTimeout(uint16(m.rule.Load()))
}

// reviewIdle applies UDP timeouts that have changed to the mappings that are open.
func (f *forwarder) reviewIdle() {
	for _, p := range f.peers.Load().peers {
		p.mu.Lock()
		mappings := slices.Clone(p.mappings)
		p.mu.Unlock()
		for _, m := range mappings {
			m.idle.review()
		}
	}
}

// idleRanks orders mappings by when they were last used, as far as that is known: a heap whose least
// element is looked at again before it is believed. So a mapping's use costs nothing here, and the
// longest idle of ten thousand is found at once.
type idleRanks []*udpMapping

// idleRank is a mapping's place there. peer.mu guards it.
type idleRank struct {
	index int   // from 1; 0: none
	used  int64 // as idle.used was when last looked at
}

func (r idleRanks) Len() int           { return len(r) }
func (r idleRanks) Less(i, j int) bool { return r[i].rank.used < r[j].rank.used }
func (r idleRanks) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].rank.index, r[j].rank.index = i+1, j+1
}

func (r *idleRanks) Push(x any) {
	m := x.(*udpMapping)
	*r = append(*r, m)
	m.rank.index = len(*r)
}

func (r *idleRanks) Pop() any {
	last := len(*r) - 1
	m := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	m.rank.index = 0
	return m
}

// rank enters a mapping among those that may be evicted.
func (p *peer) rank(m *udpMapping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m.rank.used = m.idle.used.Load()
	heap.Push(&p.mappings, m)
}

func (p *peer) unrank(m *udpMapping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.rank.index > 0 {
		heap.Remove(&p.mappings, m.rank.index-1)
	}
}

// longestIdleMapping returns the UDP mapping of the peer that was used least recently, nil if it
// has none that may be evicted.
func (p *peer) longestIdleMapping() *udpMapping {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.mappings) > 0 {
		m := p.mappings[0]
		used := m.idle.used.Load()
		if used == m.rank.used {
			return m
		}
		m.rank.used = used
		heap.Fix(&p.mappings, 0)
	}
	return nil
}
