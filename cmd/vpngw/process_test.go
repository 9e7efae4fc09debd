//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// nobodyUID is who runs the command when the tests run as root: a user with no rights at all.
const nobodyUID = 65532

// binary is the built command.
var binary string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

// buildAndRun builds the command where any user can run it, and then runs the tests.
func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vpngw-build")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "vpngw")
	build := exec.Command("go", "build", "-ldflags", "-X main.version=v0.0.1-test -X main.revision=0123abcd", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o755), os.Chmod(binary, 0o755))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// host is a directory and the user that the command is run as in it.
type host struct {
	t   *testing.T
	dir string
}

// newHost makes an empty directory that belongs to an unprivileged user.
func newHost(t *testing.T) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "vpngw-test") // t.TempDir lies below a directory of root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobodyUID, nobodyUID); err != nil {
			t.Fatal(err)
		}
	}
	return &host{t: t, dir: dir}
}

// lifetime bounds every process: one that hangs is killed, and fails its test by its status.
const lifetime = time.Minute

// command is a command line in the host's directory, as its user, with an empty environment.
func (h *host) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(h.t.Context(), lifetime)
	h.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = h.dir
	cmd.Env = []string{"HOME=" + h.dir}
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyUID, Gid: nobodyUID}}
	}
	return cmd
}

// run executes a command line to its end; its exit status must be want.
func (h *host) run(want int, args ...string) (stdout, stderr string) {
	h.t.Helper()
	cmd := h.command(args...)
	var outBuf, errBuf bytes.Buffer
	cmd.Stdout, cmd.Stderr = &outBuf, &errBuf
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.t.Fatalf("vpngw %s: %v", strings.Join(args, " "), err)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		h.t.Errorf("vpngw %s: exit status %d, want %d\n%s", strings.Join(args, " "), got, want, &errBuf)
	}
	return outBuf.String(), errBuf.String()
}

// process is a command that goes on running.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout bytes.Buffer // complete once done is closed

	mu     sync.Mutex // guards the fields below
	stderr strings.Builder
	lines  *sync.Cond // a line was added, or stderr has ended
	ended  bool
}

// start executes a command line that goes on running.
func (h *host) start(args ...string) *process {
	h.t.Helper()
	p := &process{t: h.t, cmd: h.command(args...)}
	p.lines = sync.NewCond(&p.mu)
	p.cmd.Stdout = &p.stdout
	pipe, err := p.cmd.StderrPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go p.follow(pipe)
	h.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // an error if it has ended, as it should
	return p
}

// follow collects standard error line by line.
func (p *process) follow(pipe io.Reader) {
	s := bufio.NewScanner(pipe)
	for s.Scan() {
		p.mu.Lock()
		fmt.Fprintln(&p.stderr, s.Text())
		p.lines.Broadcast()
		p.mu.Unlock()
	}
	p.mu.Lock()
	p.ended = true
	p.lines.Broadcast()
	p.mu.Unlock()
}

// log returns what has been written to standard error until now.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// waitFor returns when standard error has all of the words in one line; it fails if the process
// ends without.
func (p *process) waitFor(words ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for !hasLine(p.stderr.String(), words) {
		if p.ended {
			p.t.Fatalf("ended without a line that has %q:\n%s", words, p.stderr.String())
		}
		p.lines.Wait()
	}
}

func hasLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}

// signal sends a signal.
func (p *process) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// wait returns when the process has ended; its exit status must be want.
func (p *process) wait(want int) {
	p.t.Helper()
	p.mu.Lock()
	for !p.ended {
		p.lines.Wait()
	}
	p.mu.Unlock()
	_ = p.cmd.Wait() // the status says it
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		p.t.Errorf("exit status %d, want %d\n%s", got, want, p.log())
	}
}
