package netns

import (
	"context"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
	"vpngw/test/traffic"
)

// netnsSwitch is the environment variable without which nothing here runs.
const netnsSwitch = "VPNGW_TEST_NETNS"

// Addresses of the hosts. The upstream network is known to the gateway alone.
const (
	clientOuter    = "172.31.1.2"
	gatewayOuter   = "172.31.1.1"
	gatewayInner   = "10.99.0.1"
	upstreamAddr   = "10.99.0.2"
	pathAddr       = "172.31.2.1"     // where the relay listens for clients
	gatewayPath    = "172.31.3.1"     // where the relay reaches the gateway
	deadHost       = "10.99.0.66"     // in the upstream network, but nobody is there
	silentNetwork  = "10.98.0.0/24"   // swallows everything without a word
	silentHost     = "10.98.0.1"      //
	noRouteNetwork = "203.0.113.0/24" // the gateway's host has no route to it
	noRouteHost    = "203.0.113.5"
	metadataHost   = "169.254.169.254" // where clouds keep their secrets
)

// network is the hosts of one test.
type network struct {
	t                         *testing.T
	lab                       *lab.Lab
	client, gateway, upstream *lab.Host
	origin                    *origin.Server
	sshKey, sshHostKey        string // files
}

// newNetwork makes the hosts and starts the upstream's servers.
func newNetwork(t *testing.T) *network {
	t.Helper()
	lab.Require(t, netnsSwitch, "ip", "wg", "wg-quick", "wireguard-go", "nft", "sysctl", "setpriv",
		"curl", "nc", "dig", "ping", "dnsmasq", "ssh", "ssh-keygen", "/usr/sbin/sshd")
	l := lab.New(t)
	n := &network{
		t: t, lab: l,
		client: l.Host("client"), gateway: l.Host("gateway"), upstream: l.Host("upstream"),
	}
	l.Link(n.client, clientOuter+"/24", n.gateway, gatewayOuter+"/24")
	l.Link(n.gateway, gatewayInner+"/24", n.upstream, upstreamAddr+"/24")
	// As in a container.
	n.gateway.Run("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
	// The default route makes "vpngw up" find the address that clients reach.
	n.gateway.Run("ip", "route", "add", "default", "via", clientOuter)
	n.gateway.Run("ip", "route", "add", "throw", noRouteNetwork)
	n.gateway.Run("ip", "route", "add", silentNetwork, "via", upstreamAddr)
	n.upstream.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	n.upstream.Run("ip", "route", "add", "blackhole", silentNetwork)
	n.startOrigin()
	n.startDNS()
	n.startSSH()
	return n
}

func (n *network) startOrigin() {
	n.t.Helper()
	s, err := origin.Start(origin.Config{
		Addr:      netip.MustParseAddr(upstreamAddr).AsSlice(),
		Listen:    n.upstream.Listen,
		ListenUDP: n.upstream.ListenUDP,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(s.Close)
	n.origin = s
}

func (n *network) startDNS() {
	n.t.Helper()
	n.upstream.Start("dnsmasq", "--conf-file=../traffic/dnsmasq.conf", "--listen-address="+upstreamAddr)
	n.waitForPort(n.upstream, upstreamAddr+":53")
}

// startSSH runs an SSH server that lets root in with a key made for this test.
func (n *network) startSSH() {
	n.t.Helper()
	dir := n.t.TempDir()
	n.sshKey, n.sshHostKey = filepath.Join(dir, "user"), filepath.Join(dir, "host")
	for _, key := range []string{n.sshKey, n.sshHostKey} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
			n.t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd's chroot, which its service makes
		n.t.Fatal(err)
	}
	n.serveSSH(n.upstream, upstreamAddr)
}

// serveSSH runs the SSH server on a host.
func (n *network) serveSSH(h *lab.Host, addr string) {
	n.t.Helper()
	h.Start("/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", n.sshHostKey,
		"-o", "ListenAddress="+addr, "-o", "PidFile=none", "-o", "StrictModes=no", "-o", "UsePAM=no",
		"-o", "AuthorizedKeysFile="+n.sshKey+".pub", "-o", "PermitRootLogin=prohibit-password")
	n.waitForPort(h, addr+":22")
}

// waitForPort waits until something on the host accepts connections.
func (n *network) waitForPort(h *lab.Host, address string) {
	n.t.Helper()
	lab.Eventually(n.t, 20*time.Second, address+" accepts", func() error {
		ctx, cancel := context.WithTimeout(n.t.Context(), 5*time.Second)
		defer cancel()
		c, err := h.DialContext(ctx, "tcp4", address)
		if err == nil {
			err = c.Close()
		}
		return err
	})
}

// site describes the network to the checks of package traffic, for a client with that tunnel
// address of the gateway.
func (n *network) site(client *lab.Host, tunnel string) traffic.Site {
	return traffic.Site{
		Client:    client.Shell,
		Gateway:   tunnel,
		Upstream:  upstreamAddr,
		SSHUser:   "root",
		SSHKey:    n.sshKey,
		Forbidden: []string{gatewayInner, metadataHost},
		NoRoute:   noRouteHost,
	}
}

// dial connects the client's kernel TCP to an address, and closes the connection with the test.
func (n *network) dial(h *lab.Host, address string) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	c, err := h.DialContext(ctx, "tcp4", address)
	if err != nil {
		return nil, err
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(2 * time.Minute))
}
