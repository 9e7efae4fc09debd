package gateway

import (
	"math"
	"runtime/debug"
	"testing"
	"testing/fstest"

	"vpngw/adapter"
)

func TestCgroupMemoryLimit(t *testing.T) {
	const gib = "1073741824\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"no cgroups", nil, 0},
		{"container with its own namespace", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "67108864\n",
		}, 64 << 20},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, 0},
		{"the smallest on the way up", map[string]string{
			"proc/self/cgroup":                           "0::/system.slice/vpngw.service\n",
			"sys/fs/cgroup/system.slice/memory.max":      "536870912\n",
			"sys/fs/cgroup/system.slice/vpngw.service/m": "",
			"sys/fs/cgroup/memory.max":                   gib,
		}, 512 << 20},
		{"the host's path, the container's mount", map[string]string{
			"proc/self/cgroup": "0::/kubepods/pod7/c1\n", "sys/fs/cgroup/memory.max": "134217728\n",
		}, 128 << 20},
		{"older hierarchy", map[string]string{
			"proc/self/cgroup": "3:cpu:/x\n4:memory:/docker/abc\n0::/\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": gib,
			"sys/fs/cgroup/memory/memory.limit_in_bytes":            "9223372036854771712\n",
		}, 1 << 30},
		{"older hierarchy, no limit", map[string]string{
			"proc/self/cgroup": "4:cpu,memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		{"nonsense", map[string]string{"proc/self/cgroup": "::\nx\n0::/\n", "sys/fs/cgroup/memory.max": "-5x\n"}, 0},
	} {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := cgroupMemoryLimit(root); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestSetMemoryLimitYieldsToTheEnvironment(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "100MiB")
	if got := SetMemoryLimit(); got != 0 {
		t.Errorf("set %d although GOMEMLIMIT is set", got)
	}
}

func TestTheCollectorRunsEarlierUnlessGOGCIsSet(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "100MiB") // whatever this machine has
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for env, want := range map[string]int{"200": 100, "": gcPercent} {
		debug.SetGCPercent(100)
		t.Setenv("GOGC", env)
		SetMemoryLimit()
		if got := debug.SetGCPercent(100); got != want {
			t.Errorf("GOGC=%q: %d percent, want %d", env, got, want)
		}
	}
}

// The buffers of all connections and datagrams leave most of a small container's memory to the rest.
func TestBuffersFitTheMemory(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		configured, memory int64
		streams, datagrams int
	}{
		{128 * mib, math.MaxInt64, 128 * mib, 64 * mib}, // no limit
		{128 * mib, 54 * mib, 18 * mib, 54 * mib / 8},   // a container with 64 MiB
		{4 * mib, 54 * mib, 4 * mib, 54 * mib / 8},
		{128 * mib, 0, mib, mib},
	} {
		var o adapter.Options
		fit(&o, c.configured, c.memory)
		if o.Limits.Memory != c.streams || o.Limits.DatagramMemory != c.datagrams {
			t.Errorf("%d MiB configured, %d bytes of memory: %d and %d", c.configured/mib, c.memory, o.Limits.Memory, o.Limits.DatagramMemory)
		}
	}
}
