package netns

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
	"vpngw/test/traffic"
)

// otherTunnel is the second client's address in the tunnel.
const otherTunnel = "10.8.0.77"

// startPair connects two stock clients. The second one's peer is called "second"; words are more of
// what "peer add" is told about it.
func (n *network) startPair(words ...string) (g *gateway, other *lab.Host) {
	n.t.Helper()
	g = n.startGateway()
	n.connect(n.client, g.shownConfig())
	other = n.otherHost()
	conf := g.run(append([]string{"peer", "add", "second", "--ip", otherTunnel}, words...)...)
	n.connect(other, withEndpoint(n.t, conf, "172.31.4.1:51820"))
	return g, other
}

// TestPeerToPeer has two stock clients talk to each other in every way, and then not any more.
func TestPeerToPeer(t *testing.T) {
	n := newNetwork(t)
	g, other := n.startPair()

	n.client.Run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", otherTunnel)
	n.client.Run("ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", "-s", "8000", otherTunnel)
	if out, err := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", "-t", "1", otherTunnel); err == nil ||
		!strings.Contains(out, tunnelGateway) || !strings.Contains(out, "Time to live exceeded") {
		t.Errorf("a ping with TTL 1: %v\n%s", err, out)
	}
	// 64 hops less one.
	if out := n.client.Run("ping", "-n", "-c", "1", "-W", "5", otherTunnel); !strings.Contains(out, "ttl=63") {
		t.Errorf("a reply that passed one router:\n%s", out)
	}
	n.wantContent(t, other, otherTunnel+":8080", n.client)
	n.wantNetcat(t, n.client, other)
	n.wantDatagrams(t, other, otherTunnel+":5000", n.client)
	n.serveSSH(other, otherTunnel)
	n.wantSSH(t, n.client, otherTunnel)

	g.run("peer", "remove", "second")
	lab.Eventually(t, 30*time.Second, "the removed peer is not reached", func() error {
		out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", otherTunnel)
		if !strings.Contains(out, "Destination Host Unreachable") {
			return errors.New(out)
		}
		return nil
	})
	g.stop()
}

// TestNetworkBehindAPeer: a peer that is a router, for a host that knows nothing of WireGuard.
func TestNetworkBehindAPeer(t *testing.T) {
	const network, router, inner = "192.168.77.0/24", "192.168.77.1", "192.168.77.2"
	n := newNetwork(t)
	g, other := n.startPair("--routes", network)
	behind := n.lab.Host("behind")
	n.lab.Link(behind, inner+"/24", other, router+"/24")
	other.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	behind.Run("ip", "route", "add", "default", "via", router)

	// Out, through two routers: the gateway and the peer.
	if out := n.client.Run("ping", "-n", "-c", "1", "-W", "5", inner); !strings.Contains(out, "ttl=62") {
		t.Errorf("a reply that passed two routers:\n%s", out)
	}
	if out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", "-t", "2", inner); !strings.Contains(out, otherTunnel) {
		t.Errorf("a ping with TTL 2 does not end at the peer:\n%s", out)
	}
	n.client.Run("ping", "-n", "-c", "1", "-W", "5", "-s", "8000", inner)
	n.wantContent(t, behind, inner+":8080", n.client)
	n.wantDatagrams(t, behind, inner+":5000", n.client)
	n.serveSSH(behind, inner)
	n.wantSSH(t, n.client, inner)
	// And back: the host reaches the client, and what the gateway reaches.
	n.wantContent(t, n.client, "10.8.0.2:8080", behind)
	if err := n.echoes(behind); err != nil {
		t.Errorf("from the network behind the peer to the upstream: %v", err)
	}
	// Its own resolver knows its names, for every client of the gateway's.
	behind.Start("dnsmasq", "--conf-file=../traffic/dnsmasq.conf", "--listen-address="+inner)
	n.waitForPort(behind, inner+":53")
	g.configure("\n[[dns.route]]\nsuffix = \"test\"\nupstreams = [\"" + inner + "\"]\n")
	lab.Eventually(t, time.Minute, "a name of the site", func() error {
		if got := n.dig("+short", traffic.HostName); got != traffic.HostAddr+"\n" {
			return errors.New(got)
		}
		return nil
	})
	if got := strings.Count(n.dig("+short", traffic.LongName, "TXT"), "x"); got != traffic.LongText {
		t.Errorf("%d bytes of a text of %d", got, traffic.LongText)
	}
	// A hole in it is no way through it: the peer's own router says so.
	if out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "10", "192.168.77.9"); !strings.Contains(out, "From "+otherTunnel) {
		t.Errorf("a host that is not there:\n%s", out)
	}
	g.stop()
}

// TestPeerToPeerIsOneSwitch: isolation takes effect on a running gateway, and ends on it. What leads
// elsewhere is not affected.
func TestPeerToPeerIsOneSwitch(t *testing.T) {
	n := newNetwork(t)
	g, other := n.startPair()
	l, err := other.Listen(otherTunnel + ":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	// Each time over a connection of its own: one that sends while the peers are isolated is reset.
	echo := func(text string) {
		t.Helper()
		conn, err := n.dial(n.client, otherTunnel+":8080")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		buf := make([]byte, len(text))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != text {
			t.Fatalf("%q came back, %v; want %q", buf, err, text)
		}
	}
	ping := func(want string) {
		t.Helper()
		lab.Eventually(t, 30*time.Second, "ping says "+want, func() error {
			out, _ := n.try(n.client, "ping", "-n", "-c", "1", "-W", "5", otherTunnel)
			if !strings.Contains(out, want) {
				return errors.New(out)
			}
			return nil
		})
	}
	echo("before")
	g.configure("\n[forward]\npeer_to_peer = false\n")
	ping("Packet filtered") // 3/13, communication administratively prohibited
	if c, err := n.dial(n.client, otherTunnel+":8081"); err == nil {
		_ = c.Close()
		t.Error("a connection between isolated peers")
	}
	if err := n.echoes(n.client); err != nil {
		t.Errorf("to the upstream: %v", err)
	}
	g.reconfigure("peer_to_peer = false", "peer_to_peer = true")
	ping("ttl=63")
	echo("after")
	g.stop()
}

// reconfigure changes a text of the gateway's configuration, which it takes while it runs.
func (g *gateway) reconfigure(old, now string) {
	g.n.t.Helper()
	path := filepath.Join(g.state, "vpngw.toml")
	b, err := os.ReadFile(path)
	if err != nil || strings.Count(string(b), old) != 1 {
		g.n.t.Fatalf("%v, or not once %q in\n%s", err, old, b)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), old, now, 1)), 0o600); err != nil {
		g.n.t.Fatal(err)
	}
}

// wantContent sends some megabytes over TCP from one host to a port of the other.
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

// wantNetcat sends a file from one client to the other as people do it.
func (n *network) wantNetcat(t *testing.T, from, to *lab.Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	type result struct {
		out string
		err error
	}
	received := make(chan result, 1)
	go func() {
		out, err := to.Shell(ctx, "nc -n -l "+otherTunnel+" 8081 | sha256sum")
		received <- result{out, err}
	}()
	sent, err := from.Shell(ctx, `set -e
f=$(mktemp); trap 'rm -f "$f"' EXIT
head -c 3000000 /dev/urandom >"$f"
sha256sum <"$f"
until nc -n -N `+otherTunnel+` 8081 <"$f"; do sleep 0.1; done`)
	if r := <-received; err != nil || r.err != nil || r.out != sent {
		t.Errorf("sent %q, %v; received %q, %v", sent, err, r.out, r.err)
	}
}

// wantSSH runs a session on a host, with data both ways.
func (n *network) wantSSH(t *testing.T, from *lab.Host, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := from.Shell(ctx, `set -e
f=$(mktemp); trap 'rm -f "$f"' EXIT
head -c 1000000 /dev/urandom >"$f"
ssh -F none -i `+n.sshKey+` -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
	-o LogLevel=ERROR root@`+addr+` 'cat; echo "$SSH_CONNECTION" >&2' <"$f" | cmp - "$f" && echo equal`)
	if err != nil || out != "equal\n" {
		t.Errorf("an SSH session with %s: %q, %v", addr, out, err)
	}
}

// wantDatagrams sends datagrams of many sizes to an echo on a host: each comes back as it was, in
// order. One is in flight at a time, so that none is lost.
func (n *network) wantDatagrams(t *testing.T, server *lab.Host, address string, from *lab.Host) {
	t.Helper()
	echo, err := server.ListenUDP(address)
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		buf := make([]byte, 65536)
		for {
			k, peer, err := echo.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(buf[:k], peer)
		}
	}()
	conn, err := from.DialUDP(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, size := range []int{4, 512, 1392, 1393, 8000, 30_000, 60_000, 65_507, 100} {
		b := make([]byte, size)
		digest := sha256.Sum256(fmt.Append(nil, i))
		for j := range b {
			b[j] = digest[j%len(digest)] + byte(j>>8)
		}
		binary.BigEndian.PutUint32(b, uint32(i))
		if err := exchange(conn, b); err != nil {
			t.Errorf("a datagram of %d bytes to %s: %v", size, address, err)
		}
	}
}

// exchange sends b and wants it back. It tries a few times, as programs do: the first datagram that is too
// big for a link behind the next one teaches its sender the path's MTU, and is lost.
func exchange(conn net.Conn, b []byte) (err error) {
	got := make([]byte, 65536)
	for range 5 {
		if _, err = conn.Write(b); err != nil {
			continue
		}
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		for {
			var k int
			if k, err = conn.Read(got); err != nil {
				break
			}
			if bytes.Equal(got[:k], b) {
				return nil
			}
			if k == len(b) { // not a late echo of the datagram before
				return fmt.Errorf("%d other bytes came back", k)
			}
		}
	}
	return err
}

// try runs a command that may fail.
func (n *network) try(h *lab.Host, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
	defer cancel()
	return h.Try(ctx, args...)
}
