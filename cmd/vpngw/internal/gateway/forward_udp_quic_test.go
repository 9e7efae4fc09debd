package gateway

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
)

// quicFirst is the first datagram of a QUIC connection as far as the gateway looks at it.
func quicFirst(version string, size int) string {
	p := "\xC3" + version + "\x08"
	return p + strings.Repeat("x", size-len(p))
}

func TestBeginsQUIC(t *testing.T) {
	for _, c := range []struct {
		name, p string
		want    bool
	}{
		{"version 1", quicFirst("\x00\x00\x00\x01", 1200), true},
		{"version 2", quicFirst("\x6b\x33\x43\xcf", 1350), true},
		{"a version to come", quicFirst("\x00\x00\x00\x09", 1200), false},
		{"too short", quicFirst("\x00\x00\x00\x01", 1199), false},
		{"a short header", "\x43" + quicFirst("\x00\x00\x00\x01", 1200)[1:], false},
		{"without the fixed bit", "\x83" + quicFirst("\x00\x00\x00\x01", 1200)[1:], false},
		{"nothing", "", false},
	} {
		if got := beginsQUIC([]byte(c.p)); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestQUICIsNotFragmented: what comes from where the client speaks QUIC with goes on with DF, whatever else
// the client's socket does, and nothing else does.
func TestQUICIsNotFragmented(t *testing.T) {
	inUDPWorld(t, func(t *testing.T, w *udpWorld) {
		r := w.send("10.8.0.2:5000", "hello", dstA)
		synctest.Wait()
		arrives := func(when string, from netip.AddrPort, want bool) {
			t.Helper()
			w.ups[0].in <- datagram{text: "answer", addr: from}
			if got, ok := r.sock.next(); !ok || got.addr != from || got.df != want {
				t.Errorf("%s: %+v (%v), want DF %v", when, got, ok, want)
			}
		}
		arrives("before", dstA, false)
		for _, dst := range []netip.AddrPort{dstA, dstB} { // the first not as the first datagram to there
			r.sock.in <- datagram{text: quicFirst("\x00\x00\x00\x01", 1252), addr: dst}
		}
		synctest.Wait()
		arrives("first server", dstA, true)
		arrives("second server", dstB, true)
		otherPort := netip.AddrPortFrom(dstA.Addr(), dstA.Port()+1)
		arrives("beside it", otherPort, false)
	})
}
