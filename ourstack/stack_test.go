package ourstack

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/netip"
	"testing"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

func seqOf(n uint32) seqnum.Value { return seqnum.Value(n) }

func TestNewChecksItsConfiguration(t *testing.T) {
	for name, cfg := range map[string]Config{
		"mtu too small":      {MTU: 127},
		"mtu too large":      {MTU: 65536},
		"multicast address":  {Addresses: []netip.Addr{netip.MustParseAddr("224.0.0.1")}},
		"unspecified":        {Addresses: []netip.Addr{netip.MustParseAddr("0.0.0.0")}},
		"congestion control": {TCP: tcp.Config{CongestionControl: "vegas"}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	s, err := New(Config{Addresses: []netip.Addr{netip.MustParseAddr("fd00::1")}})
	if err != nil {
		t.Fatalf("an IPv6 address is ignored, got %v", err)
	}
	if _, err := s.Dial(1, netip.AddrPort{}, ap("10.0.0.1:80")); !errors.Is(err, ErrAddrNotAvailable) {
		t.Errorf("dial without an address: %v", err)
	}
}

func TestConnectTransferClose(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	if got, want := server.RemoteAddr(), cl.LocalAddr(); got != want {
		t.Errorf("remote address %v, want %v", got, want)
	}
	if got := server.LocalAddr(); got != ap(gatewayAddr+":80") {
		t.Errorf("local address %v", got)
	}
	up, down := pattern(300_000, 1), pattern(500_000, 2)
	gotUp, gotDown := transfer(t, gateway, client, server, cl, up, down)
	if !bytes.Equal(gotUp, up) || !bytes.Equal(gotDown, down) {
		t.Fatalf("transfer damaged: %d of %d up, %d of %d down", len(gotUp), len(up), len(gotDown), len(down))
	}
	server.Close(gateway.now())
	cl.Close(client.now())
	run(gateway, client, 120*second, func() bool { return server.Released() && cl.Released() })
	for _, h := range []*host{gateway, client} {
		st := h.s.Stats()
		if st.Conns != 0 || st.Memory != 0 || st.TimeWait != 0 || len(h.s.remotes.m) != 0 {
			t.Errorf("left behind: %d conns, %d bytes, %d in TIME-WAIT, %d remotes",
				st.Conns, st.Memory, st.TimeWait, len(h.s.remotes.m))
		}
		if _, ok := h.s.NextDeadline(); ok {
			t.Error("a deadline is left behind")
		}
	}
}

// TestConnectionOverLossyLink: the same over a link that loses and repeats packets, for some seeds.
func TestConnectionOverLossyLink(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		filter := func([]byte) bool { return rng.IntN(20) != 0 }
		gateway, client := pair(t, func(c *Config) { c.Seed[2] = byte(seed) })
		l, err := gateway.s.Listen(ap("0.0.0.0:80"), 16)
		if err != nil {
			t.Fatal(err)
		}
		cl, err := client.s.Dial(client.now(), netip.AddrPort{}, ap(gatewayAddr+":80"))
		if err != nil {
			t.Fatal(err)
		}
		var server *Conn
		run(gateway, client, 300*second, func() bool {
			server, err = l.Accept()
			return err == nil
		}, filter)
		up, down := pattern(100_000, seed), pattern(100_000, seed+1)
		gotUp, gotDown := transfer(t, gateway, client, server, cl, up, down, filter)
		if !bytes.Equal(gotUp, up) || !bytes.Equal(gotDown, down) {
			t.Fatalf("seed %d: transfer damaged", seed)
		}
	}
}

// transfer sends up from cl to server and down the other way, each followed by a FIN, and returns
// what arrived.
func transfer(t *testing.T, gateway, client *host, server, cl *Conn, up, down []byte, filter ...func([]byte) bool) (gotUp, gotDown []byte) {
	t.Helper()
	upEnd, downEnd := false, false
	step := func(h *host, c *Conn, out *[]byte, in *[]byte, eof *bool) {
		for len(*out) > 0 {
			n, err := c.Write(h.now(), *out)
			*out = (*out)[n:]
			if len(*out) == 0 {
				if err := c.CloseWrite(h.now()); err != nil {
					t.Fatal(err)
				}
			}
			if errors.Is(err, ErrWouldBlock) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		var b [10000]byte
		for !*eof {
			n, err := c.Read(h.now(), b[:])
			*in = append(*in, b[:n]...)
			if errors.Is(err, io.EOF) {
				*eof = true
			} else if errors.Is(err, ErrWouldBlock) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	run(gateway, client, 600*second, func() bool {
		for range 1000 {
			step(client, cl, &up, &gotDown, &downEnd)
			step(gateway, server, &down, &gotUp, &upEnd)
			if upEnd && downEnd {
				return true
			}
			before := gateway.s.counters.packetsOut.Load() + client.s.counters.packetsOut.Load()
			exchange(gateway, client, filter...)
			if before == gateway.s.counters.packetsOut.Load()+client.s.counters.packetsOut.Load() {
				return false // time must pass
			}
		}
		return false
	}, filter...)
	return gotUp, gotDown
}

// pattern returns n bytes that no shifted or repeated part of them equals.
func pattern(n int, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func TestDialRefusedResetAndSilent(t *testing.T) {
	gateway, client := pair(t)
	cl, err := client.s.Dial(client.now(), netip.AddrPort{}, ap(gatewayAddr+":81"))
	if err != nil {
		t.Fatal(err)
	}
	var ev events
	cl.SetNotifier(&ev)
	exchange(gateway, client)
	if !errors.Is(cl.Err(), tcp.ErrRefused) || ev.seen&tcp.EventClosed == 0 {
		t.Errorf("closed port: error %v, events %b", cl.Err(), ev.seen)
	}
	if !cl.Released() || client.s.Stats().Conns != 0 {
		t.Error("the refused connection is still there")
	}
	gateway.wantDrop("tcp: refused", 1)

	cl, err = client.s.Dial(client.now(), netip.AddrPort{}, ap(gatewayAddr+":80"))
	if err != nil {
		t.Fatal(err)
	}
	run(gateway, client, 300*second, cl.Released, func([]byte) bool { return false })
	if !errors.Is(cl.Err(), tcp.ErrTimeout) {
		t.Errorf("silence: error %v", cl.Err())
	}
}

func TestDialChecksAddresses(t *testing.T) {
	h := newHost(t, clientAddr)
	for _, c := range []struct {
		local, remote string
		want          error
	}{
		{"", "224.0.0.1:80", ErrUnreachable},       // RFC 9293 §3.9.1.1 MUST-46
		{"", "255.255.255.255:80", ErrUnreachable}, // MUST-46
		{"", "0.0.0.0:80", ErrUnreachable},
		{"", "10.8.0.1:0", ErrUnreachable},
		{"", "[2001:db8::1]:80", ErrUnreachable},
		{"10.8.0.9:0", "10.8.0.1:80", ErrAddrNotAvailable},
		{"[fd00::1]:0", "10.8.0.1:80", ErrAddrNotAvailable},
	} {
		var local netip.AddrPort
		if c.local != "" {
			local = ap(c.local)
		}
		if _, err := h.s.Dial(h.now(), local, ap(c.remote)); !errors.Is(err, c.want) {
			t.Errorf("dial %s from %q: %v, want %v", c.remote, c.local, err, c.want)
		}
	}
	if _, err := h.s.Dial(h.now(), ap(clientAddr+":5000"), ap("10.8.0.1:80")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.Dial(h.now(), ap(clientAddr+":5000"), ap("10.8.0.1:80")); !errors.Is(err, ErrAddrInUse) {
		t.Errorf("the same pair again: %v", err)
	}
	if _, err := h.s.Dial(h.now(), ap(clientAddr+":5000"), ap("10.8.0.1:81")); err != nil {
		t.Errorf("the same port to another destination: %v", err)
	}
}

// TestPortsOfRFC6056: ports towards one destination differ and lie in the range; two stacks with
// other seeds choose others.
func TestPortsOfRFC6056(t *testing.T) {
	h := newHost(t, clientAddr)
	other := newHost(t, clientAddr, func(c *Config) { c.Seed[5] = 9 })
	seen := map[uint16]bool{}
	same := 0
	for range 500 {
		c, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.1:80"))
		if err != nil {
			t.Fatal(err)
		}
		o, err := other.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.1:80"))
		if err != nil {
			t.Fatal(err)
		}
		port := c.LocalAddr().Port()
		if port < ephemeralPortMin || seen[port] {
			t.Fatalf("port %d: out of range or repeated", port)
		}
		seen[port] = true
		if port == o.LocalAddr().Port() {
			same++
		}
	}
	if same > 250 {
		t.Errorf("%d of 500 ports are the same with another seed", same)
	}
}

// TestPortsRunOut: with every port to one destination taken, a dial fails; to another it works.
func TestPortsRunOut(t *testing.T) {
	h := newHost(t, clientAddr, func(c *Config) { c.Limits.ConnsPerRemote = 65536 })
	n := 0
	for {
		_, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.1:80"))
		if errors.Is(err, ErrAddrNotAvailable) {
			break
		}
		if err != nil || n > numEphemeral {
			t.Fatalf("after %d: %v", n, err)
		}
		n++
	}
	if n != numEphemeral {
		t.Errorf("%d ports of %d", n, numEphemeral)
	}
	if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.1:81")); err != nil {
		t.Error(err)
	}
}

func TestConnectionLimits(t *testing.T) {
	h := newHost(t, clientAddr, func(c *Config) { c.Limits.Conns, c.Limits.ConnsPerRemote = 5, 3 })
	for range 3 {
		if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.1:80")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.1:80")); !errors.Is(err, ErrLimit) {
		t.Errorf("fourth to one remote: %v", err)
	}
	var last *Conn
	for range 2 {
		c, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.3:80"))
		if err != nil {
			t.Fatal(err)
		}
		last = c
	}
	if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.4:80")); !errors.Is(err, ErrLimit) {
		t.Errorf("sixth: %v", err)
	}
	last.Abort(h.now())
	h.packets()
	if _, err := h.s.Dial(h.now(), netip.AddrPort{}, ap("10.8.0.4:80")); err != nil {
		t.Errorf("after one was aborted: %v", err)
	}
}

func TestCloseAbortsEverything(t *testing.T) {
	gateway, client := pair(t)
	server, cl := established(t, gateway, client)
	l, err := gateway.s.Listen(ap(gatewayAddr+":81"), 1)
	if err != nil {
		t.Fatal(err)
	}
	u, err := gateway.s.ListenUDP(ap(gatewayAddr + ":53"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := gateway.s.ListenPing(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	gateway.s.Close(gateway.now())
	gateway.s.Close(gateway.now())
	exchange(gateway, client)
	if !errors.Is(cl.Err(), tcp.ErrReset) {
		t.Errorf("client: %v, want reset", cl.Err())
	}
	if !errors.Is(server.Err(), tcp.ErrAborted) {
		t.Errorf("server: %v, want aborted", server.Err())
	}
	if _, err := l.Accept(); !errors.Is(err, ErrClosed) {
		t.Errorf("listener: %v", err)
	}
	if _, _, _, err := u.ReadFrom(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("udp: %v", err)
	}
	if _, _, _, err := p.ReadFrom(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("ping: %v", err)
	}
	for name, err := range map[string]error{
		"dial":   second1(gateway.s.Dial(gateway.now(), netip.AddrPort{}, ap("10.8.0.2:1"))),
		"listen": second1(gateway.s.Listen(ap("0.0.0.0:1"), 1)),
		"udp":    second1(gateway.s.ListenUDP(ap("0.0.0.0:1"))),
		"ping":   second1(gateway.s.ListenPing(netip.Addr{})),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	gateway.recv(syn(clientAddr+":1", gatewayAddr+":80", 1))
	gateway.wantDrop("stack closed", 1)
	if st := gateway.s.Stats(); st.Conns != 0 || st.UDPSockets != 0 || len(gateway.s.remotes.m) != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

func second1[T any](_ T, err error) error { return err }

// TestLoopback: two ends in one stack talk through its own address.
func TestLoopback(t *testing.T) {
	h := newHost(t, gatewayAddr)
	l, err := h.s.Listen(ap(gatewayAddr+":80"), 4)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.s.Dial(h.now(), netip.AddrPort{}, ap(gatewayAddr+":80"))
	if err != nil {
		t.Fatal(err)
	}
	h.want("nothing leaves the stack")
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(h.now(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	h.want("nothing leaves the stack")
	var b [10]byte
	if n, err := server.Read(h.now(), b[:]); err != nil || string(b[:n]) != "hello" {
		t.Fatalf("read %q, %v", b[:n], err)
	}
	refused, err := h.s.Dial(h.now(), netip.AddrPort{}, ap(gatewayAddr+":99"))
	if err != nil {
		t.Fatal(err)
	}
	h.want("the RST does not leave either")
	if !errors.Is(refused.Err(), tcp.ErrRefused) {
		t.Errorf("closed port: %v", refused.Err())
	}
	u, err := h.s.ListenUDP(ap("0.0.0.0:53"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.s.DialUDP(netip.AddrPort{}, ap(gatewayAddr+":53"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteTo(h.now(), []byte("query"), netip.AddrPort{}, netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	h.want("nor datagrams")
	if n, from, _, err := u.ReadFrom(b[:]); err != nil || string(b[:n]) != "query" || from != d.LocalAddr() {
		t.Errorf("udp: %q from %v, %v", b[:n], from, err)
	}
}

// TestLoopbackDoesNotHoldTheReader: with an endless stream inside the stack, Output returns, and calls
// Wake because there is more.
func TestLoopbackDoesNotHoldTheReader(t *testing.T) {
	h := newHost(t, gatewayAddr)
	u, err := h.s.ListenUDP(ap(gatewayAddr + ":7"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.s.DialUDP(netip.AddrPort{}, ap(gatewayAddr+":7"))
	if err != nil {
		t.Fatal(err)
	}
	write := func() { // as an application that answers at once would
		if err := d.WriteTo(h.now(), []byte("x"), netip.AddrPort{}, netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
	}
	u.SetNotify(func(Event) {
		var b [8]byte
		if _, _, _, err := u.ReadFrom(b[:]); err != nil {
			t.Error(err)
		}
		write()
	})
	write()
	h.wakes.Store(0)
	if n := h.s.Output(h.now(), h.bufs[:4], h.sizes, 16); n != 0 {
		t.Fatalf("%d packets left the stack", n)
	}
	if h.wakes.Load() == 0 {
		t.Error("Output returned 0 with more to do and did not call Wake")
	}
}

// TestTracerSeesEveryPacket counts both directions.
func TestTracerSeesEveryPacket(t *testing.T) {
	var tr tracer
	gateway, client := pair(t, func(c *Config) { c.Tracer = &tr })
	established(t, gateway, client)
	var in, out uint64
	for _, h := range []*host{gateway, client} {
		in += h.s.Stats().PacketsIn
		out += h.s.Stats().PacketsOut
	}
	if tr.n[In] != in || tr.n[Out] != out || in == 0 || in != out {
		t.Errorf("traced %v, counted %d in and %d out", tr.n, in, out)
	}
}

type tracer struct{ n [2]uint64 }

func (tr *tracer) Packet(_ tcp.Instant, dir Direction, pkt []byte) {
	var h wire.IPv4
	if h.Parse(pkt) == wire.OK {
		tr.n[dir]++
	}
}
