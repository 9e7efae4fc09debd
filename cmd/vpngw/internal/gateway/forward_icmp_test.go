package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/adapter"
)

// fakePing is an echo request of a client.
type fakePing struct {
	src, dst netip.Addr
	ident    uint16
	sequence uint16
	hops     int
	df       bool
	data     string

	mu  sync.Mutex
	got []string
}

func (p *fakePing) client() netip.Addr      { return p.src }
func (p *fakePing) destination() netip.Addr { return p.dst }
func (p *fakePing) id() uint16              { return p.ident }
func (p *fakePing) seq() uint16             { return p.sequence }
func (p *fakePing) ttl() int                { return p.hops }
func (p *fakePing) tos() int                { return 0x20 }
func (p *fakePing) dontFragment() bool      { return p.df }
func (p *fakePing) payload() []byte         { return []byte(p.data) }
func (p *fakePing) forget()                 { p.data = "" }
func (p *fakePing) reply(b []byte, ttl int) { p.add(fmt.Sprint("reply ", string(b), " ", ttl)) }
func (p *fakePing) reject(a answer)         { p.add(fmt.Sprint("answer ", a)) }
func (p *fakePing) fail(f fault) {
	p.add(fmt.Sprint("fault ", f.Type, "/", f.Code, " from ", f.From, " mtu ", f.MTU))
}

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
	sent   []string
	err    error
	events chan func(pingReply, pingFailure)
	closed chan struct{}
}

type (
	pingReply   = func(src netip.Addr, seq uint16, ttl int, payload []byte)
	pingFailure = func(dst netip.Addr, seq int, why fault)
)

func (s *fakePingSocket) send(r pingMessage) error {
	s.sent = append(s.sent, fmt.Sprint(r.dst, " ", r.seq, " ", r.ttl, " ", r.tos, " ", r.dontFragment, " ", string(r.payload)))
	return s.err
}

func (s *fakePingSocket) receive(reply pingReply, failed pingFailure) {
	for {
		select {
		case f := <-s.events:
			f(reply, failed)
		case <-s.closed:
			return
		}
	}
}

func (s *fakePingSocket) close() { close(s.closed) }

func (s *fakePingSocket) answer(src string, seq uint16, payload string) {
	s.events <- func(reply pingReply, _ pingFailure) {
		reply(netip.MustParseAddr(src), seq, 57, []byte(payload))
	}
	synctest.Wait()
}

func (s *fakePingSocket) fail(dst string, seq int, why fault) {
	s.events <- func(_ pingReply, failed pingFailure) { failed(netip.MustParseAddr(dst), seq, why) }
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
			s := &fakePingSocket{events: make(chan func(pingReply, pingFailure)), closed: make(chan struct{})}
			p.socks = append(p.socks, s)
			return s, nil
		}
		test(t, p)
		_ = w.end(t.Context())
		if len(w.pings.byClient) != 0 {
			t.Errorf("%d ping flows are still known", len(w.pings.byClient))
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
		elsewhere := w.ping("10.8.0.2", "192.0.2.2", 8, 1, "other host")
		sock := w.socks[0]
		if want := "192.0.2.1 1 63 32 false payload one"; sock.sent[0] != want {
			t.Errorf("sent %q, want %q: the lifetime is one hop shorter", sock.sent[0], want)
		}
		if first.data != "" {
			t.Error("the payload is kept while the request waits")
		}
		sock.answer("192.0.2.1", 2, "answer two") // out of order
		sock.answer("198.51.100.9", 1, "not whom we asked")
		sock.answer("192.0.2.2", 1, "answer elsewhere")
		sock.answer("192.0.2.1", 1, "answer one")
		sock.answer("192.0.2.1", 1, "a second answer")
		sock.answer("192.0.2.1", 77, "never asked")
		for p, want := range map[*fakePing]string{
			first: "reply answer one 56", second: "reply answer two 56", elsewhere: "reply answer elsewhere 56",
		} {
			if got := p.result(); got != want {
				t.Errorf("seq %d got %q, want %q", p.sequence, got, want)
			}
		}
	})
}

// TestPingsShareSockets: a thousand processes that ping a thousand hosts need one socket; those that
// ping the same host at once need few, and keep their sequence number as long as there are any.
func TestPingsShareSockets(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		for i := range 1000 {
			w.ping("10.8.0.2", fmt.Sprintf("192.0.%d.%d", 2+i/250, 1+i%250), uint16(i), 1, "")
		}
		if len(w.socks) != 1 {
			t.Errorf("%d sockets for a sweep", len(w.socks))
		}
		var same []*fakePing
		for i := range 100 {
			same = append(same, w.ping("10.8.0.3", "198.51.100.1", uint16(i), 1, "x"))
		}
		mine := w.socks[1:]
		if len(mine) != pingFlowsPerClientMax {
			t.Fatalf("%d sockets for a hundred processes", len(mine))
		}
		for i, sock := range mine {
			if want := "198.51.100.1 1 63 32 false x"; sock.sent[0] != want {
				t.Errorf("socket %d sent %q, want %q", i, sock.sent[0], want)
			}
		}
		answered := 0
		for _, sock := range mine {
			for _, sent := range sock.sent {
				var dst string
				var seq uint16
				_, _ = fmt.Sscan(sent, &dst, &seq)
				sock.answer(dst, seq, "y")
			}
		}
		for _, p := range same {
			if p.result() == "reply y 56" {
				answered++
			}
		}
		if answered != 100 {
			t.Errorf("%d of 100 processes were answered", answered)
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
		router := netip.MustParseAddr("198.51.100.1")
		waiting := w.ping("10.8.0.2", "192.0.2.1", 1, 1, "")
		w.socks[0].fail("192.0.2.1", 1, fault{Fault: adapter.Fault{Type: 11, From: router}})
		if got, want := waiting.result(), "fault 11/0 from 198.51.100.1 mtu 0"; got != want {
			t.Errorf("time exceeded on the way: %s, want %s", got, want)
		}
		waiting = w.ping("10.8.0.2", "192.0.2.1", 1, 1, "")
		w.policy.guard.setOwn([]net.Addr{&net.IPNet{IP: router.AsSlice(), Mask: net.CIDRMask(24, 32)}})
		w.socks[0].fail("192.0.2.1", 1, fault{Fault: adapter.Fault{Type: 3, Code: 1, From: router}})
		if got, want := waiting.result(), "fault 3/1 from invalid IP mtu 0"; got != want {
			t.Errorf("no neighbour, says this host: %s, want %s", got, want)
		}
		waiting = w.ping("10.8.0.2", "192.0.2.1", 1, 1, "")
		w.socks[0].fail("192.0.2.1", 1, fault{Fault: adapter.Fault{Type: 11, From: netip.MustParseAddr("10.8.0.3")}})
		if got, want := waiting.result(), "fault 11/0 from invalid IP mtu 0"; got != want {
			t.Errorf("in the name of another peer: %s, want %s", got, want)
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

// TestPingTooLargeForThisHost: the system says only that something to that host was too large.
func TestPingTooLargeForThisHost(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		large := strings.Repeat("x", 1400)
		small := w.ping("10.8.0.2", "192.0.2.1", 1, 1, "")
		may := w.ping("10.8.0.2", "192.0.2.1", 1, 2, large)
		w.socks[0].err = syscall.EMSGSIZE
		must := &fakePing{
			src: netip.MustParseAddr("10.8.0.2"), dst: netip.MustParseAddr("192.0.2.1"), ident: 1, sequence: 3,
			hops: 64, data: large, df: true,
		}
		w.handlePing(must)
		w.socks[0].fail("192.0.2.1", -1, fault{Fault: adapter.Fault{Type: 3, Code: 4, MTU: 1400}})
		for p, want := range map[*fakePing]string{small: "", may: "", must: "fault 3/4 from invalid IP mtu 1400"} {
			if got := p.result(); got != want {
				t.Errorf("seq %d: %q, want %q", p.sequence, got, want)
			}
		}
	})
}

func TestPingIsBounded(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		const fit = pingFlowsPerClientMax * pingOutstandingMax
		for i := range fit + 10 {
			w.ping("10.8.0.2", "192.0.2.1", 1, uint16(i), "")
		}
		if n := w.budgets.total().Ping; n != pingFlowsPerClientMax {
			t.Errorf("%d flows of one client", n)
		}
		if over := w.counters.pingOverBudget.Load(); over != 10 {
			t.Errorf("%d requests over budget, want 10", over)
		}
		w.ping("10.8.0.3", "192.0.2.1", 1, 1, "")
		if over := w.counters.pingOverBudget.Load(); over != 10 {
			t.Error("another peer must not be held up")
		}
		time.Sleep(pingAnswerMax)
		w.ping("10.8.0.2", "192.0.2.1", 1, 65000, "")
		if over := w.counters.pingOverBudget.Load(); over != 10 {
			t.Error("requests that nobody answered are still waited for")
		}
	})
}

// TestPingFlowForgetsAnswered: one request that is lost does not make a busy flow keep all others.
func TestPingFlowForgetsAnswered(t *testing.T) {
	inPingWorld(t, func(t *testing.T, w *pingWorld) {
		w.ping("10.8.0.2", "192.0.2.1", 1, 0, "")
		for i := range 3 * pingOutstandingMax {
			w.ping("10.8.0.2", "192.0.2.1", 1, uint16(i+1), "")
			w.socks[0].answer("192.0.2.1", uint16(i+1), "")
		}
		flow := w.pings.byClient[netip.MustParseAddr("10.8.0.2")][0]
		if over := w.counters.pingOverBudget.Load(); over != 0 || len(w.socks) != 1 || len(flow.order) > 2*pingOutstandingMax {
			t.Errorf("%d over budget, %d sockets, %d remembered", over, len(w.socks), len(flow.order))
		}
	})
}

func TestCheckPingSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err          error
		problem, fix string
	}{
		{os.NewSyscallError("socket", syscall.EACCES), "ping_group_range", "sysctl -w net.ipv4.ping_group_range="},
		{errors.ErrUnsupported, runtime.GOOS, "Linux"},
		{os.NewSyscallError("socket", syscall.EMFILE), "too many open files", "ulimit -n"},
	} {
		got := checkPing(func() (pingSocket, error) { return nil, c.err })
		if got == nil || !strings.Contains(got.Problem, c.problem) || !strings.Contains(got.Fix, c.fix) {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	sock := &fakePingSocket{closed: make(chan struct{})}
	if got := checkPing(func() (pingSocket, error) { return sock, nil }); got != nil {
		t.Errorf("all is well: %+v", got)
	}
	<-sock.closed
}
