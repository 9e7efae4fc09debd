package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

// The rows of the table in doc.go, with the far side and the stack played by the test, on virtual
// time. That the real stack and real sockets behave so is shown in gateway_test.go.

// fakeRequest is a client's SYN.
type fakeRequest struct {
	src, dst netip.AddrPort
	hops     int
	ctx      context.Context
	giveUp   context.CancelFunc

	mu       sync.Mutex
	accepted bool
	answers  []answer
	faults   []fault
	app      *fakeConn // the client's end, once accepted
	gone     bool      // the client went away unnoticed: accept fails
}

func newRequest(src string, dst netip.AddrPort) *fakeRequest {
	r := &fakeRequest{src: netip.MustParseAddrPort(src), dst: dst, hops: 64}
	r.ctx, r.giveUp = context.WithCancel(context.Background())
	return r
}

func (r *fakeRequest) client() netip.AddrPort      { return r.src }
func (r *fakeRequest) destination() netip.AddrPort { return r.dst }
func (r *fakeRequest) ttl() int                    { return r.hops }
func (r *fakeRequest) Context() context.Context    { return r.ctx }

func (r *fakeRequest) accept() (tcpConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return nil, net.ErrClosed
	}
	var ours *fakeConn
	ours, r.app = fakePipe(1000)
	r.accepted = true
	return ours, nil
}

func (r *fakeRequest) reject(a answer) {
	r.mu.Lock()
	r.answers = append(r.answers, a)
	r.mu.Unlock()
}

func (r *fakeRequest) fail(why fault) {
	r.mu.Lock()
	r.faults = append(r.faults, why)
	r.mu.Unlock()
}

// state is "waiting", "accepted" or the answer; it waits until nothing moves.
func (r *fakeRequest) state() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.accepted && len(r.answers) == 0:
		return "accepted"
	case r.accepted || len(r.answers) > 1 && !r.gone:
		return "answered more than once"
	case len(r.faults) == 1:
		return fmt.Sprint("fault ", r.faults[0].Type, "/", r.faults[0].Code, " from ", r.faults[0].From)
	case len(r.answers) == 1:
		return [...]string{"silence", "refused", "no net", "no host", "no port", "prohibited"}[r.answers[0]]
	}
	return "waiting"
}

// world is a forwarder whose destinations the test plays.
type world struct {
	*forwarder
	t *testing.T

	mu    sync.Mutex
	hosts map[netip.AddrPort]func(context.Context) (upstream, error) // absent: no answer
	dials map[netip.AddrPort]int
	ttl   int // of the last dial
}

func newWorld(t *testing.T, peers ...config.Peer) *world {
	w := &world{
		forwarder: newForwarder(discardLog(), 0), t: t,
		hosts: map[netip.AddrPort]func(context.Context) (upstream, error){}, dials: map[netip.AddrPort]int{},
	}
	w.dial = w.fakeDial
	cfg := config.Default()
	w.configure(cfg)
	if peers == nil {
		peers = []config.Peer{
			{Name: "a", PublicKey: config.PublicKey{1}, AllowedIPs: prefixes("10.8.0.2/32")},
			{Name: "b", PublicKey: config.PublicKey{2}, AllowedIPs: prefixes("10.8.0.3/32")},
		}
	}
	w.forwarder.peers.Store(newPeerTable(peers, nil, &w.open))
	return w
}

func (w *world) fakeDial(dst netip.AddrPort, ttl int) attempt {
	w.mu.Lock()
	w.ttl = ttl
	host := w.hosts[dst]
	w.dials[dst]++
	w.mu.Unlock()
	return attempt{wait: func(ctx context.Context) (upstream, error) {
		if host != nil {
			return host(ctx)
		}
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
	}}
}

// listen makes dst answer and returns its ends of the connections.
func (w *world) listen(dst netip.AddrPort) <-chan *fakeConn {
	conns := make(chan *fakeConn, 1000)
	w.answer(dst, func(context.Context) (upstream, error) {
		ours, theirs := fakePipe(1000)
		conns <- theirs
		return ours, nil
	})
	return conns
}

// fail makes dst fail a dial with errno.
func (w *world) fail(dst netip.AddrPort, errno syscall.Errno) {
	w.answer(dst, func(context.Context) (upstream, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
	})
}

func (w *world) answer(dst netip.AddrPort, dial func(context.Context) (upstream, error)) {
	w.mu.Lock()
	w.hosts[dst] = dial
	w.mu.Unlock()
}

func (w *world) dialled(dst netip.AddrPort) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[dst]
}

// syn sends a request and returns it.
func (w *world) syn(src string, dst netip.AddrPort) *fakeRequest {
	r := newRequest(src, dst)
	w.handleTCP(r)
	return r
}

// finish checks that nothing is left once every flow has ended.
func (w *world) finish() {
	w.t.Helper()
	if err := w.end(context.Background()); err != nil {
		w.t.Error(err)
	}
	if left := w.budgets.total(); left != (FlowCounts{}) {
		w.t.Errorf("budget not returned: %+v", left)
	}
	for _, p := range w.forwarder.peers.Load().peers {
		p.mu.Lock()
		if len(p.flows)+len(p.dials) != 0 {
			w.t.Errorf("%s: %d flows and %d dials are still recorded", p.name(), len(p.flows), len(p.dials))
		}
		p.mu.Unlock()
	}
}

// inWorld runs a test on virtual time and checks that it leaves nothing behind.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		test(t, w)
		w.finish()
	})
}

func wantState(t *testing.T, why string, r *fakeRequest, want string) {
	t.Helper()
	if got := r.state(); got != want {
		t.Errorf("%s: %s, want %s", why, got, want)
	}
}

func TestSynAckComesOnlyAfterTheDestinationAnswered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer := make(chan struct{})
		w.answer(dstA, func(context.Context) (upstream, error) {
			<-answer
			ours, _ := fakePipe(10)
			return ours, nil
		})
		r := w.syn("10.8.0.2:1000", dstA)
		time.Sleep(9 * time.Second)
		wantState(t, "the destination has not answered", r, "waiting")
		if got := w.budgets.total(); got.Dialing != 1 || got.TCP != 0 {
			t.Errorf("%+v", got)
		}
		close(answer)
		wantState(t, "the destination has answered", r, "accepted")
		if got := w.budgets.total(); got.Dialing != 0 || got.TCP != 1 {
			t.Errorf("%+v", got)
		}
	})
}

func TestFailuresReachTheClientAsTheyAre(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ECONNREFUSED: "refused",
		syscall.ENETUNREACH:  "no net",
		syscall.EHOSTUNREACH: "no host",
		syscall.EACCES:       "prohibited",
		syscall.ETIMEDOUT:    "silence",
		syscall.EMFILE:       "silence",
	} {
		inWorld(t, func(t *testing.T, w *world) {
			w.fail(dstA, errno)
			wantState(t, errno.Error(), w.syn("10.8.0.2:1000", dstA), want)
		})
	}
}

func TestGuardedDestinationsAreNotDialled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for dst, want := range map[string]string{
			"127.0.0.1:22": "prohibited", "169.254.169.254:80": "prohibited", "10.8.0.3:22": "no host",
		} {
			dst := netip.MustParseAddrPort(dst)
			wantState(t, dst.String(), w.syn("10.8.0.2:1000", dst), want)
			if w.dialled(dst) != 0 {
				t.Errorf("%v was dialled", dst)
			}
		}
		if n := w.counters.tcpDenied.Load(); n != 3 {
			t.Errorf("%d counted", n)
		}
	})
}

func TestAddressOfNoPeerIsIgnored(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		wantState(t, "stranger", w.syn("10.8.0.77:1000", dstA), "silence")
		if w.dialled(dstA) != 0 || w.counters.noPeer.Load() != 1 {
			t.Error("dialled for nobody, or not counted")
		}
	})
}

func TestTimeoutIsSilentAndRemembered(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := w.syn("10.8.0.2:1000", dstA)
		time.Sleep(10 * time.Second)
		wantState(t, "no answer within dial_timeout", first, "silence")

		wantState(t, "a SYN right after", w.syn("10.8.0.2:1001", dstA), "silence")
		wantState(t, "a SYN of another peer", w.syn("10.8.0.3:1001", dstA), "silence")
		if n := w.dialled(dstA); n != 1 {
			t.Errorf("%d dials to a host that is known to be dead", n)
		}
		w.listen(dstB)
		wantState(t, "a healthy host", w.syn("10.8.0.2:1002", dstB), "accepted")

		time.Sleep(deadRetryMin)
		probe := w.syn("10.8.0.2:1003", dstA)
		wantState(t, "a SYN beside the new attempt", w.syn("10.8.0.3:1004", dstA), "silence")
		if n := w.dialled(dstA); n != 2 {
			t.Errorf("%d dials, want one new attempt at a time", n)
		}
		probe.giveUp()
		synctest.Wait()

		w.listen(dstA) // the host is back
		wantState(t, "the host is back", w.syn("10.8.0.3:1005", dstA), "accepted")
		wantState(t, "and stays so", w.syn("10.8.0.2:1006", dstA), "accepted")
		if w.counters.tcpTimeout.Load() != 1 || w.counters.tcpDead.Load() != 3 {
			t.Errorf("counted %+v", w.counters.snapshot())
		}
	})
}

func TestClientThatGivesUpCancelsTheDial(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		r := w.syn("10.8.0.2:1000", dstA)
		synctest.Wait()
		r.giveUp()
		synctest.Wait()
		if got := w.budgets.total(); got != (FlowCounts{}) {
			t.Errorf("after the client gave up: %+v", got)
		}
		if w.dead.size() != 0 {
			t.Error("an impatient client says nothing about the host")
		}
		r = w.syn("10.8.0.2:1001", dstA)
		time.Sleep(deadSuspectAfter)
		r.giveUp()
		synctest.Wait()
		if w.dead.size() != 1 {
			t.Error("three seconds without an answer: the host is suspect")
		}
		if w.counters.tcpGaveUp.Load() != 2 {
			t.Errorf("counted %+v", w.counters.snapshot())
		}
	})
}

func TestClientGoneAtAcceptResetsUpstream(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		conns := w.listen(dstA)
		r := newRequest("10.8.0.2:1000", dstA)
		r.gone = true
		w.handleTCP(r)
		if _, err := (<-conns).Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("upstream sees %v", err)
		}
		wantState(t, "a request that the stack could not accept is answered still", r, "silence")
	})
}

// established opens a flow and returns both applications' ends.
func (w *world) established(src string, dst netip.AddrPort) (client, server *fakeConn) {
	w.t.Helper()
	conns := w.listen(dst)
	r := w.syn(src, dst)
	if s := r.state(); s != "accepted" {
		w.t.Fatalf("flow not opened: %s", s)
	}
	return r.app, <-conns
}

func TestHalfCloseBothWays(t *testing.T) {
	for _, clientFirst := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			client, server := w.established("10.8.0.2:1000", dstA)
			first, second := client, server
			if !clientFirst {
				first, second = server, client
			}
			question, reply := bytes.Repeat([]byte("q"), 5000), bytes.Repeat([]byte("r"), 7000)
			go func() {
				_, _ = first.Write(question)
				_ = first.CloseWrite()
			}()
			if got, err := io.ReadAll(second); err != nil || !bytes.Equal(got, question) {
				t.Errorf("question: %d bytes, %v", len(got), err)
			}
			time.Sleep(time.Hour) // the other direction stays open for as long as it likes
			go func() {
				_, _ = second.Write(reply)
				_ = second.CloseWrite()
			}()
			if got, err := io.ReadAll(first); err != nil || !bytes.Equal(got, reply) {
				t.Errorf("reply: %d bytes, %v", len(got), err)
			}
			synctest.Wait()
			if got := w.budgets.total(); got != (FlowCounts{}) {
				t.Errorf("the flow has ended, but %+v", got)
			}
			if w.counters.tcpReset.Load() != 0 {
				t.Error("an orderly end counted as a reset")
			}
		})
	}
}

func TestResetCrossesOver(t *testing.T) {
	for _, clientResets := range []bool{true, false} {
		for _, halfClosed := range []string{"", "by the one who resets", "by the other"} {
			inWorld(t, func(t *testing.T, w *world) {
				client, server := w.established("10.8.0.2:1000", dstA)
				resets, other := server, client
				if clientResets {
					resets, other = client, server
				}
				switch halfClosed {
				case "by the one who resets":
					_ = resets.CloseWrite()
				case "by the other":
					_ = other.CloseWrite()
				}
				synctest.Wait()
				_, _ = io.ReadAll(io.LimitReader(other, 0))
				reset(resets)
				synctest.Wait()
				_, err := other.Write([]byte("x"))
				if halfClosed != "by the other" && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("client resets %v, half-closed %q: the other side can still write: %v", clientResets, halfClosed, err)
				}
				if _, err := other.Read(make([]byte, 1)); halfClosed == "" && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("client resets %v: the other side reads %v, want a reset, never the end of the stream", clientResets, err)
				}
				if n := w.counters.tcpReset.Load(); n != 1 {
					t.Errorf("client resets %v, half-closed %q: %d resets counted", clientResets, halfClosed, n)
				}
				if got := w.budgets.total(); got != (FlowCounts{}) {
					t.Errorf("client resets %v, half-closed %q: flow still open", clientResets, halfClosed)
				}
			})
		}
	}
}

func TestSideThatStopsReadingBlocksOnlyItsFlow(t *testing.T) {
	for _, clientStops := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			client, server := w.established("10.8.0.2:1000", dstA)
			from := client
			if clientStops {
				from = server
			}
			written := make(chan int, 1)
			go func() {
				n, _ := from.Write(make([]byte, 1<<20))
				written <- n
			}()
			synctest.Wait()
			select {
			case n := <-written:
				t.Fatalf("%d bytes went into a flow whose far side does not read", n)
			default:
			}
			if from.unread() != 1000 {
				t.Errorf("%d bytes of room left to the sender", 1000-from.unread())
			}
			// Another flow of the same peer to the same host goes on, both ways.
			other, otherServer := w.established("10.8.0.2:1001", dstA)
			_, _ = other.Write([]byte("ping"))
			buf := make([]byte, 4)
			if _, err := io.ReadFull(otherServer, buf); err != nil || string(buf) != "ping" {
				t.Errorf("%q, %v", buf, err)
			}
		})
	}
}

func TestRemovedPeerLosesItsFlows(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		client, server := w.established("10.8.0.2:1000", dstA)
		stays, staysServer := w.established("10.8.0.3:1000", dstA)
		dialling := w.syn("10.8.0.2:1001", dstB)
		synctest.Wait()

		peer, _ := w.forwarder.peers.Load().lookup(netip.MustParseAddr("10.8.0.2"))
		peer.end(errPeerRemoved)
		for _, side := range []*fakeConn{client, server} {
			if _, err := side.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("removed peer's flow reads %v", err)
			}
		}
		wantState(t, "removed peer's dial", dialling, "silence")
		wantState(t, "removed peer's next SYN", w.syn("10.8.0.2:1002", dstA), "silence")
		_, _ = stays.Write([]byte("x"))
		if _, err := io.ReadFull(staysServer, make([]byte, 1)); err != nil {
			t.Errorf("another peer's flow: %v", err)
		}
	})
}
