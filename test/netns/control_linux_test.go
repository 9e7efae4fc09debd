package netns

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vpngw/test/relay"
	"vpngw/test/traffic"
)

// TestControlDirectConnection makes the same checks over a plain routed path, without any tunnel:
// what they ask of the gateway is what a direct connection shows.
func TestControlDirectConnection(t *testing.T) {
	n := newNetwork(t)
	n.client.Run("ip", "route", "add", "default", "via", gatewayOuter)
	n.gateway.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.upstream.Run("ip", "route", "add", "172.31.1.0/24", "via", gatewayInner)
	s := n.site(n.client, gatewayOuter)
	s.Forbidden = nil // those are the gateway's own rules
	traffic.Run(t, s, traffic.Load{
		Bulk: 8 << 20, Small: 50, Session: 1 << 20, Timeout: 30 * time.Second,
	})
}

// TestControlStockGateway puts wireguard-go and the kernel's forwarding in the gateway's place,
// behind the relay: what the tests over bad paths ask for is to be had.
func TestControlStockGateway(t *testing.T) {
	n := newNetwork(t)
	conf := n.startStockGateway()
	n.startRelay(2, relay.Impairment{Delay: 5 * ms, Jitter: 2 * ms, Loss: 0.05, Reorder: 0.02, Duplicate: 0.02})
	n.connect(n.client, withEndpoint(t, conf, pathAddr+":51820"))
	s := n.site(n.client, tunnelGateway)
	s.Forbidden = nil
	traffic.Run(t, s, traffic.Load{
		Bulk: 1 << 20, Small: 20, Session: 256 << 10, Timeout: time.Minute,
	})
}

// startStockGateway runs wireguard-go on the gateway host and returns a configuration for a client.
func (n *network) startStockGateway() string {
	n.t.Helper()
	key := func() (private, public string) {
		private = strings.TrimSpace(n.gateway.Run("wg", "genkey"))
		return private, strings.TrimSpace(n.gateway.Run("sh", "-c", "echo "+private+" | wg pubkey"))
	}
	private, public := key()
	clientPrivate, clientPublic := key()
	conf := filepath.Join(n.t.TempDir(), fmt.Sprintf("wg%dg.conf", os.Getpid()))
	text := "[Interface]\nPrivateKey = " + private + "\nListenPort = 51820\nAddress = " + tunnelGateway + "/24\n" +
		"[Peer]\nPublicKey = " + clientPublic + "\nAllowedIPs = 10.8.0.2/32\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.gateway.Run("env", "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go", "wg-quick", "up", conf)
	n.gateway.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.upstream.Run("ip", "route", "add", "10.8.0.0/24", "via", gatewayInner)
	return "[Interface]\nPrivateKey = " + clientPrivate + "\nAddress = 10.8.0.2/32\nMTU = 1420\n\n[Peer]\n" +
		"PublicKey = " + public + "\nAllowedIPs = 0.0.0.0/0\nEndpoint = " + gatewayOuter + ":51820\nPersistentKeepalive = 25\n"
}
