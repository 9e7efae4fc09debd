package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// smallMemory is the memory limit of the small container, in bytes.
const smallMemory = 64 << 20

// cgroups are the two forms of cgroups(7). Inside of "ip netns exec" none is mounted: mount makes up
// for that, there alone.
var cgroups = []struct{ root, file, mount string }{
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "mount -t tmpfs none /sys/fs/cgroup && " +
		"mkdir /sys/fs/cgroup/memory && mount -t cgroup -o memory none /sys/fs/cgroup/memory"},
	{"/sys/fs/cgroup", "memory.max", "mount -t cgroup2 none /sys/fs/cgroup"},
}

// memoryCgroup makes a memory cgroup with a limit in bytes that ends with the round. It returns the
// script that enters it and executes its parameters, the first one as $0.
func (b *bench) memoryCgroup(limit int64) (script string) {
	form := cgroups[0]
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		form = cgroups[1]
		_ = os.WriteFile(form.root+"/cgroup.subtree_control", []byte("+memory"), 0o644) // most have it
	}
	dir := filepath.Join(form.root, fmt.Sprintf("vpngw-path-%d", os.Getpid()))
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		b.Cleanup(func() { _ = os.Remove(dir) })
		err = os.WriteFile(filepath.Join(dir, form.file), []byte(strconv.FormatInt(limit, 10)), 0o644)
	}
	if err != nil {
		b.Fatalf("a memory cgroup for the small container: %v", err)
	}
	return fmt.Sprintf(`%s && echo $$ > %s/cgroup.procs && exec "$0" "$@"`, form.mount, dir)
}

// smallContainer opens a burst of connections, and while they are open loads the gateway both ways.
func smallContainer(ctx context.Context, p *path, d time.Duration) (figures, error) {
	conns, err := p.open(ctx, openConns)
	if err != nil {
		return nil, closing(conns, err)
	}
	defer func() { _ = closing(conns, nil) }()
	up, _, errUp := p.iperf(ctx, d, false, "-P", "8")
	down, _, errDown := p.iperf(ctx, d, true, "-P", "8")
	if err := errors.Join(errUp, errDown); err != nil {
		return nil, fmt.Errorf("%w; the gateway has ended: %v\n%s", err, p.process.Ended(), p.process.Output())
	}
	for i, c := range conns { // each of them still works
		b := []byte{2}
		if err := c.SetDeadline(time.Now().Add(slack)); err != nil {
			return nil, err
		}
		if _, err := c.Write(b); err != nil {
			return nil, fmt.Errorf("connection %d of the burst: %w", i, err)
		}
		if _, err := c.Read(b); err != nil {
			return nil, fmt.Errorf("connection %d of the burst: %w", i, err)
		}
	}
	now, peak := p.memory()
	return figures{
		"up Mbit/s": up.End.Received.Rate / 1e6, "down Mbit/s": down.End.Received.Rate / 1e6,
		"MiB": now / mib, "peak MiB": peak / mib,
	}, nil
}
