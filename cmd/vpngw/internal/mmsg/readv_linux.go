package mmsg

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Readv is readv(2) on a descriptor that does not block: it reads into one slice after the other, of at
// most ReadvMax, none of them empty. n is never negative; err is a syscall.Errno or nil.
//
// The runtime is not told of the call. It would take the processor away from a call that lasts for 20 µs
// and wake another thread for it; but this one does not wait for anything, it copies.
func Readv(fd int, p [][]byte) (n int, err error) {
	var iovs [ReadvMax]unix.Iovec
	p = p[:min(len(p), ReadvMax)]
	for i, b := range p {
		iovs[i].Base = &b[0]
		iovs[i].SetLen(len(b))
	}
	r, _, errno := unix.RawSyscall(unix.SYS_READV, uintptr(fd), uintptr(unsafe.Pointer(&iovs)), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(r), nil
}
