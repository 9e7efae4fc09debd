package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vpngw/test/lab"
)

// composeSwitch is the environment variable without which nothing here runs.
const composeSwitch = "VPNGW_TEST_COMPOSE"

// projectName starts the names of all containers, networks and volumes.
const projectName = "vpngwtest"

const (
	imageTimeout   = 8 * time.Minute // to make images from nothing
	commandTimeout = time.Minute     // for any other command
)

// project is the running compose file.
type project struct {
	t       *testing.T
	compose []string // the command: "docker compose" or "docker-compose"
	env     []string
}

// startProject makes the images, removes what a killed run left, and starts everything.
func startProject(t *testing.T) *project {
	t.Helper()
	lab.Require(t, composeSwitch, "docker", "go")
	p := &project{t: t, compose: composeCommand(t)}
	// The classic builder: BuildKit asks registries even for images that are here.
	p.env = append(os.Environ(), "DOCKER_BUILDKIT=0", "COMPOSE_DOCKER_CLI_BUILD=0")
	if os.Getenv("VPNGW_BUILD_IMAGE") == "" {
		p.makeBaseImages()
	}
	p.down()
	t.Cleanup(p.end)
	p.mustCompose(imageTimeout, "build")
	p.mustCompose(commandTimeout, "up", "-d", "--no-build")
	return p
}

// composeCommand finds the second generation of compose or the first.
func composeCommand(t *testing.T) []string {
	t.Helper()
	if exec.Command("docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	if _, err := exec.LookPath("docker-compose"); err != nil {
		t.Fatalf("neither \"docker compose\" nor docker-compose is here: %v", err)
	}
	return []string{"docker-compose"}
}

// makeBaseImages runs test/image.sh and takes over the variables that it prints.
func (p *project) makeBaseImages() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), imageTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../image.sh")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("test/image.sh: %v", err)
	}
	p.env = append(p.env, strings.Fields(strings.TrimPrefix(string(out), "export"))...)
}

// run runs a command with the project's environment and returns its stdout.
func (p *project) run(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = p.env
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// composeArgs is a command line of compose for this project.
func (p *project) composeArgs(args ...string) []string {
	return append(append(p.compose[:len(p.compose):len(p.compose)],
		"-p", projectName, "-f", "../compose.yaml"), args...)
}

func (p *project) mustCompose(limit time.Duration, args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), limit)
	defer cancel()
	out, err := p.run(ctx, p.composeArgs(args...)...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// end shows the logs of a failed test and removes everything.
func (p *project) end() {
	if p.t.Failed() {
		ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
		logs, _ := p.run(ctx, p.composeArgs("logs", "--no-color", "--tail=200")...)
		cancel()
		p.t.Logf("logs:\n%s", logs)
	}
	p.down()
}

// down removes containers, networks and the volume, of this run or of one that was killed.
func (p *project) down() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*commandTimeout)
	defer cancel()
	if _, err := p.run(ctx, p.composeArgs("down", "--volumes", "--remove-orphans", "--timeout", "10")...); err != nil {
		p.t.Errorf("taking the project down: %v", err)
	}
}

// container returns the id of a service's container.
func (p *project) container(service string) string {
	p.t.Helper()
	return strings.TrimSpace(p.mustCompose(commandTimeout, "ps", "-q", service))
}

// exec runs a command in a service's container.
func (p *project) exec(ctx context.Context, container string, args ...string) (string, error) {
	return p.run(ctx, append([]string{"docker", "exec", container}, args...)...)
}

// mustRun is run for a command that must succeed.
func (p *project) mustRun(args ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), commandTimeout)
	defer cancel()
	out, err := p.run(ctx, args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// mustExec is exec for a command that must succeed.
func (p *project) mustExec(container string, args ...string) string {
	p.t.Helper()
	return p.mustRun(append([]string{"docker", "exec", container}, args...)...)
}

// inspection is the part of "docker inspect" that the tests look at.
type inspection struct {
	Config struct {
		User         string
		Labels       map[string]string
		ExposedPorts map[string]struct{}
	}
	HostConfig struct {
		ReadonlyRootfs bool
		Privileged     bool
		CapAdd         []string
		CapDrop        []string
		SecurityOpt    []string
		Devices        []any
		Memory         int64
	}
	State struct {
		Pid       int
		OOMKilled bool
		Health    struct{ Status string }
	}
	RestartCount    int
	NetworkSettings struct {
		Networks map[string]struct {
			IPAddress   string
			IPPrefixLen int
		}
	}
}

func (p *project) inspect(container string) inspection {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), commandTimeout)
	defer cancel()
	out, err := p.run(ctx, "docker", "inspect", container)
	if err != nil {
		p.t.Fatal(err)
	}
	var found []inspection
	if err := json.Unmarshal([]byte(out), &found); err != nil || len(found) != 1 {
		p.t.Fatalf("docker inspect: %v, %d results", err, len(found))
	}
	return found[0]
}

// address returns a container's address on one of the project's networks.
func (p *project) address(container, network string) string {
	p.t.Helper()
	addr := p.inspect(container).NetworkSettings.Networks[projectName+"_"+network].IPAddress
	if addr == "" {
		p.t.Fatalf("container %.12s has no address on %s", container, network)
	}
	return addr
}

// nobody returns an address of one of the project's networks that no container has: hosts there
// find out soon that it cannot be reached. (What lies beyond an internal network is no use: whether
// it has a default route differs between versions of the engine.)
func (p *project) nobody(container, network string) string {
	p.t.Helper()
	n := p.inspect(container).NetworkSettings.Networks[projectName+"_"+network]
	addr, err := netip.ParseAddr(n.IPAddress)
	if err != nil || n.IPPrefixLen > 24 {
		p.t.Fatalf("network %s is odd: %+v, %v", network, n, err)
	}
	b := addr.As4()
	b[3] = 250 // the engine gives out addresses from the bottom
	return netip.AddrFrom4(b).String()
}
