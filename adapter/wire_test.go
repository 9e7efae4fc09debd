package adapter

import (
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/tun"
)

// The two ends of all tests with one wire.
var (
	addrA = netip.MustParseAddr("10.8.0.1")
	addrB = netip.MustParseAddr("10.8.0.2")
)

// carry moves packets from one device to another until either is closed. filter, if
// not nil, decides about each packet; it may be called for one packet at a time only.
func carry(from, to tun.Device, filter func(pkt []byte) bool) {
	const offset = 16 // what wireguard-go uses
	bufs := make([][]byte, from.BatchSize())
	for i := range bufs {
		bufs[i] = make([]byte, 2048)
	}
	sizes := make([]int, len(bufs))
	out := make([][]byte, 0, len(bufs))
	for {
		n, err := from.Read(bufs, sizes, offset)
		if err != nil {
			return
		}
		out = out[:0]
		for i := range n {
			pkt := bufs[i][:offset+sizes[i]]
			if filter == nil || filter(pkt[offset:]) {
				out = append(out, pkt)
			}
		}
		if len(out) == 0 {
			continue
		}
		if _, err := to.Write(out, offset); err != nil {
			return
		}
	}
}

// A pair is two Nets joined back to back.
type pair struct {
	a, b *Net // addrA, addrB
	wg   sync.WaitGroup
}

// newPair joins two Nets made of the given options, to which addresses are added.
// The pair is closed, and its goroutines waited for, when the test ends.
func newPair(t testing.TB, oa, ob Options) *pair {
	t.Helper()
	p := newPairFiltered(t, oa, ob, nil, nil)
	return p
}

// newPairFiltered is newPair with filters for the packets that a and b send.
func newPairFiltered(t testing.TB, oa, ob Options, fa, fb func([]byte) bool) *pair {
	t.Helper()
	oa.Addresses, ob.Addresses = []netip.Addr{addrA}, []netip.Addr{addrB}
	p := &pair{a: newNet(t, oa), b: newNet(t, ob)}
	p.wg.Go(func() { carry(p.a.Device(), p.b.Device(), fa) })
	p.wg.Go(func() { carry(p.b.Device(), p.a.Device(), fb) })
	t.Cleanup(p.close)
	return p
}

func (p *pair) close() {
	_ = p.a.Close()
	_ = p.b.Close()
	p.wg.Wait()
}

func newNet(t testing.TB, o Options) *Net {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// listen listens on b.
func (p *pair) listen(t testing.TB, port uint16) *TCPListener {
	t.Helper()
	l, err := p.b.ListenTCPAddrPort(netip.AddrPortFrom(addrB, port))
	if err != nil {
		t.Fatalf("ListenTCPAddrPort: %v", err)
	}
	return l
}

// connect returns the ends of a connection from a to b.
func (p *pair) connect(t testing.TB) (ca, cb *TCPConn) {
	t.Helper()
	l := p.listen(t, 0)
	defer l.Close()
	ca, err := p.a.DialTCPAddrPort(l.addr)
	if err != nil {
		t.Fatalf("DialTCPAddrPort: %v", err)
	}
	cb, err = l.AcceptTCP()
	if err != nil {
		t.Fatalf("AcceptTCP: %v", err)
	}
	return ca, cb
}

// hang is a net.Conn deadline that only a broken test reaches.
const hang = 30 * time.Second

func mustWrite(t testing.TB, w io.Writer, s string) {
	t.Helper()
	if n, err := io.WriteString(w, s); err != nil || n != len(s) {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

func mustRead(t testing.TB, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func mustEOF(t testing.TB, r io.Reader) {
	t.Helper()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF { //nolint:errorlint // bare by contract
		t.Fatalf("Read = %d, %v; want a bare io.EOF", n, err)
	}
}

// tcpLoopback returns the ends of a connection of the operating system.
func tcpLoopback(t testing.TB) (c1, c2 *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c1 = c.(*net.TCPConn)
	c, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c2 = c.(*net.TCPConn)
	t.Cleanup(func() { c1.Close(); c2.Close() })
	return c1, c2
}
