package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/adapter"
	"vpngw/config"
)

// datagram is what crossed the mapping: from or to an address.
type datagram struct {
	text string
	addr netip.AddrPort
	ttl  uint8
	tos  uint8
	df   bool
}

// fakeUDP plays the client's socket, and the one towards the network, of a mapping on virtual time.
type fakeUDP struct {
	in     chan datagram
	closed chan struct{}
	once   sync.Once
	out    chan datagram
	told   chan datagram // what the client is told; text is the answer's number, or the fault's type and code
	full   bool
	err    error
	failed chan datagram
	number uint16 // port

	mu   sync.Mutex
	read []datagram // of in, for the mapping to take
	room int        // how many datagrams the network takes, if full
}

func newFakeUDP() *fakeUDP {
	return &fakeUDP{
		in: make(chan datagram, 100), closed: make(chan struct{}), out: make(chan datagram, 5000),
		told: make(chan datagram, 100), failed: make(chan datagram, 10),
	}
}

// loop calls got for each datagram of in, and failed for each of that channel.
func (u *fakeUDP) loop(got func(datagram), failed func(netip.AddrPort)) {
	for {
		select {
		case d := <-u.in:
			got(d)
		case d := <-u.failed:
			failed(d.addr)
		case <-u.closed:
			return
		}
	}
}

func (u *fakeUDP) close() { u.once.Do(func() { close(u.closed) }) }

func (u *fakeUDP) isClosed() bool {
	synctest.Wait()
	select {
	case <-u.closed:
		return true
	default:
		return false
	}
}

// next is the next datagram out, "" if there is none once nothing moves.
func (u *fakeUDP) next() (datagram, bool) {
	synctest.Wait()
	select {
	case d := <-u.out:
		return d, true
	default:
		return datagram{}, false
	}
}

type fakeUDPClient struct{ *fakeUDP }

func (c fakeUDPClient) readable(f func()) {
	go c.loop(func(d datagram) {
		c.mu.Lock()
		c.fakeUDP.read = append(c.fakeUDP.read, d)
		c.mu.Unlock()
		f()
	}, nil)
}

func (c fakeUDPClient) read(ds []adapter.Datagram) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(ds) && len(c.fakeUDP.read) > 0 {
		d := c.fakeUDP.read[0]
		c.fakeUDP.read = c.fakeUDP.read[1:]
		ds[n] = adapter.Datagram{Payload: []byte(d.text), To: d.addr, TTL: d.ttl, TOS: d.tos, DF: d.df}
		n++
	}
	return n
}

func (c fakeUDPClient) release(ds []adapter.Datagram) {
	for i := range ds {
		clear(ds[i].Payload) // it is not to be looked at any more
	}
}

func (c fakeUDPClient) write(ds []adapter.Datagram) int {
	if c.full {
		return 0
	}
	for _, d := range ds {
		c.out <- datagram{text: string(d.Payload), addr: d.From, tos: d.TOS, df: d.DF}
	}
	return len(ds)
}

func (c fakeUDPClient) unreachable(dst netip.AddrPort, told answer) {
	c.told <- datagram{text: fmt.Sprint(told), addr: dst}
}

func (c fakeUDPClient) fail(dst netip.AddrPort, why adapter.Fault) {
	c.told <- datagram{text: fmt.Sprint(why.Type, "/", why.Code, " from ", why.From), addr: dst}
}

type fakeUDPUpstream struct{ *fakeUDP }

func (u fakeUDPUpstream) receive(h upstreamHandler) {
	go u.loop(func(d datagram) { h.fromUpstream([]udpDatagram{{Payload: []byte(d.text), Addr: d.addr, TOS: d.tos}}) },
		func(dst netip.AddrPort) { h.failedUpstream(dst, portFault(dst.Addr())) })
}

// portFault is what a closed port answers.
func portFault(from netip.Addr) fault {
	return fault{Fault: adapter.Fault{Type: icmpUnreachable, Code: 3, From: from}, errno: syscall.ECONNREFUSED}
}

func (u fakeUDPUpstream) send(ds []udpDatagram) (n int) {
	for i := range ds {
		u.mu.Lock()
		stop := u.full && u.room == 0
		if u.room > 0 {
			u.room--
		}
		u.mu.Unlock()
		if stop {
			return i
		}
		if ds[i].Err = u.err; u.err == nil {
			u.out <- datagram{text: string(ds[i].Payload), addr: ds[i].Addr, ttl: ds[i].TTL, tos: ds[i].TOS, df: ds[i].DF}
		}
	}
	return len(ds)
}

func (u fakeUDPUpstream) waits() bool  { return false }
func (u fakeUDPUpstream) port() uint16 { return u.number }

// fakeUDPRequest is a client socket's first datagram.
type fakeUDPRequest struct {
	src   netip.AddrPort
	first datagram
	sock  *fakeUDP // the client's, once accepted
	told  []answer
}

func (r *fakeUDPRequest) client() netip.AddrPort      { return r.src }
func (r *fakeUDPRequest) destination() netip.AddrPort { return r.first.addr }
func (r *fakeUDPRequest) reject(a answer)             { r.told = append(r.told, a) }
func (r *fakeUDPRequest) accept() (udpClient, error) {
	r.sock = newFakeUDP()
	r.sock.in <- r.first
	return fakeUDPClient{r.sock}, nil
}

// udpWorld is a world whose UDP sockets the test plays.
type udpWorld struct {
	*world
	ups []*fakeUDP
	err error
}

func inUDPWorld(t *testing.T, test func(t *testing.T, w *udpWorld)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		u := &udpWorld{world: w}
		w.listenUDP = func(netip.AddrPort) (upstreamUDP, error) {
			if u.err != nil {
				return nil, u.err
			}
			u.ups = append(u.ups, newFakeUDP())
			u.ups[len(u.ups)-1].number = uint16(40000 + len(u.ups))
			return fakeUDPUpstream{u.ups[len(u.ups)-1]}, nil
		}
		test(t, u)
	})
}

// send is the first datagram of a client's socket.
func (w *udpWorld) send(src, text string, dst netip.AddrPort) *fakeUDPRequest {
	r := &fakeUDPRequest{src: netip.MustParseAddrPort(src), first: datagram{text: text, addr: dst}}
	w.handleUDP(r)
	return r
}

func wantDatagram(t *testing.T, why string, u *fakeUDP, text string, addr netip.AddrPort) {
	t.Helper()
	if got, ok := u.next(); !ok || got != (datagram{text: text, addr: addr}) {
		t.Errorf("%s: got %+v", why, got)
	}
}

func wantNoDatagram(t *testing.T, why string, u *fakeUDP) {
	t.Helper()
	if got, ok := u.next(); ok {
		t.Errorf("%s: got %+v", why, got)
	}
}

func TestUDPMappingIsEndpointIndependent(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "one", dstA)
		r.sock.in <- datagram{text: "two", addr: dstB}
		wantDatagram(t, "first destination", w.ups[0], "one", dstA)
		wantDatagram(t, "second destination, same socket", w.ups[0], "two", dstB)
		if len(w.ups) != 1 {
			t.Errorf("%d sockets for one client socket", len(w.ups))
		}
		w.send("10.8.0.2:5001", "three", dstA)
		if len(w.ups) != 2 {
			t.Error("another client socket shares the first one's")
		}
	})
}

func TestUDPFilteringIsAddressDependent(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		synctest.Wait()
		up := w.ups[0]
		up.in <- datagram{text: "answer", addr: dstA}
		wantDatagram(t, "answer with its true source", r.sock, "answer", dstA)
		otherPort := netip.AddrPortFrom(dstA.Addr(), 9)
		up.in <- datagram{text: "other port", addr: otherPort}
		wantDatagram(t, "same host, another port", r.sock, "other port", otherPort)
		up.in <- datagram{text: "stranger", addr: dstB}
		wantNoDatagram(t, "a host the client never sent to", r.sock)
		if n := w.counters.udpStranger.Load(); n != 1 {
			t.Errorf("%d strangers counted", n)
		}
		r.sock.in <- datagram{text: "hello", addr: dstB}
		synctest.Wait()
		up.in <- datagram{text: "no stranger", addr: dstB}
		wantDatagram(t, "now it has", r.sock, "no stranger", dstB)
	})
}

func TestUDPMappingRemembersBoundedlyManyHosts(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		for _, dst := range deadDestinations(2 * udpContactsMax) {
			r.sock.in <- datagram{text: "x", addr: dst}
		}
		synctest.Wait()
		p, _ := w.forwarder.peers.Load().lookup(r.src.Addr())
		m := p.longestIdleMapping()
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.contacts.many); n != udpContactsMax {
			t.Errorf("%d hosts and ports remembered", n)
		}
	})
}

func TestUDPIdleTimers(t *testing.T) {
	dns := netip.MustParseAddrPort("192.0.2.53:53")
	for _, c := range []struct {
		name string
		dsts []netip.AddrPort
		want time.Duration
	}{
		{"DNS", []netip.AddrPort{dns}, 30 * time.Second},
		{"other", []netip.AddrPort{dstA}, 5 * time.Minute},
		{"DNS, then other", []netip.AddrPort{dns, dstA}, 5 * time.Minute},
	} {
		inUDPWorld(t, func(t *testing.T, w *udpWorld) {
			r := w.send("10.8.0.2:5000", "q", c.dsts[0])
			for _, dst := range c.dsts[1:] {
				r.sock.in <- datagram{text: "q", addr: dst}
			}
			synctest.Wait()
			time.Sleep(c.want - time.Second)
			w.ups[0].in <- datagram{text: "late answer", addr: c.dsts[0]} // traffic starts the timer again
			synctest.Wait()
			time.Sleep(c.want - time.Second)
			if r.sock.isClosed() {
				t.Errorf("%s: ended before it was idle for %v", c.name, c.want)
			}
			time.Sleep(time.Second)
			if !r.sock.isClosed() || !w.ups[0].isClosed() {
				t.Errorf("%s: not ended after %v", c.name, c.want)
			}
			if n := w.budgets.total().UDP; n != 0 {
				t.Errorf("%s: %d mappings still counted", c.name, n)
			}
		})
	}
}

func TestStrangersDoNotKeepAMappingAlive(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		for range 10 {
			time.Sleep(time.Minute / 2)
			w.ups[0].in <- datagram{text: "stranger", addr: dstB}
		}
		if !r.sock.isClosed() {
			t.Error("still open after 5 minutes")
		}
	})
}

func TestUDPErrorsReachTheClient(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		synctest.Wait()
		up := w.ups[0]
		up.failed <- datagram{text: "", addr: dstA}
		if got := <-r.sock.told; got != (datagram{text: "3/3 from " + dstA.Addr().String(), addr: dstA}) {
			t.Errorf("closed port: %+v", got)
		}
		up.err = syscall.ENETUNREACH
		r.sock.in <- datagram{text: "q", addr: dstB}
		if got := <-r.sock.told; got != (datagram{text: fmt.Sprint(answerNoNet), addr: dstB}) {
			t.Errorf("no route: %+v", got)
		}
		up.err = nil
		r.sock.in <- datagram{text: "q", addr: netip.MustParseAddrPort("127.0.0.1:53")}
		if got := <-r.sock.told; got.text != fmt.Sprint(answerProhibited) {
			t.Errorf("guarded: %+v", got)
		}
		wantDatagram(t, "before", up, "q", dstA)
		wantNoDatagram(t, "guarded", up)
		r.sock.in <- datagram{text: "still works", addr: dstA}
		wantDatagram(t, "an error ends nothing", up, "still works", dstA)
	})
}

func TestUDPRequestsThatOpenNoMapping(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		for _, c := range []struct {
			name, src, dst string
			want           answer
		}{
			{"guarded", "10.8.0.2:1", "169.254.169.254:80", answerProhibited},
			{"another peer", "10.8.0.2:1", "10.8.0.3:80", answerNoHost},
			{"stranger", "10.8.0.99:1", "192.0.2.1:80", answerNothing},
		} {
			r := w.send(c.src, "q", netip.MustParseAddrPort(c.dst))
			if r.sock != nil || len(r.told) != 1 || r.told[0] != c.want {
				t.Errorf("%s: told %v", c.name, r.told)
			}
		}
		w.err = syscall.EMFILE
		var log bytes.Buffer
		w.log = slog.New(slog.NewTextHandler(&log, nil))
		for range 100 { // a client may try as often as it likes
			if r := w.send("10.8.0.2:1", "q", dstA); r.sock != nil || len(r.told) != 1 {
				t.Errorf("no file: told %v", r.told)
			}
		}
		if n := strings.Count(log.String(), "cannot open a UDP socket"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		if len(w.ups) != 0 || w.budgets.total() != (FlowCounts{}) {
			t.Error("something was opened")
		}
	})
}

func TestLongestIdleMappingMakesRoom(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		cfg := config.Default()
		cfg.Forward.MaxUDPFlowsPerPeer = 10
		w.configure(cfg)
		var mine []*fakeUDPRequest
		for i := range 10 {
			mine = append(mine, w.send(fmt.Sprintf("10.8.0.2:%d", 5000+i), "q", dstA))
			time.Sleep(time.Second)
		}
		other := w.send("10.8.0.3:5000", "q", dstA)
		time.Sleep(time.Second)
		mine[0].sock.in <- datagram{text: "I am still here", addr: dstA}
		time.Sleep(time.Second)
		newest := w.send("10.8.0.2:6000", "q", dstA)
		for i, r := range mine {
			if gone := r.sock.isClosed(); gone != (i == 1) {
				t.Errorf("mapping %d: ended %v", i, gone)
			}
		}
		if newest.sock == nil || newest.sock.isClosed() || other.sock.isClosed() {
			t.Error("the new mapping, or another peer's, was not left open")
		}
		if n := w.budgets.total().UDP; n != 11 {
			t.Errorf("%d mappings counted, want 11", n)
		}
		if w.counters.udpEvicted.Load() != 1 {
			t.Error("not counted")
		}
	})
}

func TestFullClientQueueDropsAndCounts(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		synctest.Wait()
		r.sock.full = true
		w.ups[0].in <- datagram{text: "a", addr: dstA}
		synctest.Wait()
		if w.counters.udpDropped.Load() != 1 {
			t.Error("not counted")
		}
	})
}

func TestRemovedPeerLosesItsMappings(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		stays := w.send("10.8.0.3:5000", "q", dstA)
		p, _ := w.forwarder.peers.Load().lookup(r.src.Addr())
		p.end(errors.New("test"))
		if !r.sock.isClosed() || !w.ups[0].isClosed() || stays.sock.isClosed() {
			t.Error("the wrong mappings ended")
		}
	})
}
