package ourstack

import (
	"sync"
	"sync/atomic"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// remote is what the stack knows of one remote address while it has anything to do with it: its
// share of memory, its turn at the output, its counts against the per-remote limits.
type remote struct {
	stack *Stack
	addr  wire.Addr
	refs  int        // remotes.mu guards it
	cfg   tcp.Config // of its connections: Memory is this share
	group group      // scheduler.mu guards it
	least leastRTT
	in    inbound

	blocks   atomic.Int64 // stream buffer blocks held
	conns    atomic.Int32 // TCP connections
	requests atomic.Int32 // pending TCP forward requests
	udpFlows atomic.Int32 // forwarded UDP flows
}

// remotes is the table of remote addresses. An entry lives while someone holds a reference.
type remotes struct {
	mu sync.Mutex
	m  map[wire.Addr]*remote
}

// acquire returns the entry of addr with one more reference.
func (s *Stack) acquireRemote(addr wire.Addr) *remote {
	s.remotes.mu.Lock()
	defer s.remotes.mu.Unlock()
	r := s.remotes.m[addr]
	if r == nil {
		r = &remote{stack: s, addr: addr, cfg: s.cfg.TCP}
		r.cfg.Memory = r
		r.cfg.Path = r
		r.cfg.MTU = s.mtuTo(addr)
		r.group.loopback = s.isOwn(addr)
		s.remotes.m[addr] = r
	}
	r.refs++
	return r
}

// release gives back a reference. What still holds the remote without one (a reader that has data
// left) may go on using its memory share.
func (r *remote) release() {
	r.stack.remotes.mu.Lock()
	defer r.stack.remotes.mu.Unlock()
	if r.refs--; r.refs == 0 {
		delete(r.stack.remotes.m, r.addr)
	}
}

// reserve counts one more against two limits, that of the whole stack and that of one remote
// address; false if either is reached.
func reserve(total *atomic.Int64, totalMax int, share *atomic.Int32, shareMax int) bool {
	if total.Add(1) > int64(totalMax) {
		total.Add(-1)
		return false
	}
	if share.Add(1) > int32(min(shareMax, 1<<30)) {
		share.Add(-1)
		total.Add(-1)
		return false
	}
	return true
}

// unreserve undoes reserve.
func unreserve(total *atomic.Int64, share *atomic.Int32) {
	share.Add(-1)
	total.Add(-1)
}
