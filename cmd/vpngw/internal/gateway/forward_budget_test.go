package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

// hosts returns n destinations that do not answer.
func deadDestinations(n int) []netip.AddrPort {
	list := make([]netip.AddrPort, n)
	for i := range list {
		list[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 443)
	}
	return list
}

func TestFiftyDeadHostsDoNotDelayALiveOne(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.listen(dstA)
		var waiting []*fakeRequest
		for i, dst := range deadDestinations(50) {
			for port := range 6 { // as many as a browser opens
				waiting = append(waiting, w.syn(fmt.Sprintf("10.8.0.2:%d", 1000+10*i+port), dst))
			}
		}
		began := time.Now()
		wantState(t, "the live host, same peer", w.syn("10.8.0.2:9000", dstA), "accepted")
		wantState(t, "the live host, other peer", w.syn("10.8.0.3:9000", dstA), "accepted")
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it took %v", waited)
		}
		wantState(t, "a dead one", waiting[0], "waiting")
		time.Sleep(10 * time.Second)
		wantState(t, "a dead one after dial_timeout", waiting[299], "silence")
	})
}

func TestScannerDoesNotShutOutItselfOrOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.listen(dstA)
		perPeer := w.settings.Load().MaxDialsPerPeer
		dead := deadDestinations(perPeer + 100)
		for i, dst := range dead[:perPeer] {
			w.syn(fmt.Sprintf("10.8.0.2:%d", 1000+i), dst)
		}
		over := w.syn("10.8.0.2:5000", dead[perPeer])
		wantState(t, "one more than the peer's budget, all others are fresh", over, "silence")
		wantState(t, "another peer", w.syn("10.8.0.3:1", dstA), "accepted")

		time.Sleep(dialEvictAge + time.Millisecond)
		wantState(t, "a live host, once the others have had their second", w.syn("10.8.0.2:5001", dstA), "accepted")
		if n := w.counters.tcpEvicted.Load(); n != 1 {
			t.Errorf("%d dials gave way, want 1", n)
		}
		if n := w.counters.tcpOverBudget.Load(); n != 1 {
			t.Errorf("%d SYNs over budget, want 1", n)
		}
		if n := w.budgets.total().Dialing; n != perPeer-1 {
			t.Errorf("%d dials under way, want %d", n, perPeer-1)
		}
	})
}

func TestOneDestinationIsBoundedPerPeer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		perDst := w.settings.Load().MaxDialsPerDestination
		for i := range perDst + 50 {
			w.syn(fmt.Sprintf("10.8.0.2:%d", 1000+i), dstA)
		}
		synctest.Wait()
		if n := w.dialled(dstA); n != perDst {
			t.Errorf("%d dials to one destination, want %d", n, perDst)
		}
		other := w.syn("10.8.0.3:1", dstA)
		wantState(t, "another peer, same destination", other, "waiting")
		w.listen(dstB)
		wantState(t, "same peer, another destination", w.syn("10.8.0.2:9000", dstB), "accepted")
		// A newer SYN takes the place of the oldest to the same destination, not of another.
		time.Sleep(dialEvictAge + time.Millisecond)
		wantState(t, "newer", w.syn("10.8.0.2:9001", dstA), "waiting")
		wantState(t, "another peer's dial", other, "waiting")
	})
}

func TestBusyPeerLeavesFlowsToOthers(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.budgets.tcp.limit = 100
		w.listen(dstA)
		opened := 0
		for i := range 100 {
			if w.syn(fmt.Sprintf("10.8.0.2:%d", 1000+i), dstA).state() == "accepted" {
				opened++
			}
		}
		if opened != 50 {
			t.Errorf("a busy peer got %d of 100 flows, want half", opened)
		}
		wantState(t, "another peer", w.syn("10.8.0.3:1", dstA), "accepted")
		peer, _ := w.forwarder.peers.Load().lookup(netip.MustParseAddr("10.8.0.2"))
		peer.abortFlows(errSourceRevoked, func(netip.Addr) bool { return true })
		synctest.Wait()
		wantState(t, "the busy peer once its flows have ended", w.syn("10.8.0.2:1", dstA), "accepted")
	})
}

func TestTenThousandHandshakesThatEndInResets(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conns := w.listen(dstA)
		for i := range 10000 {
			r := w.syn(fmt.Sprintf("10.8.0.2:%d", 1000+i%60000), dstA)
			if s := r.state(); s != "accepted" {
				t.Fatalf("connection %d: %s", i, s)
			}
			reset(r.app)
			<-conns
			synctest.Wait()
		}
		if got := w.budgets.total(); got != (FlowCounts{}) {
			t.Errorf("left over: %+v", got)
		}
	})
}

func TestDrain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.established("10.8.0.2:1000", dstA)
		g := &Gateway{log: w.log, fwd: w.forwarder, cfg: config.Default()}

		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := g.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a flow open: %v", err)
		}
		wantState(t, "a new request", w.syn("10.8.0.2:1001", dstA), "silence")

		done := make(chan error, 1)
		go func() { done <- g.Drain(context.Background()) }()
		synctest.Wait()
		_, _ = client.Write([]byte("x"))
		if _, err := server.Read(make([]byte, 1)); err != nil {
			t.Errorf("an open flow goes on while draining: %v", err)
		}
		_ = client.CloseWrite()
		synctest.Wait()
		select {
		case <-done:
			t.Error("drained with a flow half open")
		default:
		}
		_ = server.CloseWrite()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := g.Drain(context.Background()); err != nil {
			t.Error("nothing open:", err)
		}
	})
}
