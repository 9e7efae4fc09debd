//go:build unix

package gateway

import "syscall"

// openFilesMax is how many files the process may have open; 0: unknown. The Go runtime has raised
// the soft limit to the hard one at start.
func openFilesMax() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return int(min(uint64(l.Cur), 1<<30))
}
