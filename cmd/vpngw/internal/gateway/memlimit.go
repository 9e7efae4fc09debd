package gateway

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// SetMemoryLimit gives the Go runtime a soft limit that fits the memory limit of the container or
// service, so that the garbage collector works harder before the kernel kills the process. It does
// so not where GOMEMLIMIT is set, where there is no limit, and where there are no cgroups. It
// returns the limit set in bytes, 0 for none. It also has the collector run earlier than it would, unless
// GOGC is set. Call it once.
func SetMemoryLimit() int64 {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	limit := cgroupMemoryLimit(os.DirFS("/"))
	if limit == 0 {
		return 0
	}
	limit = int64(float64(limit) * memoryShare)
	debug.SetMemoryLimit(limit)
	return limit
}

// cgroupMemoryLimit is the smallest memory limit of the process's cgroup and those above it, in
// bytes; 0: none. It reads the unified hierarchy (memory.max) and the older one
// (memory.limit_in_bytes).
func cgroupMemoryLimit(root fs.FS) int64 {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	limit := int64(math.MaxInt64)
	for line := range strings.Lines(string(membership)) {
		// hierarchy:controllers:path, cgroups(7)
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case fields[0] == "0" && fields[1] == "":
			limit = min(limit, lowestLimit(root, "sys/fs/cgroup", fields[2], "memory.max"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			limit = min(limit, lowestLimit(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	if limit >= math.MaxInt64/2 { // the older hierarchy writes "no limit" as a huge number
		return 0
	}
	return limit
}

// lowestLimit walks from the cgroup at dir up to the root of its hierarchy. In a container with its
// own cgroup namespace, or with only its own group mounted, parts of the path do not exist; the
// mount's root then is the container's group.
func lowestLimit(root fs.FS, mount, dir, file string) int64 {
	limit := int64(math.MaxInt64)
	for dir = path.Clean("/" + dir); ; dir = path.Dir(dir) {
		if b, err := fs.ReadFile(root, path.Join(mount, dir, file)); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
				limit = min(limit, n)
			} // else "max"
		}
		if dir == "/" {
			return limit
		}
	}
}
