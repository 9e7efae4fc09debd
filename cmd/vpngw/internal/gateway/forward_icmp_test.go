package gateway

import (
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fakePing is an echo request of a client.
type fakePing struct {
	src, dst netip.Addr
	ident    uint16
	sequence uint16
	hops     int
	data     string

	mu  sync.Mutex
	got []string
}

func (p *fakePing) client() netip.Addr      { return p.src }
func (p *fakePing) destination() netip.Addr { return p.dst }
func (p *fakePing) id() uint16              { return p.ident }
func (p *fakePing) seq() uint16             { return p.sequence }
func (p *fakePing) ttl() int                { return p.hops }
func (p *fakePing) payload() []byte         { return []byte(p.data) }
func (p *fakePing) reply(b []byte)          { p.add("reply " + string(b)) }
func (p *fakePing) reject(a answer)         { p.add(fmt.Sprint("answer ", a)) }

func (p *fakePing) add(s string) {
	p.mu.Lock()
	p.got = append(p.got, s)
	p.mu.Unlock()
}

// result is what the client got, "" for nothing.
func (p *fakePing) result() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got) > 1 {
		return fmt.Sprint(p.got)
	}
	return append(p.got, "")[0]
}

// fakePingSocket is the host's side of a ping flow.
type fakePingSocket struct {
	sent    []string
	err     error
	replies chan func(reply func(netip.Addr, uint16, []byte), failed func(netip.Addr, uint16, answer))
	closed  chan struct{}
}

func (s *fakePingSocket) send(dst netip.Addr, seq uint16, ttl int, payload []byte) error {
	s.sent = append(s.sent, fmt.Sprint(dst, " ", seq, " ", ttl, " ", string(payload)))
	return s.err
}

func (s *fakePingSocket) receive(reply func(netip.Addr, uint16, []byte), failed func(netip.Addr, uint16, answer)) {
	for {
		select {
		case f := <-s.replies:
			f(reply, failed)
		case <-s.closed:
			return
		}
	}
}

func (s *fakePingSocket) close() { close(s.closed) }

func (s *fakePingSocket) answer(src string, seq uint16, payload string) {
	s.replies <- func(reply func(netip.Addr, uint16, []byte), _ func(netip.Addr, uint16, answer)) {
		reply(netip.MustParseAddr(src), seq, []byte(payload))
	}
	synctest.Wait()
}

type pingWorld struct {
	*world
	socks []*fakePingSocket
}

func inPingWorld(t *testing.T, test func(t *testing.T, w *pingWorld)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		p := &pingWorld{world: w}
		w.pings.allowed = true
		w.pings.open = func() (pingSocket, error) {
			s := &fakePingSocket{
				replies: make(chan func(func(netip.Addr, uint16, []byte), func(netip.Addr, uint16, answer))),
				closed:  make(chan struct{}),
			}
			p.socks = append(p.socks, s)
			return s, nil
		}
		test(t, p)
		_ = w.end(t.Context())
		if len(w.pings.byKey) != 0 {
			t.Errorf("%d ping flows are still known", len(w.pings.byKey))
		}
	})
}

func (w *pingWorld) ping(src, dst string, id, seq uint16, data string) *fakePing {
	p := &fakePing{
		src: netip.MustParseAddr(src), dst: netip.MustParseAddr(dst), ident: id, sequence: seq, hops: 64, data: data,
	}
	w.handlePing(p)
	return p
}

func TestPingIsRelayedAsItIs(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		first := w.ping("10.8.0.2", "192.0.2.1", 7, 1, "payload one")
		second := w.ping("10.8.0.2", "192.0.2.1", 7, 2, "payload two")
		other := w.ping("10.8.0.2", "192.0.2.1", 8, 1, "other process")
		if len(w.socks) != 2 {
			t.Fatalf("%d sockets for two processes", len(w.socks))
		}
		sock := w.socks[0]
		if want := "192.0.2.1 1 63 payload one"; sock.sent[0] != want {
			t.Errorf("sent %q, want %q: the lifetime is one hop shorter", sock.sent[0], want)
		}
		sock.answer("192.0.2.1", 2, "answer two") // out of order
		sock.answer("198.51.100.9", 1, "not whom we asked")
		sock.answer("192.0.2.1", 1, "answer one")
		sock.answer("192.0.2.1", 1, "a second answer")
		sock.answer("192.0.2.1", 77, "never asked")
		for p, want := range map[*fakePing]string{first: "reply answer one", second: "reply answer two", other: ""} {
			if got := p.result(); got != want {
				t.Errorf("seq %d got %q, want %q", p.sequence, got, want)
			}
		}
	})
}

func TestPingFailures(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		for _, c := range []struct {
			name, src, dst string
			want           answer
		}{
			{"guarded", "10.8.0.2", "127.0.0.1", answerProhibited},
			{"another peer", "10.8.0.2", "10.8.0.3", answerNoHost},
			{"no peer's", "10.8.0.77", "192.0.2.1", answerNothing},
		} {
			if got := w.ping(c.src, c.dst, 1, 1, "").result(); got != fmt.Sprint("answer ", c.want) {
				t.Errorf("%s: %s", c.name, got)
			}
		}
		waiting := w.ping("10.8.0.2", "192.0.2.1", 1, 1, "")
		w.socks[0].replies <- func(_ func(netip.Addr, uint16, []byte), failed func(netip.Addr, uint16, answer)) {
			failed(netip.MustParseAddr("192.0.2.1"), 1, answerNoHost)
		}
		if got := waiting.result(); got != fmt.Sprint("answer ", answerNoHost) {
			t.Errorf("unreachable upstream: %s", got)
		}
		w.socks[0].err = syscall.ENETUNREACH
		if got := w.ping("10.8.0.2", "192.0.2.1", 1, 2, "").result(); got != fmt.Sprint("answer ", answerNoNet) {
			t.Errorf("no route: %s", got)
		}
		w.pings.allowed = false
		if got := w.ping("10.8.0.2", "192.0.2.1", 1, 3, "").result(); got != fmt.Sprint("answer ", answerProhibited) {
			t.Errorf("no ping sockets on this host: %s", got)
		}
	})
}

func TestPingFlowsEndWhenIdle(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		w.ping("10.8.0.2", "192.0.2.1", 1, 1, "")
		time.Sleep(pingIdleMax - time.Second)
		w.ping("10.8.0.2", "192.0.2.1", 1, 2, "")
		time.Sleep(pingIdleMax - time.Second)
		synctest.Wait()
		if n := w.budgets.total().Ping; n != 1 || len(w.socks) != 1 {
			t.Errorf("%d flows over %d sockets, want one that goes on", n, len(w.socks))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.budgets.total().Ping; n != 0 {
			t.Errorf("%d flows after a minute of silence", n)
		}
		w.ping("10.8.0.2", "192.0.2.1", 1, 3, "")
		if len(w.socks) != 2 {
			t.Error("the process pings again and gets no new flow")
		}
	})
}

func TestPingIsBounded(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		for i := range pingFlowsPerPeerMax + 10 {
			w.ping("10.8.0.2", "192.0.2.1", uint16(i), 1, "")
		}
		if n := w.budgets.total().Ping; n != pingFlowsPerPeerMax {
			t.Errorf("%d flows of one peer", n)
		}
		if w.ping("10.8.0.3", "192.0.2.1", 1, 1, "").result() != "" {
			t.Error("another peer must not be held up")
		}
		for seq := range pingOutstandingMax + 10 {
			w.ping("10.8.0.2", "192.0.2.1", 1, uint16(seq+100), "")
		}
		over := w.counters.pingOverBudget.Load()
		if over != 10+11 {
			t.Errorf("%d requests over budget, want 10 flows and 11 requests", over)
		}
		time.Sleep(pingAnswerMax)
		if w.ping("10.8.0.2", "192.0.2.1", 1, 5000, "").result() != "" {
			t.Error("requests that nobody answered are still waited for")
		}
	})
}
