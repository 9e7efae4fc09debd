package compose

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
	"vpngw/test/traffic"
)

// keysFile is where upstream.sh has its SSH server look for keys.
const keysFile = "/etc/upstream.keys"

// TestContainers starts everything, looks at the gateway's container, and has the client do what a
// stock client does.
func TestContainers(t *testing.T) {
	p := startProject(t)
	gateway, client, upstream := p.container("gateway"), p.container("client"), p.container("upstream")
	lab.Eventually(t, time.Minute, "the gateway's health check", func() error {
		if status := p.inspect(gateway).State.Health.Status; status != "healthy" {
			return fmt.Errorf("status %q", status)
		}
		return nil
	})
	t.Run("gateway has no rights", func(t *testing.T) { checkRights(t, p, gateway) })
	t.Run("image says what it is", func(t *testing.T) { checkImage(t, p, gateway) })

	s := traffic.Site{
		Client: func(ctx context.Context, script string) (string, error) {
			return p.exec(ctx, client, "sh", "-c", script)
		},
		Gateway:   "10.8.0.1",
		Upstream:  p.address(upstream, "inner"),
		SSHUser:   "root",
		SSHKey:    "/tmp/key",
		Forbidden: []string{p.address(gateway, "inner"), "169.254.169.254"},
		NoRoute:   p.nobody(upstream, "inner"),
	}
	t.Run("upstream is out of the client's reach", func(t *testing.T) { checkIsolation(t, p, client, s) })
	p.letIn(client, upstream, s.SSHKey)
	p.connect(client, p.mustExec(gateway, "/vpngw", "peer", "show", "peer1"))
	traffic.Run(t, s, traffic.Load{
		Bulk: 200 << 20, Small: 200, Session: 4 << 20, Timeout: 2 * time.Minute,
	})
	t.Run("64 MiB are enough", func(t *testing.T) { checkMemory(t, p, gateway, client, s.Upstream) })
	t.Run("names", func(t *testing.T) { checkNames(t, p, gateway, client, upstream) })
	t.Run("big pings and closed ports", func(t *testing.T) { checkControl(t, p, client, s.Upstream) })
	t.Run("big datagrams", func(t *testing.T) { checkBigDatagrams(t, p, client, s.Upstream) })
	t.Run("HTTP/3", func(t *testing.T) { checkHTTP3(t, p, client, upstream, s.Upstream) })
	t.Run("peer to peer", func(t *testing.T) { checkPeerToPeer(t, p, gateway, client, p.container("other")) })
	t.Run("IPv6", func(t *testing.T) { checkIPv6(t, p, gateway, p.container("other"), s.Upstream) })
	t.Run("peers of the running gateway", func(t *testing.T) { checkPeers(t, p, gateway, client) })
	t.Run("a restart keeps the peers", func(t *testing.T) { checkRestart(t, p, client, s) })
}

// connect gives a configuration to wg-quick in a client's container.
func (p *project) connect(client, conf string) {
	p.t.Helper()
	p.mustExec(client, "sh", "-c", "umask 077; mkdir -p /etc/wireguard; cat >/etc/wireguard/wg0.conf <<'END'\n"+conf+"END\n")
	p.mustExec(client, "wg-quick", "up", "wg0")
	p.waitForPing(client)
}

// waitForPing waits until the gateway answers in the tunnel.
func (p *project) waitForPing(client string) {
	p.t.Helper()
	lab.Eventually(p.t, time.Minute, "ping through the tunnel", func() error {
		ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
		defer cancel()
		_, err := p.exec(ctx, client, "ping", "-n", "-c", "1", "-W", "2", "10.8.0.1")
		return err
	})
}

// letIn makes a key on the client that the upstream's SSH server accepts.
func (p *project) letIn(client, upstream, key string) {
	p.t.Helper()
	p.mustExec(client, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	public := strings.TrimSpace(p.mustExec(client, "cat", key+".pub"))
	p.mustExec(upstream, "sh", "-c", "echo '"+public+"' >"+keysFile)
}

// checkRights looks at the gateway's container from outside and at its process from the kernel's
// side.
func checkRights(t *testing.T, p *project, gateway string) {
	c := p.inspect(gateway)
	h := c.HostConfig
	if c.Config.User != "65532:65532" || !h.ReadonlyRootfs || h.Privileged || len(h.CapAdd) > 0 ||
		!slices.Contains(h.CapDrop, "ALL") || len(h.Devices) > 0 {
		t.Errorf("user %q, %+v; want 65532:65532, read-only, no capability, no device", c.Config.User, h)
	}
	if !slices.ContainsFunc(h.SecurityOpt, func(s string) bool { return strings.HasPrefix(s, "no-new-privileges") }) {
		t.Errorf("security options %q, want no-new-privileges", h.SecurityOpt)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.State.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Uid:\t65532\t65532\t65532\t65532",
		"Gid:\t65532\t65532\t65532\t65532",
		"CapInh:\t0000000000000000",
		"CapPrm:\t0000000000000000",
		"CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000",
		"CapAmb:\t0000000000000000",
		"NoNewPrivs:\t1",
	} {
		if !strings.Contains(string(status), want+"\n") {
			t.Errorf("the process's status lacks %q:\n%s", want, status)
		}
	}
}

// checkImage looks at what the image tells its users, and that it holds nothing but the binary.
func checkImage(t *testing.T, p *project, gateway string) {
	c := p.inspect(gateway)
	if _, ok := c.Config.ExposedPorts["51820/udp"]; !ok {
		t.Errorf("exposed ports %v, want 51820/udp", c.Config.ExposedPorts)
	}
	for _, label := range []string{"title", "description", "licenses", "version", "revision"} {
		if c.Config.Labels["org.opencontainers.image."+label] == "" {
			t.Errorf("label %s says nothing", label)
		}
	}
	if out := p.mustExec(gateway, "/vpngw", "version"); !strings.Contains(out, "vpngw ") {
		t.Errorf("version: %q", out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	if _, err := p.exec(ctx, gateway, "/bin/sh", "-c", "true"); err == nil {
		t.Error("the image has a shell")
	}
}

// checkIsolation makes sure that what comes later goes through the gateway.
func checkIsolation(t *testing.T, p *project, client string, s traffic.Site) {
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	out, err := p.exec(ctx, client, "curl", "-sS", "--max-time", "3",
		fmt.Sprintf("http://%s:%d/small/1", s.Upstream, origin.PortHTTP))
	if err == nil {
		t.Errorf("without the tunnel the client got %q", out)
	}
}

// checkPeers adds, shows and removes a peer with the command in the gateway's container.
func checkPeers(t *testing.T, p *project, gateway, client string) {
	conf := p.mustExec(gateway, "/vpngw", "peer", "add", "second")
	if !strings.Contains(conf, "Endpoint = gateway:51820") {
		t.Errorf("peer add printed\n%s", conf)
	}
	if list := p.mustExec(gateway, "/vpngw", "peer", "list"); !strings.Contains(list, "second") {
		t.Errorf("peer list shows\n%s", list)
	}
	p.mustExec(gateway, "/vpngw", "peer", "remove", "second")
	if list := p.mustExec(gateway, "/vpngw", "peer", "list"); strings.Contains(list, "second") {
		t.Errorf("after the removal peer list shows\n%s", list)
	}
	p.waitForPing(client)
}

// checkRestart restarts the gateway's container: state is in its volume.
func checkRestart(t *testing.T, p *project, client string, s traffic.Site) {
	p.mustCompose(commandTimeout, "restart", "gateway")
	p.waitForPing(client)
	out := p.mustExec(client, "curl", "-sS", "--fail", "--max-time", "30",
		fmt.Sprintf("http://%s:%d/small/2", s.Upstream, origin.PortHTTP))
	if out != "small 2\n" {
		t.Errorf("after the restart the client got %q", out)
	}
}
