package netns

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// TestPeerToPeer has two stock clients talk to each other, and then not any more.
func TestPeerToPeer(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	other := n.otherHost()
	conf := g.run("peer", "add", "second", "--ip", "10.8.0.77")
	n.connect(other, withEndpoint(t, conf, "172.31.4.1:51820"))

	n.client.Run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "10.8.0.77")
	n.client.Run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", "8000", "10.8.0.77")
	if out, err := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", "-t", "1", "10.8.0.77"); err == nil ||
		!strings.Contains(out, tunnelGateway) || !strings.Contains(out, "Time to live exceeded") {
		t.Errorf("a ping with TTL 1: %v\n%s", err, out)
	}
	n.wantContent(t, other, "10.8.0.77:8080", n.client)

	g.run("peer", "remove", "second")
	lab.Eventually(t, 30*time.Second, "the removed peer is not reached", func() error {
		out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", "10.8.0.77")
		if !strings.Contains(out, "Destination Host Unreachable") {
			return errors.New(out)
		}
		return nil
	})
	g.stop()
}

// wantContent sends some megabytes over TCP from one client to a port of the other.
func (n *network) wantContent(t *testing.T, server *lab.Host, address string, from *lab.Host) {
	t.Helper()
	const seed, size = 9, 16 << 20
	l, err := server.Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(c, origin.Content(seed, size))
			_ = c.Close()
		}
	}()
	conn, err := n.dial(from, address)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := origin.DigestOf(conn); err != nil || got != want {
		t.Errorf("from %s: %v, %v; want %v", address, got, err, want)
	}
}

// try runs a command that may fail.
func (n *network) try(h *lab.Host, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
	defer cancel()
	return h.Try(ctx, args...)
}

// fallbackTime is within what IPv6 that goes nowhere must have failed, so that nobody notices: far below
// the 250 ms after which clients try IPv4 beside it (RFC 8305 §5).
const fallbackTime = 50 * time.Millisecond

// TestIPv6FailsAtOnce: a client that sends all of IPv6 into the tunnel is told by its own kernel, without
// delay, that it is prohibited.
func TestIPv6FailsAtOnce(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	conf := g.run("peer", "add", "dual", "--ip", "10.8.0.66", "--routes", "fd00:8::66/128", "--allowed-ips", "0.0.0.0/0,::/0")
	if !strings.Contains(conf, "Address = 10.8.0.66/32, fd00:8::66/128\n") {
		t.Fatalf("the client is told no IPv6 address:\n%s", conf)
	}
	n.connect(n.client, conf)
	fastest := time.Hour
	for range 5 { // the machine may be busy once
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		conn, err := n.client.DialContext(ctx, "tcp6", "[2001:db8::1]:443")
		cancel()
		if err == nil {
			_ = conn.Close()
		}
		if !errors.Is(err, syscall.EACCES) {
			t.Fatalf("dialling by IPv6: %v, want EACCES", err)
		}
		fastest = min(fastest, time.Since(began))
	}
	if fastest > fallbackTime {
		t.Errorf("dialling by IPv6 fails after %v", fastest)
	}
	if out, err := n.try(n.client, "ping", "-6", "-n", "-c", "1", "-W", "5", "2001:db8::1"); err == nil || !strings.Contains(out, "prohibited") {
		t.Errorf("ping: %v\n%s", err, out)
	}
	if err := n.echoes(n.client); err != nil {
		t.Errorf("IPv4: %v", err)
	}
	g.stop()
}
