package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Host is a network namespace. Safe for concurrent use, but for what its testing.TB is not.
type Host struct {
	lab  *Lab
	name string
	ns   string   // name of the namespace
	self *os.File // the namespace itself
}

// Name returns the name given to Lab.Host.
func (h *Host) Name() string { return h.name }

// OwnEtc makes the directory whose files commands on the host see in /etc in place of those that are
// there. It goes with the namespace.
func (h *Host) OwnEtc() string {
	h.lab.t.Helper()
	dir := "/etc/netns/" + h.ns // ip-netns(8)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.lab.t.Fatalf("lab: %v", err)
	}
	return dir
}

// Run runs a command on the host, ends the test if it fails, and returns what it wrote to stdout.
func (h *Host) Run(args ...string) string {
	h.lab.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	out, err := h.Try(ctx, args...)
	if err != nil {
		h.lab.t.Fatalf("lab: on %s: %v", h.name, err)
	}
	return out
}

// Try runs a command on the host and returns what it wrote to stdout. The error tells what it wrote
// to stderr. The command is killed, with what it started, when the context ends.
func (h *Host) Try(ctx context.Context, args ...string) (string, error) {
	cmd := h.command(ctx, args)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err,
			strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Shell runs a script with sh on the host, like Try.
func (h *Host) Shell(ctx context.Context, script string) (string, error) {
	return h.Try(ctx, "sh", "-c", script)
}

// command prepares args to run in the namespace, as a process group of its own that dies with the
// context and, should this process be killed, with this process.
func (h *Host) command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", h.ns}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second // for pipes that a daemon keeps open
	return cmd
}
