//go:build !unix

package gateway

// openFilesMax is how many files the process may have open; 0: the system sets no such limit.
func openFilesMax() int { return 0 }
