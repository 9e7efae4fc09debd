package netns

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/test/origin"
)

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
	fastest, atOnce := time.Hour, 0
	for range 5 { // the machine may be busy once
		began, repeated := time.Now(), kernelCounter(t, n.client, "netstat", "TcpExt:", "TCPSynRetrans")
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
		if kernelCounter(t, n.client, "netstat", "TcpExt:", "TCPSynRetrans") == repeated {
			atOnce++
		}
	}
	// The issue wants less than 50 ms; clients try IPv4 beside it after 250 ms (RFC 8305 §5).
	t.Logf("dialling by IPv6 fails after %v", fastest)
	if atOnce == 0 {
		t.Error("each time the client had to repeat its SYN: it was not the answer to the first that ended it")
	}
	if out, err := n.try(n.client, "ping", "-6", "-n", "-c", "1", "-W", "5", "2001:db8::1"); err == nil || !strings.Contains(out, "prohibited") {
		t.Errorf("ping: %v\n%s", err, out)
	}
	n.wantFallback(t)
	if err := n.echoes(n.client); err != nil {
		t.Errorf("IPv4: %v", err)
	}
	g.stop()
}

// wantFallback lets curl fetch from a name that has an IPv6 address first. It tries IPv4 beside that after
// an hour only, so that it gets there by the refusal or not at all.
func (n *network) wantFallback(t *testing.T) {
	t.Helper()
	port := at(origin.PortHTTP)[strings.LastIndex(at(origin.PortHTTP), ":")+1:]
	out, err := n.try(n.client, "curl", "-sS", "--fail", "--happy-eyeballs-timeout-ms", "3600000",
		"--resolve", "dual.test:"+port+":[2001:db8::1],"+upstreamAddr, "-w", "%{remote_ip}",
		"http://dual.test:"+port+"/small/1")
	if want := "small 1\n" + upstreamAddr; err != nil || out != want {
		t.Errorf("a name with both kinds of addresses: %q, %v; want %q", out, err, want)
	}
}
