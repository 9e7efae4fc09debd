package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

// datagram is what crossed the mapping: from or to an address.
type datagram struct {
	text string
	addr netip.AddrPort
}

// fakeUDP plays the client's socket, and the one towards the network, of a mapping on virtual time.
type fakeUDP struct {
	in     chan datagram
	closed chan struct{}
	once   sync.Once
	out    chan datagram
	told   chan datagram // unreachables; text is the answer's number
	full   bool
	err    error
	failed chan datagram
}

func newFakeUDP() *fakeUDP {
	return &fakeUDP{
		in: make(chan datagram, 100), closed: make(chan struct{}), out: make(chan datagram, 5000),
		told: make(chan datagram, 100), failed: make(chan datagram, 10),
	}
}

func (u *fakeUDP) loop(got func([]byte, netip.AddrPort), failed func(netip.AddrPort, answer)) {
	for {
		select {
		case d := <-u.in:
			got([]byte(d.text), d.addr)
		case d := <-u.failed:
			failed(d.addr, answerNoPort)
		case <-u.closed:
			return
		}
	}
}

func (u *fakeUDP) send(p []byte, addr netip.AddrPort) error {
	if u.full {
		return syscall.EAGAIN
	}
	if u.err != nil {
		return u.err
	}
	u.out <- datagram{string(p), addr}
	return nil
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

func (c fakeUDPClient) receive(got func([]byte, netip.AddrPort)) { c.loop(got, nil) }
func (c fakeUDPClient) unreachable(dst netip.AddrPort, told answer) {
	c.told <- datagram{fmt.Sprint(told), dst}
}

type fakeUDPUpstream struct{ *fakeUDP }

func (u fakeUDPUpstream) receive(got func([]byte, netip.AddrPort), failed func(netip.AddrPort, answer)) error {
	u.loop(got, failed)
	return nil
}

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
			return fakeUDPUpstream{u.ups[len(u.ups)-1]}, nil
		}
		test(t, u)
	})
}

// send is the first datagram of a client's socket.
func (w *udpWorld) send(src, text string, dst netip.AddrPort) *fakeUDPRequest {
	r := &fakeUDPRequest{src: netip.MustParseAddrPort(src), first: datagram{text, dst}}
	w.handleUDP(r)
	return r
}

func wantDatagram(t *testing.T, why string, u *fakeUDP, text string, addr netip.AddrPort) {
	t.Helper()
	if got, ok := u.next(); !ok || got != (datagram{text, addr}) {
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
		r.sock.in <- datagram{"two", dstB}
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
		up.in <- datagram{"answer", dstA}
		wantDatagram(t, "answer with its true source", r.sock, "answer", dstA)
		otherPort := netip.AddrPortFrom(dstA.Addr(), 9)
		up.in <- datagram{"other port", otherPort}
		wantDatagram(t, "same host, another port", r.sock, "other port", otherPort)
		up.in <- datagram{"stranger", dstB}
		wantNoDatagram(t, "a host the client never sent to", r.sock)
		if n := w.counters.udpStranger.Load(); n != 1 {
			t.Errorf("%d strangers counted", n)
		}
		r.sock.in <- datagram{"hello", dstB}
		synctest.Wait()
		up.in <- datagram{"no stranger", dstB}
		wantDatagram(t, "now it has", r.sock, "no stranger", dstB)
	})
}

func TestUDPMappingRemembersBoundedlyManyHosts(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "q", dstA)
		for _, dst := range deadDestinations(2 * udpContactsMax) {
			r.sock.in <- datagram{"x", dst}
		}
		synctest.Wait()
		p, _ := w.forwarder.peers.Load().lookup(r.src.Addr())
		m := p.longestIdleMapping()
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.contacts) != udpContactsMax {
			t.Errorf("%d hosts remembered", len(m.contacts))
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
				r.sock.in <- datagram{"q", dst}
			}
			synctest.Wait()
			time.Sleep(c.want - time.Second)
			w.ups[0].in <- datagram{"late answer", c.dsts[0]} // traffic starts the timer again
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
			w.ups[0].in <- datagram{"stranger", dstB}
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
		up.failed <- datagram{"", dstA}
		if got := <-r.sock.told; got != (datagram{fmt.Sprint(answerNoPort), dstA}) {
			t.Errorf("closed port: %+v", got)
		}
		up.err = syscall.ENETUNREACH
		r.sock.in <- datagram{"q", dstB}
		if got := <-r.sock.told; got != (datagram{fmt.Sprint(answerNoNet), dstB}) {
			t.Errorf("no route: %+v", got)
		}
		up.err = nil
		r.sock.in <- datagram{"q", netip.MustParseAddrPort("127.0.0.1:53")}
		if got := <-r.sock.told; got.text != fmt.Sprint(answerProhibited) {
			t.Errorf("guarded: %+v", got)
		}
		wantDatagram(t, "before", up, "q", dstA)
		wantNoDatagram(t, "guarded", up)
		r.sock.in <- datagram{"still works", dstA}
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
		if r := w.send("10.8.0.2:1", "q", dstA); r.sock != nil || len(r.told) != 1 {
			t.Errorf("no file: told %v", r.told)
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
		mine[0].sock.in <- datagram{"I am still here", dstA}
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
		w.ups[0].in <- datagram{"a", dstA}
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
