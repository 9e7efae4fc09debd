package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// at returns a port of the upstream.
func at(port int) string { return fmt.Sprintf("%s:%d", upstreamAddr, port) }

// TestErrorsReachTheClient looks at what the client's own kernel makes of the gateway's answers:
// the same as on a direct connection (the table of what a client must see).
func TestErrorsReachTheClient(t *testing.T) {
	n := newNetwork(t)
	n.connect(n.client, n.startGateway().shownConfig())
	for _, c := range []struct {
		name, address string
		want          syscall.Errno
	}{
		{"open port", at(origin.PortEcho), 0},
		{"closed port", at(9), syscall.ECONNREFUSED},
		{"no route", noRouteHost + ":80", syscall.ENETUNREACH},
		{"host that is not there", deadHost + ":80", syscall.EHOSTUNREACH},
		// ICMP 3/13, which Linux gives to applications as EHOSTUNREACH.
		{"gateway's own address", gatewayInner + ":80", syscall.EHOSTUNREACH},
		{"cloud metadata", metadataHost + ":80", syscall.EHOSTUNREACH},
		// The client waits as on a real network; its patience ends first.
		{"silent host", silentHost + ":80", syscall.EINPROGRESS},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := n.client.Connect(netip.MustParseAddrPort(c.address), 12*time.Second)
			if errno, _ := errors.AsType[syscall.Errno](err); errno != c.want || (err == nil) != (c.want == 0) {
				t.Errorf("connecting to %s: %v, want %v", c.address, err, c.want)
			}
		})
	}
	t.Run("closed UDP port", func(t *testing.T) { closedUDPPort(t, n) })
	t.Run("reset from upstream", func(t *testing.T) { resetFromUpstream(t, n) })
	t.Run("reset from the client", func(t *testing.T) { resetFromClient(t, n) })
	t.Run("end from the client", func(t *testing.T) { endFromClient(t, n) })
}

// closedUDPPort wants ICMP 3/3 quoting the client's datagram.
func closedUDPPort(t *testing.T, n *network) {
	conn, err := n.client.DialUDP(at(9))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lab.Eventually(t, 20*time.Second, "refusal of a datagram", func() error {
		_, err := conn.Write([]byte("anyone?"))
		if err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			_, err = conn.Read(make([]byte, 64))
		}
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("%w, want ECONNREFUSED", err)
		}
		return nil
	})
}

// resetFromUpstream wants the reset as a reset, never as a clean end.
func resetFromUpstream(t *testing.T, n *network) {
	conn, err := n.dial(n.client, at(origin.PortHTTP))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET /reset HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after %d bytes: %v, want ECONNRESET", got, err)
	}
}

// resetFromClient wants the client's reset to arrive upstream as one.
func resetFromClient(t *testing.T, n *network) {
	conn, err := n.dial(n.client, at(origin.PortWatch))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "some"); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetLinger(0)
	_ = conn.Close()
	n.wantReport(t, "watch reset")
}

// endFromClient wants a clean end upstream, so that the test before could have failed.
func endFromClient(t *testing.T, n *network) {
	conn, err := n.dial(n.client, at(origin.PortWatch))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "some"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	n.wantReport(t, "watch eof")
}

// wantReport waits until the upstream has reported a line.
func (n *network) wantReport(t *testing.T, line string) {
	t.Helper()
	lab.Eventually(t, 30*time.Second, "report of "+line, func() error {
		if got := n.origin.Reports(); !strings.Contains(got, line+"\n") {
			return fmt.Errorf("reports: %q", got)
		}
		return nil
	})
}

// TestDeadHostsDoNotDelayALiveOne keeps more dials to hosts that never answer under way than any
// rival survives, and connects to a live host meanwhile.
func TestDeadHostsDoNotDelayALiveOne(t *testing.T) {
	n := newNetwork(t)
	n.connect(n.client, n.startGateway().shownConfig())
	ctx, cancel := context.WithCancel(t.Context())
	const dead = 50
	ended := make(chan error, dead)
	for i := range dead {
		go func() {
			conn, err := n.client.DialContext(ctx, "tcp4", fmt.Sprintf("10.98.0.%d:80", i+1))
			if err == nil {
				_ = conn.Close()
			}
			ended <- err
		}()
	}
	for i := range 20 {
		conn, err := n.dial(n.client, at(origin.PortEcho))
		if err != nil {
			t.Fatalf("live host, dial %d: %v", i, err)
		}
		if _, err := io.WriteString(conn, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	cancel()
	for range dead {
		if err := <-ended; err == nil {
			t.Error("a dial to a silent host succeeded")
		}
	}
}

// TestStalledFlowsDoNotStallOthers has an upstream that stops reading and a client that does, and
// moves data past both.
func TestStalledFlowsDoNotStallOthers(t *testing.T) {
	n := newNetwork(t)
	n.connect(n.client, n.startGateway().shownConfig())

	stalled, err := n.dial(n.client, at(origin.PortStall))
	if err != nil {
		t.Fatal(err)
	}
	_ = stalled.SetWriteDeadline(time.Now().Add(2 * time.Second))
	sent, err := io.Copy(stalled, origin.Content(1, 1<<30))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an upstream that never reads took %d bytes: %v, want back-pressure", sent, err)
	}

	const seed, size = 2, 16 << 20
	unread := n.startDownload(t, seed, size)
	for i := range uint64(3) {
		want, _ := origin.DigestOf(origin.Content(10+i, 4<<20))
		got, err := origin.DigestOf(n.startDownload(t, 10+i, 4<<20))
		if err != nil || got != want {
			t.Errorf("download beside stalled ones: %v, %v; want %v", got, err, want)
		}
	}
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := origin.DigestOf(unread); err != nil || got != want {
		t.Errorf("the download that waited: %v, %v; want %v", got, err, want)
	}
}

// startDownload asks for data and reads none of it yet: that is for who reads the result.
func (n *network) startDownload(t *testing.T, seed, size uint64) io.Reader {
	t.Helper()
	conn, err := n.dial(n.client, at(origin.PortLong))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%d %d", size, seed); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// TestLargeDatagrams sends UDP that fills many packets, and many datagrams in a row.
func TestLargeDatagrams(t *testing.T) {
	n := newNetwork(t)
	n.connect(n.client, n.startGateway().shownConfig())
	conn, err := n.client.DialUDP(at(origin.PortEcho))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, size := range []int{0, 1, 1392, 1393, 8 << 10, 60_000, 65507} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { echoDatagram(t, conn, size) })
	}
}

// echoDatagram sends a datagram until it comes back whole, as any user of UDP must.
func echoDatagram(t *testing.T, conn *net.UDPConn, size int) {
	want, err := io.ReadAll(origin.Content(uint64(size), uint64(size)))
	if err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, 20*time.Second, "echo", func() error {
		if _, err := conn.Write(want); err != nil {
			return err
		}
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		got := make([]byte, 65535)
		length, err := conn.Read(got)
		if err != nil {
			return err
		}
		if string(got[:length]) != string(want) {
			return fmt.Errorf("%d other bytes came back", length)
		}
		return nil
	})
}
