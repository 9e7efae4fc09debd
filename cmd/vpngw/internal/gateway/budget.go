package gateway

import (
	"net/netip"
	"sync"
)

// A pool is one resource that all peers share and that is bounded: for all, for one peer, for one
// destination, and for one peer towards one destination. A bound of zero means unbounded, but for
// limit. Guarded by budgets.mu.
type pool struct {
	limit    int // for all peers together
	perPeer  int // for one peer
	perDst   int // for one destination, all peers together
	perShare int // for one peer towards one destination

	used   int
	peers  map[*peer]int
	dsts   map[netip.AddrPort]int
	shares map[share]int
}

// A share is what one peer holds towards one destination.
type share struct {
	peer *peer
	dst  netip.AddrPort
}

// A shortage says which bound a request met.
type shortage uint8

const (
	enough    shortage = iota
	shortPeer          // the peer's own bound, or its fair share of the whole
	shortDst           // a bound of the destination, or the peer's fair share of it
)

func newPool(limit, perDst int) pool {
	return pool{
		limit: limit, perDst: perDst,
		peers: map[*peer]int{}, dsts: map[netip.AddrPort]int{}, shares: map[share]int{},
	}
}

// check reports whether p may take one more towards dst.
//
// Of what is shared, a peer may hold at most as much as is still free (dynamic thresholds,
// Choudhury and Hahne 1998). So one greedy peer gets half of the whole, two get a third each, and
// there is always room for one who has nothing yet; no timer, no scan.
func (b *pool) check(p *peer, dst netip.AddrPort) shortage {
	held := b.peers[p]
	if held >= b.limit-b.used || b.perPeer > 0 && held >= b.perPeer {
		return shortPeer
	}
	held = b.shares[share{p, dst}]
	if b.perDst > 0 && held >= b.perDst-b.dsts[dst] || b.perShare > 0 && held >= b.perShare {
		return shortDst
	}
	return enough
}

// take adds one for p towards dst; check has said that it may.
func (b *pool) take(p *peer, dst netip.AddrPort) {
	b.used++
	b.peers[p]++
	b.dsts[dst]++
	b.shares[share{p, dst}]++
}

// release returns what take took.
func (b *pool) release(p *peer, dst netip.AddrPort) {
	b.used--
	decrement(b.peers, p)
	decrement(b.dsts, dst)
	decrement(b.shares, share{p, dst})
}

func decrement[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}

// budgets holds the pools. Safe for concurrent use; nothing blocks under mu.
type budgets struct {
	mu    sync.Mutex    // guards the fields below
	dials pool          // TCP dials under way
	tcp   pool          // TCP flows, those being dialled included: both hold a file
	udp   pool          // UDP mappings; they have no destination, their key is the zero AddrPort
	pings pool          // ping flows; as udp
	idle  chan struct{} // if not nil: closed when tcp becomes empty
}

func newBudgets(l limits) *budgets {
	b := &budgets{
		dials: newPool(l.dials, dialsPerDstMax),
		tcp:   newPool(l.tcpFlows, tcpFlowsPerDstMax),
		udp:   newPool(l.udpMappings, 0),
		pings: newPool(l.pingFlows, 0),
	}
	b.pings.perPeer = pingFlowsPerPeerMax
	return b
}

// configure sets the bounds that the operator may change. What is open stays open.
func (b *budgets) configure(tcp, udp, dials, dialsPerDst int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tcp.perPeer, b.udp.perPeer = tcp, udp
	b.dials.perPeer, b.dials.perShare = dials, dialsPerDst
}

// take takes one of pool for p and says whether it could. pool is one of b's.
func (b *budgets) take(pool *pool, p *peer, dst netip.AddrPort) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if pool.check(p, dst) != enough {
		return false
	}
	pool.take(p, dst)
	return true
}

// release returns one of pool.
func (b *budgets) release(pool *pool, p *peer, dst netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	pool.release(p, dst)
	b.wakeIdleLocked()
}

// held says how many of each p holds.
func (b *budgets) held(p *peer) FlowCounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return FlowCounts{
		Dialing: b.dials.peers[p],
		TCP:     b.tcp.peers[p] - b.dials.peers[p],
		UDP:     b.udp.peers[p],
		Ping:    b.pings.peers[p],
	}
}

// total is held for all peers together.
func (b *budgets) total() FlowCounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return FlowCounts{Dialing: b.dials.used, TCP: b.tcp.used - b.dials.used, UDP: b.udp.used, Ping: b.pings.used}
}

// limits are the bounds of the pools, fitted to the number of files that the process may open.
type limits struct{ dials, tcpFlows, udpMappings, pingFlows int }

// total is the files of all. A dial has that of its flow.
func (l limits) total() int { return l.tcpFlows + l.udpMappings + l.pingFlows }

// files is how many the process has to be allowed to have open for these bounds.
func (l limits) files() int { return l.total() + filesReserved }

// newLimits fits the bounds to files, the number of files that the process may have open (0:
// unknown).
func newLimits(files int) limits {
	l := limits{dials: dialsMax, tcpFlows: tcpFlowsMax, udpMappings: udpMappingsMax, pingFlows: pingFlowsMax}
	total := l.total()
	if room := max(0, files-filesReserved); files > 0 && room < total {
		fit := func(n int) int { return max(1, int(int64(n)*int64(room)/int64(total))) }
		l.tcpFlows, l.udpMappings, l.pingFlows = fit(l.tcpFlows), fit(l.udpMappings), fit(l.pingFlows)
		l.dials = min(fit(l.dials), max(1, l.tcpFlows/2))
	}
	return l
}
