package gateway

import (
	"net/netip"
	"sync"
	"testing"

	"vpngw/adapter"
	"vpngw/config"
)

var (
	dstA = netip.MustParseAddrPort("192.0.2.1:80")
	dstB = netip.MustParseAddrPort("192.0.2.2:80")
)

func testPeer(name string) *peer {
	p := &config.Peer{Name: name}
	copy(p.PublicKey[:], name)
	return newPeer(p, new(sync.WaitGroup))
}

// fill takes for p until the pool says no and returns how many it got.
func fill(b *pool, p *peer, dst netip.AddrPort) int {
	for n := 0; ; n++ {
		if b.check(p, dst) != enough {
			return n
		}
		b.take(p, dst)
	}
}

func TestGreedyPeersLeaveRoomForTheNext(t *testing.T) {
	b := newPool(1200, 0)
	got := []int{}
	for range 5 {
		got = append(got, fill(&b, testPeer("p"), dstA))
	}
	// One greedy peer may have half of the whole; each that comes later half of what is left.
	want := []int{600, 300, 150, 75, 38}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("peer %d got %d of 1200, want %d (all: %v)", i, got[i], want[i], got)
		}
	}
	if b.check(testPeer("newcomer"), dstA) != enough {
		t.Fatal("a peer that has nothing yet must get one")
	}
}

func TestGreedyPeersConverge(t *testing.T) {
	// Flows end and begin all the time: with two greedy peers the shares become even, a third stays
	// free.
	b := newPool(900, 0)
	p, q := testPeer("p"), testPeer("q")
	fill(&b, p, dstA)
	for range 2000 {
		if b.peers[p] > 0 {
			b.release(p, dstA)
		}
		for _, greedy := range []*peer{q, p} {
			if b.check(greedy, dstA) == enough {
				b.take(greedy, dstA)
			}
		}
	}
	for _, greedy := range []*peer{p, q} {
		if held := b.peers[greedy]; held < 290 || held > 310 {
			t.Errorf("a greedy peer holds %d of 900, want a third", held)
		}
	}
}

func TestPoolBounds(t *testing.T) {
	p, q := testPeer("p"), testPeer("q")
	for _, c := range []struct {
		name string
		pool pool
		want int
		why  shortage
	}{
		{"peer", pool{limit: 100, perPeer: 7}, 7, shortPeer},
		{"destination, fair share of it", pool{limit: 100, perDst: 10}, 5, shortDst},
		{"peer to one destination", pool{limit: 100, perDst: 100, perShare: 3}, 3, shortDst},
		{"nothing at all", pool{}, 0, shortPeer},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newPool(c.pool.limit, c.pool.perDst)
			b.perPeer, b.perShare = c.pool.perPeer, c.pool.perShare
			if n := fill(&b, p, dstA); n != c.want {
				t.Errorf("got %d, want %d", n, c.want)
			}
			if why := b.check(p, dstA); why != c.why {
				t.Errorf("shortage %d, want %d", why, c.why)
			}
			if c.why == shortDst && b.check(p, dstB) != enough {
				t.Error("another destination must still be reached")
			}
			if c.want > 0 && b.check(q, dstA) != enough {
				t.Error("another peer must not be held up")
			}
		})
	}
}

func TestReleaseReturnsEverything(t *testing.T) {
	b := newBudgets(newLimits(0))
	p := testPeer("p")
	for range 10 {
		if !b.take(&b.dials, p, dstA) || !b.take(&b.tcp, p, dstA) || !b.take(&b.udp, p, netip.AddrPort{}) {
			t.Fatal("no budget")
		}
	}
	if got, want := b.held(p), (FlowCounts{Dialing: 10, UDP: 10}); got != want {
		t.Errorf("held %+v, want %+v", got, want)
	}
	for range 10 {
		b.release(&b.dials, p, dstA)
		b.release(&b.tcp, p, dstA)
		b.release(&b.udp, p, netip.AddrPort{})
	}
	if got := b.total(); got != (FlowCounts{}) {
		t.Errorf("left over: %+v", got)
	}
	if n := len(b.dials.peers) + len(b.dials.dsts) + len(b.dials.shares); n != 0 {
		t.Errorf("%d entries stay in the maps", n)
	}
}

func TestLimitsFitTheFileLimit(t *testing.T) {
	if l := newLimits(0); l.tcpFlows != tcpFlowsMax || l.dials != dialsMax {
		t.Errorf("unknown file limit: %+v", l)
	}
	for _, files := range []int{1, 64, 1024, 20000, 1 << 20} {
		l := newLimits(files)
		sum, room := l.tcpFlows+l.udpMappings+l.pingFlows, max(files-filesReserved, 3)
		if sum > room {
			t.Errorf("%d files: %d would be open", files, sum)
		}
		if l.tcpFlows < tcpFlowsMax && sum < room-3 { // each may have been rounded down
			t.Errorf("%d files: %d could be open, %d would", files, room, sum)
		}
		if l.dials < 1 || l.tcpFlows < 1 || l.udpMappings < 1 || l.dials > max(1, l.tcpFlows) {
			t.Errorf("%d files: %+v", files, l)
		}
	}
}

func TestBudgetsFitThePorts(t *testing.T) {
	if l := newLimits(0); l.udpMappings >= ephemeralPorts || tcpFlowsPerDstMax >= ephemeralPorts {
		t.Errorf("%d UDP mappings, %d flows to one destination: there are %d ports", l.udpMappings, tcpFlowsPerDstMax, ephemeralPorts)
	}
}

// A peer that closes connections and acknowledges nothing leaves them to the stack, where no budget counts
// them any more.
func TestOnePeerCannotFillTheStack(t *testing.T) {
	for _, files := range []int{0, 1024, 20000, 65536} {
		b := newBudgets(newLimits(files))
		var o adapter.Options
		widen(&o, b)
		if left := o.Limits.Conns - o.Limits.ConnsPerRemote; left < b.tcp.limit/2 {
			t.Errorf("%d files: %d of %d connections are left to others", files, left, b.tcp.limit)
		}
		// A browser's thousand short connections must not be in the way of its next.
		if room := o.Limits.ConnsPerRemote - o.Limits.TimeWait; o.Limits.TimeWait == 0 || room < b.tcp.limit/2 {
			t.Errorf("%d files: beside %d connections in TIME-WAIT %d are left to the same peer", files, o.Limits.TimeWait, room)
		}
	}
}
