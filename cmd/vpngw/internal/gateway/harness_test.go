package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"vpngw/adapter"
	"vpngw/config"
)

// This is the gateway as a whole: a client with a stack and a WireGuard device of its own, over the
// loopback interface; and real sockets of this host as the far side, which the client sees under
// addresses of 192.0.2.0/24.

// internet maps what clients dial to sockets on the loopback interface, which the guard would never
// let through.
type internet struct {
	mu    sync.Mutex
	hosts map[netip.AddrPort]netip.AddrPort // virtual to real
	errs  map[netip.AddrPort]error          // dials fail so
	dials map[netip.AddrPort]int

	sockets func(netip.AddrPort) (upstreamUDP, error)
	poller  poller
}

func newInternet(tb testing.TB) *internet {
	n := &internet{
		hosts: map[netip.AddrPort]netip.AddrPort{}, errs: map[netip.AddrPort]error{}, dials: map[netip.AddrPort]int{},
		sockets: newUDPListener(),
	}
	tb.Cleanup(n.poller.Close)
	return n
}

func (n *internet) place(virtual string, real net.Addr) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	v := netip.MustParseAddrPort(virtual)
	n.hosts[v] = addrPort(real)
	return v
}

// fail makes dials of virtual fail with err.
func (n *internet) fail(virtual string, err error) {
	n.mu.Lock()
	n.errs[netip.MustParseAddrPort(virtual)] = err
	n.mu.Unlock()
}

func (n *internet) real(virtual netip.AddrPort) (netip.AddrPort, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r, ok := n.hosts[virtual]
	return r, ok
}

func (n *internet) virtual(real netip.AddrPort) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	for v, r := range n.hosts {
		if r == real {
			return v
		}
	}
	return real
}

// dial is a dialFunc. A destination that nothing was placed at does not answer.
func (n *internet) dial(dst netip.AddrPort, _ int) attempt {
	n.mu.Lock()
	n.dials[dst]++
	err := n.errs[dst]
	n.mu.Unlock()
	if err != nil {
		return attempt{err: err}
	}
	r, ok := n.real(dst)
	if !ok {
		return attempt{wait: func(ctx context.Context) (upstream, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	}
	return beginTCP(&n.poller, r, 64)
}

// internetUDP is an upstreamUDP with the addresses translated.
type internetUDP struct {
	upstreamUDP
	n *internet
}

func (n *internet) listenUDP(at netip.AddrPort) (upstreamUDP, error) {
	u, err := n.sockets(at)
	return internetUDP{u, n}, err
}

func (u internetUDP) send(ds []udpDatagram) int {
	for i := range ds {
		if r, ok := u.n.real(ds[i].Addr); ok {
			ds[i].Addr = r
		} else {
			ds[i].Addr = netip.MustParseAddrPort("127.255.255.255:9") // nobody is there: lost
		}
	}
	return u.upstreamUDP.send(ds)
}

func (u internetUDP) receive(h upstreamHandler) { u.upstreamUDP.receive(internetHandler{h, u.n}) }

type internetHandler struct {
	upstreamHandler
	n *internet
}

func (h internetHandler) fromUpstream(ds []udpDatagram) {
	for i := range ds {
		ds[i].Addr = h.n.virtual(ds[i].Addr)
	}
	h.upstreamHandler.fromUpstream(ds)
}

func (h internetHandler) failedUpstream(dst netip.AddrPort, why fault) {
	why.From = netip.Addr{} // a host of the real network
	h.upstreamHandler.failedUpstream(h.n.virtual(dst), why)
}

// A site is a running gateway with its internet.
type site struct {
	*Gateway
	*internet
	t   *testing.T
	cfg *config.Config
}

func newKey(t testing.TB) config.PrivateKey {
	t.Helper()
	k, err := config.GeneratePrivateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// testConfig is a configuration on a port that the system chooses, with n peers: p0 at 10.8.0.2, p1
// at 10.8.0.3, …
func testConfig(t *testing.T, n int) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Interface.PrivateKey = newKey(t)
	cfg.Interface.ListenPort = 0
	for i := range n {
		cfg.Peers = append(cfg.Peers, testConfigPeer(t, i))
	}
	return cfg
}

func testConfigPeer(t *testing.T, i int) config.Peer {
	t.Helper()
	k := newKey(t)
	return config.Peer{
		Name: fmt.Sprint("p", i), PrivateKey: k, PublicKey: k.Public(),
		AllowedIPs: prefixes(fmt.Sprintf("10.8.0.%d/32", i+2)),
	}
}

// startSite starts a gateway with cfg; the test's end closes it and checks that nothing of it is
// left. prepare runs before its start.
func startSite(t *testing.T, cfg *config.Config, prepare ...func(*Gateway)) *site {
	t.Helper()
	before := runtime.NumGoroutine()
	n := newInternet(t)
	g, err := New(cfg, Options{Logger: testLog(t), dial: n.dial})
	if err != nil {
		t.Fatal(err)
	}
	g.fwd.listenUDP = n.listenUDP
	g.fwd.policy.guard.interfaces = func() ([]net.Addr, error) { return nil, nil } // they may be of 192.0.2.0/24
	for _, f := range prepare {
		f(g)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := g.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		n.poller.Close()
		wantGoroutines(t, before)
	})
	return &site{Gateway: g, internet: n, t: t, cfg: cfg}
}

// testLog shows the gateway's log if the test fails.
func testLog(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// wantGoroutines waits until there are no more goroutines than at the start, and shows them if
// there stay more.
func wantGoroutines(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			return
		}
		runtime.Gosched()
	}
}

// A client is a stock peer: a WireGuard device over a stack.
type client struct {
	*adapter.Net
	dev *device.Device
	t   *testing.T
}

// client connects peer i of the site's configuration.
func (s *site) client(i int) *client {
	s.t.Helper()
	p := s.cfg.Peers[i]
	return s.clientAs(p.PrivateKey, p.AllowedIPs[0].Addr())
}

// clientAs connects a peer with any key and any address.
func (s *site) clientAs(key config.PrivateKey, addr netip.Addr) *client {
	s.t.Helper()
	n, err := adapter.New(adapter.Options{Addresses: []netip.Addr{addr}, UserTimeout: time.Minute})
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{Net: n, t: s.t, dev: clientDevice(n.Device())}
	s.connect(c.dev, key)
	s.t.Cleanup(c.dev.Close)
	return c
}

func clientDevice(t tun.Device) *device.Device {
	return device.NewDevice(t, conn.NewDefaultBind(), &device.Logger{Verbosef: device.DiscardLogf, Errorf: device.DiscardLogf})
}

// connect makes dev a peer of the gateway.
func (s *site) connect(dev *device.Device, key config.PrivateKey) {
	s.t.Helper()
	var w strings.Builder
	fmt.Fprintf(&w, "private_key=%s\nlisten_port=0\npublic_key=%s\nendpoint=127.0.0.1:%d\nallowed_ip=0.0.0.0/0\n",
		key.RevealHex(), s.cfg.Interface.PrivateKey.Public().Hex(), s.Status().ListenPort)
	if err := dev.IpcSet(w.String()); err != nil {
		s.t.Fatal(err)
	}
	if err := dev.Up(); err != nil {
		s.t.Fatal(err)
	}
}

// dialTCP connects through the tunnel; it may take as long as the test.
func (c *client) dialTCP(dst netip.AddrPort) (*adapter.TCPConn, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	return c.DialContextTCPAddrPort(ctx, dst)
}

// mustDialTCP is dialTCP that must work.
func (c *client) mustDialTCP(dst netip.AddrPort) *adapter.TCPConn {
	c.t.Helper()
	conn, err := c.dialTCP(dst)
	if err != nil {
		c.t.Fatalf("dial %v: %v", dst, err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// server is a TCP listener of the far side; its connections come out of the channel.
func (s *site) server(virtual string) (netip.AddrPort, <-chan *net.TCPConn) {
	s.t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.t.Fatal(err)
	}
	conns := make(chan *net.TCPConn, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			conns <- c
		}
	}()
	s.t.Cleanup(func() {
		_ = l.Close()
		<-done
		close(conns)
		for c := range conns {
			_ = c.Close()
		}
	})
	return s.place(virtual, l.Addr()), conns
}

// open makes a connection through the gateway and returns both ends.
func (s *site) open(c *client, virtual string) (*adapter.TCPConn, *net.TCPConn) {
	s.t.Helper()
	dst, conns := s.server(virtual)
	down := c.mustDialTCP(dst)
	up := await(s.t, "connection at the server", conns)
	s.t.Cleanup(func() { _ = up.Close() })
	return down, up
}
