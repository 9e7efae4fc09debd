package wgbind

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.zx2c4.com/wireguard/conn"
)

// host is an open bind with a reader for each of its functions.
type host struct {
	conn.Bind
	fns  []conn.ReceiveFunc
	port uint16
}

func open(t testing.TB) *host {
	t.Helper()
	h := &host{Bind: New()}
	var err error
	if h.fns, h.port, err = h.Open(0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func (h *host) endpoint(t testing.TB, addr string) conn.Endpoint {
	t.Helper()
	ep, err := h.ParseEndpoint(netip.AddrPortFrom(netip.MustParseAddr(addr), h.port).String())
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

// family returns the receive function of the address's family.
func (h *host) family(t testing.TB, addr string) conn.ReceiveFunc {
	t.Helper()
	if netip.MustParseAddr(addr).Is4() {
		return h.fns[0]
	}
	if len(h.fns) < 2 {
		t.Fatal("this host has no IPv6")
	}
	return h.fns[1]
}

// reader keeps the buffers of receive calls.
type reader struct {
	fn    conn.ReceiveFunc
	bufs  [][]byte
	sizes []int
	eps   []conn.Endpoint
}

func newReader(fn conn.ReceiveFunc, n int) *reader {
	r := &reader{fn: fn, bufs: make([][]byte, n), sizes: make([]int, n), eps: make([]conn.Endpoint, n)}
	for i := range r.bufs {
		r.bufs[i] = make([]byte, 1<<16-1)
	}
	return r
}

// next receives once and calls f with each packet.
func (r *reader) next(f func(p []byte, from conn.Endpoint)) error {
	n, err := r.fn(r.bufs, r.sizes, r.eps)
	for i := range n {
		if r.sizes[i] > 0 {
			f(r.bufs[i][:r.sizes[i]], r.eps[i])
		}
	}
	return err
}

// collect receives n packets.
func (r *reader) collect(t testing.TB, n int) (packets [][]byte, from []conn.Endpoint) {
	t.Helper()
	for len(packets) < n {
		err := r.next(func(p []byte, ep conn.Endpoint) {
			packets, from = append(packets, bytes.Clone(p)), append(from, ep)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return packets, from
}

// packetsOf makes packets of the given lengths, each with other content.
func packetsOf(lengths ...int) [][]byte {
	var out [][]byte
	random := rand.NewChaCha8([32]byte{1})
	for _, n := range lengths {
		p := make([]byte, n)
		_, _ = random.Read(p)
		out = append(out, p)
	}
	return out
}

func repeat(n, length int) (out []int) {
	for range n {
		out = append(out, length)
	}
	return out
}

func TestPacketsArriveWholeAndInOrder(t *testing.T) {
	shapes := map[string][]int{
		"one":                      {148},
		"one of each":              {1, 1452, 32, 9000, 100},
		"a full batch":             repeat(128, 1452),
		"more than a batch":        repeat(300, 200),
		"an odd tail":              append(repeat(20, 1452), 733),
		"a longer tail":            append(repeat(20, 500), 1452),
		"tails between":            append(append(repeat(3, 1452), 10), repeat(5, 1452)...),
		"segments of one octet":    repeat(64, 1),
		"65 small ones":            repeat(65, 96),
		"large ones":               repeat(9, 9000),
		"the largest":              {65000, 65000},
		"small after large":        append(repeat(60, 1452), repeat(64, 96)...),
		"large after small":        append(repeat(64, 96), repeat(60, 1452)...),
		"lengths that never match": {10, 20, 30, 40, 50, 60, 70, 80, 90, 100},
	}
	for _, addr := range []string{"127.0.0.1", "::1"} {
		a, b := open(t), open(t)
		r := newReader(b.family(t, addr), batchSize)
		to := b.endpoint(t, addr)
		for name, lengths := range shapes {
			t.Run(addr+" "+name, func(t *testing.T) {
				sent := packetsOf(lengths...)
				for rest := sent; len(rest) > 0; { // a few at a time: loopback drops what a buffer does not hold
					n := min(len(rest), 100)
					if err := a.Send(rest[:n], to); err != nil {
						t.Fatal(err)
					}
					got, _ := r.collect(t, n)
					for i := range got {
						if !bytes.Equal(got[i], rest[i]) {
							t.Fatalf("packet %d has %d bytes or other content, %d were sent", i, len(got[i]), len(rest[i]))
						}
					}
					rest = rest[n:]
				}
			})
		}
	}
}

func TestPacketsWithoutSegmentation(t *testing.T) {
	a, b := open(t), open(t)
	a.Bind.(*bind).v4.Load().segment.Store(false)
	r := newReader(b.fns[0], batchSize)
	sent := packetsOf(repeat(50, 1452)...)
	if err := a.Send(sent, b.endpoint(t, "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	got, _ := r.collect(t, len(sent))
	for i := range got {
		if !bytes.Equal(got[i], sent[i]) {
			t.Fatalf("packet %d differs", i)
		}
	}
}

func TestAPathWhoseMTUIsTooShortForSegmentsGetsPacketsAlone(t *testing.T) {
	a, b := open(t), open(t)
	e := b.endpoint(t, "127.0.0.1").(*endpoint)
	e.whole.Store(true)
	sent := packetsOf(repeat(10, 1452)...)
	if err := a.Send(sent, e); err != nil {
		t.Fatal(err)
	}
	got, _ := newReader(b.fns[0], batchSize).collect(t, len(sent))
	if !bytes.Equal(got[9], sent[9]) {
		t.Fatal("the last packet differs")
	}
}

func TestAnswersLeaveFromWhereThePeerWasHeard(t *testing.T) {
	b := open(t)
	peer, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	local := net.UDPAddr{IP: net.IPv4(127, 0, 0, 77), Port: int(b.port)}
	if _, err := peer.WriteToUDP([]byte("hello"), &local); err != nil {
		t.Fatal(err)
	}
	_, from := newReader(b.fns[0], batchSize).collect(t, 1)
	if got := from[0].SrcIP(); got != netip.MustParseAddr("127.0.0.77") {
		t.Errorf("SrcIP = %v", got)
	}
	if got, want := from[0].DstToString(), peer.LocalAddr().String(); got != want {
		t.Errorf("DstToString = %v, want %v", got, want)
	}
	answer := func(want string) {
		t.Helper()
		if err := b.Send([][]byte{[]byte("answer")}, from[0]); err != nil {
			t.Fatal(err)
		}
		_, addr, err := peer.ReadFromUDPAddrPort(make([]byte, 100))
		if err != nil || addr.Addr().Unmap() != netip.MustParseAddr(want) {
			t.Errorf("the answer came from %v, %v, want %v", addr, err, want)
		}
	}
	answer("127.0.0.77")
	from[0].ClearSrc()
	answer("127.0.0.1")
	// An address that this host does not have any more.
	from[0].(*endpoint).src.Store(&source{addr: netip.MustParseAddr("192.0.2.1")})
	answer("127.0.0.1")
	if from[0].SrcIP().IsValid() {
		t.Error("the source that the kernel refused is kept")
	}
}

func TestAClearedSourceComesBackWhenThePeerIsHeard(t *testing.T) {
	a, b := open(t), open(t)
	r := newReader(b.fns[0], batchSize)
	to := b.endpoint(t, "127.0.0.1")
	var last conn.Endpoint
	for range 2 {
		if err := a.Send(packetsOf(100), to); err != nil {
			t.Fatal(err)
		}
		_, from := r.collect(t, 1)
		if !from[0].SrcIP().IsValid() {
			t.Fatal("no source")
		}
		if last != nil && last != from[0] {
			t.Error("the endpoint was not remembered")
		}
		last = from[0]
		last.ClearSrc()
	}
}

func TestAPeerThatRoamsGetsANewEndpoint(t *testing.T) {
	b := open(t)
	r := newReader(b.fns[0], batchSize)
	seen := make(map[string]bool)
	for range 200 {
		a := New()
		_, port, err := a.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Send(packetsOf(100, 100), b.endpoint(t, "127.0.0.1")); err != nil {
			t.Fatal(err)
		}
		_, from := r.collect(t, 2)
		want := fmt.Sprintf("127.0.0.1:%d", port)
		if from[0].DstToString() != want || from[1] != from[0] {
			t.Fatalf("endpoints %v and %v, want %v twice", from[0].DstToString(), from[1].DstToString(), want)
		}
		seen[want] = true
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) < 2 {
		t.Fatal("all had the same port")
	}
}

func TestEndpointsAreForgotten(t *testing.T) {
	var c endpointCache
	kept := origin{dst: netip.MustParseAddrPort("192.0.2.1:1")}
	first := c.find(kept)
	for i := range 10 * endpointsMax {
		c.find(origin{dst: netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), uint16(i)), scope: uint32(i >> 16)})
		if i%1000 == 0 && c.find(kept) != first {
			t.Fatal("an endpoint in use was forgotten")
		}
		if n := len(c.young) + len(c.aged); n > 2*endpointsMax {
			t.Fatalf("%d endpoints are kept", n)
		}
	}
}

func TestCloseEndsReceiving(t *testing.T) {
	b := New()
	for range 20 {
		fns, port, err := b.Open(0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.Open(port); !errors.Is(err, conn.ErrBindAlreadyOpen) {
			t.Fatalf("second Open: %v", err)
		}
		failed := make(chan error, len(fns))
		for _, fn := range fns {
			go func() { failed <- newReader(fn, batchSize).next(func([]byte, conn.Endpoint) {}) }()
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		for range fns {
			if err := <-failed; !errors.Is(err, net.ErrClosed) {
				t.Fatalf("receiving failed with %v", err)
			}
		}
		if err := newReader(fns[0], 1).next(nil); !errors.Is(err, net.ErrClosed) {
			t.Fatalf("receiving after Close: %v", err)
		}
	}
	ep, _ := b.ParseEndpoint("127.0.0.1:9")
	if err := b.Send(packetsOf(10), ep); !errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Errorf("Send after Close: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestAPortThatIsTaken(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		taken, err := net.ListenUDP(network, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		b := New()
		port := taken.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		if _, _, err := b.Open(port); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v", network, err)
		}
		if _, _, err := b.Open(0); err != nil {
			t.Errorf("%s: Open after it failed: %v", network, err)
		}
		_ = b.Close()
	}
}

func TestParseEndpoint(t *testing.T) {
	b := New()
	for in, want := range map[string]string{
		"192.0.2.1:51820":          "192.0.2.1:51820",
		"[2001:db8::1]:51820":      "[2001:db8::1]:51820",
		"[::ffff:192.0.2.1]:51820": "192.0.2.1:51820",
		"[fe80::1%1]:51820":        "[fe80::1%1]:51820",
		"[fe80::1%lo]:51820":       "[fe80::1%lo]:51820",
	} {
		ep, err := b.ParseEndpoint(in)
		if err != nil || ep.DstToString() != want {
			t.Errorf("%s: %v, %v", in, ep, err)
		}
	}
	for _, in := range []string{"", "192.0.2.1", "[fe80::1%nosuchinterface]:1", "host:1", "192.0.2.1:65536"} {
		if ep, err := b.ParseEndpoint(in); err == nil || ep != nil {
			t.Errorf("%q: %v, %v", in, ep, err)
		}
	}
}

func TestNothingIsAllocatedForAPacket(t *testing.T) {
	a, b := open(t), open(t)
	r := newReader(b.fns[0], batchSize)
	to := b.endpoint(t, "127.0.0.1")
	for _, sent := range [][][]byte{packetsOf(100), packetsOf(repeat(40, 1452)...)} {
		count := func([]byte, conn.Endpoint) {}
		if n := testing.AllocsPerRun(200, func() {
			if err := errors.Join(a.Send(sent, to), r.next(count)); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations for %d packets", n, len(sent))
		}
	}
}
