//go:build !unix

package procs

import "time"

// cpuTime is not asked for here.
func cpuTime() (time.Duration, bool) { return 0, false }
