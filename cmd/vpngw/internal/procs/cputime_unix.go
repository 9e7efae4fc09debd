//go:build unix

package procs

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what the process has used so far.
func cpuTime() (time.Duration, bool) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
