package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// netnsSwitch is the variable that the tests of test/netns use as well.
const netnsSwitch = "VPNGW_TEST_NETNS"

func TestTwoHostsReachEachOther(t *testing.T) {
	Require(t, netnsSwitch, "ip")
	l := New(t)
	a, b := l.Host("a"), l.Host("b")
	l.Link(a, "172.31.9.1/24", b, "172.31.9.2/24")

	ln, err := b.Listen("172.31.9.2:7")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(c.RemoteAddr().String()))
			_ = c.Close()
		}
	}()
	conn, err := a.DialContext(t.Context(), "tcp4", "172.31.9.2:7")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := make([]byte, 64)
	n, err := conn.Read(from)
	if err != nil || !strings.HasPrefix(string(from[:n]), "172.31.9.1:") {
		t.Errorf("b sees a as %q (%v)", from[:n], err)
	}
	// The address exists on that host alone.
	if _, err := l.Host("c").ListenUDP("172.31.9.2:9"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("host c binds b's address: %v, want EADDRNOTAVAIL", err)
	}
}

func TestCommandsAreBounded(t *testing.T) {
	Require(t, netnsSwitch, "ip", "sleep")
	h := New(t).Host("a")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Shell(ctx, "sleep 600 & sleep 600"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that never ends: %v, want a deadline error", err)
	}
	if _, err := h.Shell(t.Context(), "echo why >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("a command that fails: %v, want its stderr in the error", err)
	}
}

func TestProcessOutputAndEnd(t *testing.T) {
	Require(t, netnsSwitch, "ip", "sleep")
	h := New(t).Host("a")
	p := h.Start("sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done")
	p.WaitFor("ready", 10*time.Second)
	if err := p.Stop(); err != nil || !strings.Contains(p.Output(), "bye") {
		t.Errorf("Stop: %v, output %q; want a clean end", err, p.Output())
	}
	if err := syscall.Kill(p.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}

// TestSweepRemovesWhatAKilledRunLeft runs this test binary once more, kills it in the middle of a
// test, and looks for its namespace afterwards.
func TestSweepRemovesWhatAKilledRunLeft(t *testing.T) {
	Require(t, netnsSwitch, "ip", "sleep")
	if os.Getenv("VPNGW_LAB_VICTIM") == "1" {
		h := New(t).Host("victim")
		// A daemon, which no process group and no parent's death takes along.
		h.Run("setsid", "-f", "sh", "-c", "exec >/dev/null 2>&1; sleep 600")
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSweepRemoves")
	victim.Env = append(os.Environ(), "VPNGW_LAB_VICTIM=1")
	if err := victim.Run(); err == nil {
		t.Fatal("the victim survived")
	}
	var left string
	entries, err := os.ReadDir(namespaceDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, pid, ok := ownerTag(e.Name()); ok && pid == victim.Process.Pid {
			left = e.Name()
		}
	}
	if left == "" {
		t.Fatal("the victim left no namespace: the test shows nothing")
	}
	pids, err := namespaceProcesses(left)
	if err != nil || len(pids) == 0 {
		t.Fatalf("the victim left no process (%v): the test shows nothing", err)
	}
	New(t)
	if _, err := os.Stat(namespaceDir + "/" + left); !os.IsNotExist(err) {
		t.Errorf("the namespace %s is still there", left)
	}
	for _, pid := range pids {
		if runs(pid) {
			t.Errorf("process %d still runs", pid)
		}
	}
}

// runs tells a process from one that is gone or only waits for its parent to take note.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, ok := strings.Cut(string(stat), ") ")
	return err == nil && ok && state[0] != 'Z'
}
