package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/test/lab"
)

// gatewayUID is who runs the gateway: nobody in particular, with no right at all.
const gatewayUID = 65532

// tunnelGateway is the gateway's address in the tunnel when "vpngw up" chooses it.
const tunnelGateway = "10.8.0.1"

// startTimeout bounds the start of a gateway, on a machine that does other things too.
const startTimeout = 30 * time.Second

// gateway is a running "vpngw up" on the gateway host.
type gateway struct {
	n       *network
	process *lab.Process
	state   string // its state directory
	words   []string
}

// startGateway runs "vpngw up" with nothing prepared, as an unprivileged user; words follow "up".
func (n *network) startGateway(words ...string) *gateway {
	n.t.Helper()
	dir := n.t.TempDir()
	if err := os.Chown(dir, gatewayUID, gatewayUID); err != nil {
		n.t.Fatal(err)
	}
	for up := dir; up != os.TempDir() && len(up) > 1; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil { // t.TempDir's parents are for root alone
			n.t.Fatal(err)
		}
	}
	g := &gateway{n: n, state: filepath.Join(dir, "state"), words: words}
	g.start()
	return g
}

// start starts the process and waits until it is ready.
func (g *gateway) start() {
	g.n.t.Helper()
	g.process = g.n.gateway.Start(g.unprivileged(append([]string{"up"}, g.words...)...)...)
	lab.Eventually(g.n.t, startTimeout, "vpngw health", func() error {
		if g.process.Ended() {
			g.n.t.Fatalf("the gateway ended:\n%s", g.process.Output())
		}
		ctx, cancel := context.WithTimeout(g.n.t.Context(), startTimeout)
		defer cancel()
		_, err := g.try(ctx, "health")
		return err
	})
}

// unprivileged is the command line of a verb, run by gatewayUID with nothing it could win back.
func (g *gateway) unprivileged(verb ...string) []string {
	id := fmt.Sprint(gatewayUID)
	return append([]string{
		"setpriv", "--reuid", id, "--regid", id, "--clear-groups", "--no-new-privs",
		"--bounding-set", "-all", "--inh-caps", "-all", "--pdeathsig", "KILL",
		"env", "VPNGW_STATE=" + g.state, command,
	}, verb...)
}

// try runs a verb beside the running gateway.
func (g *gateway) try(ctx context.Context, verb ...string) (string, error) {
	return g.n.gateway.Try(ctx, g.unprivileged(verb...)...)
}

// run is try for a verb that must succeed.
func (g *gateway) run(verb ...string) string {
	g.n.t.Helper()
	return g.n.gateway.Run(g.unprivileged(verb...)...)
}

// clientConfig matches a wg-quick configuration among other output.
var clientConfig = regexp.MustCompile(`(?m)^\[Interface\]\n(?:(?:\[Peer\]|#.*|[A-Za-z]+ = .*|)\n)+`)

// privateKeyLine matches the secret of a client configuration, to its end.
var privateKeyLine = regexp.MustCompile(`(?m)^PrivateKey = .*\n`)

// shownConfig returns the client configuration that the first run printed, with its QR code: that
// stands in comments.
func (g *gateway) shownConfig() string {
	g.n.t.Helper()
	var found string
	lab.Eventually(g.n.t, startTimeout, "the client configuration of the first run", func() error {
		found = clientConfig.FindString(g.process.Output())
		if !strings.Contains(found, "[Peer]") {
			return errors.New("none is printed") // health may be quicker than the pipe
		}
		return nil
	})
	return found
}

// settings is a client configuration without comments and blank lines.
func settings(conf string) string {
	var kept strings.Builder
	for line := range strings.Lines(conf) {
		if text := strings.TrimSpace(line); text != "" && text[0] != '#' {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// client is a stock WireGuard client on a host.
type client struct {
	n    *network
	host *lab.Host
	name string // of the device
	conf string // the file
}

// connect gives a configuration to wg-quick on the host and waits until the tunnel carries a ping.
func (n *network) connect(h *lab.Host, conf string) *client {
	n.t.Helper()
	c := n.newClient(h, conf)
	c.up()
	c.waitForPing()
	return c
}

// newClient writes the configuration down under a device name of its own: wireguard-go's control
// sockets of all hosts share a directory.
func (n *network) newClient(h *lab.Host, conf string) *client {
	n.t.Helper()
	name := fmt.Sprintf("wg%d%s", os.Getpid(), h.Name()[:1])
	c := &client{n: n, host: h, name: name, conf: filepath.Join(n.t.TempDir(), name+".conf")}
	if err := os.WriteFile(c.conf, []byte(conf), 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = os.Remove("/run/wireguard/" + name + ".sock") })
	return c
}

func (c *client) up() {
	c.n.t.Helper()
	c.host.Run("env", "WG_QUICK_USERSPACE_IMPLEMENTATION=wireguard-go", "wg-quick", "up", c.conf)
}

// waitForPing waits until the gateway answers in the tunnel.
func (c *client) waitForPing() {
	c.n.t.Helper()
	lab.Eventually(c.n.t, 60*time.Second, "ping through the tunnel", c.ping)
}

func (c *client) ping() error {
	ctx, cancel := context.WithTimeout(c.n.t.Context(), 10*time.Second)
	defer cancel()
	_, err := c.host.Try(ctx, "ping", "-n", "-c", "1", "-W", "2", tunnelGateway)
	return err
}

// stop ends the gateway as a service manager would, and wants a clean end.
func (g *gateway) stop() {
	g.n.t.Helper()
	if err := g.process.Stop(); err != nil {
		g.n.t.Errorf("the gateway's end after SIGTERM: %v", err)
	}
}

// kill ends the gateway without a chance to tidy up.
func (g *gateway) kill() {
	g.n.t.Helper()
	g.process.Signal(syscall.SIGKILL)
	_ = g.process.Stop()
}

// withEndpoint changes the Endpoint line of a client configuration.
func withEndpoint(t *testing.T, conf, endpoint string) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^Endpoint = .*$`)
	if !line.MatchString(conf) {
		t.Fatal("the configuration has no Endpoint line")
	}
	return line.ReplaceAllString(conf, "Endpoint = "+endpoint)
}
