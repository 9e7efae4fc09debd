package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// namespaceDir is where ip-netns(8) keeps the names.
	namespaceDir = "/run/netns"
	// namePrefix starts the name of every namespace of a Lab:
	// vpngw-PID-STARTED-NUMBER-HOST.
	namePrefix = "vpngw-"
)

// processTag names a process in a way that a later process of the same number does not share: its
// number and when it started, in clock ticks since boot.
func processTag(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	started, err := startTime(string(stat))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d-%s", pid, started), nil
}

// startTime finds field 22 of /proc/PID/stat, proc_pid_stat(5). Field 2, the program's name, stands
// in parentheses and may hold anything.
func startTime(stat string) (string, error) {
	end := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[end+1:])
	const index = 22 - 3 // fields[0] is field 3
	if end < 0 || len(fields) <= index {
		return "", fmt.Errorf("lab: odd /proc/PID/stat: %q", stat)
	}
	return fields[index], nil
}

// ownerTag returns the process tag in a namespace's name, or false if the name is none of ours.
func ownerTag(namespace string) (tag string, pid int, ok bool) {
	rest, ok := strings.CutPrefix(namespace, namePrefix)
	parts := strings.SplitN(rest, "-", 4)
	if !ok || len(parts) != 4 {
		return "", 0, false
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil || pid <= 0 {
		return "", 0, false
	}
	return parts[0] + "-" + parts[1], pid, true
}

// sweep removes the namespaces of processes that are no more.
func sweep() error {
	entries, err := os.ReadDir(namespaceDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		tag, pid, ok := ownerTag(e.Name())
		if !ok {
			continue
		}
		if now, err := processTag(pid); err == nil && now == tag {
			continue // its maker still runs
		}
		errs = append(errs, removeNamespace(e.Name()))
	}
	return errors.Join(errs...)
}

// removeNamespace ends every process in the namespace and deletes it, with its private files under
// /etc/netns. A namespace that is already gone is no error.
func removeNamespace(name string) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		end := time.Now().Add(3 * time.Second)
		for {
			pids, err := namespaceProcesses(name)
			if err != nil {
				return err
			}
			if len(pids) == 0 || time.Now().After(end) {
				break
			}
			for _, pid := range pids {
				_ = syscall.Kill(pid, sig)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err := os.RemoveAll("/etc/netns/" + name); err != nil {
		return err
	}
	if _, err := os.Stat(namespaceDir + "/" + name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "ip", "netns", "del", name).CombinedOutput(); err != nil {
		return fmt.Errorf("ip netns del %s: %w: %s", name, err, out)
	}
	return nil
}

// namespaceProcesses returns the processes whose network namespace is the named one, this process
// never among them.
func namespaceProcesses(name string) ([]int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", name).Output()
	if err != nil {
		if _, gone := os.Stat(namespaceDir + "/" + name); errors.Is(gone, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, fmt.Errorf("ip netns pids %s: %w", name, err)
	}
	var pids []int
	for _, f := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(f)
		if err == nil && pid > 1 && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
