package wgbind

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received or sent
}

// set points h to a socket address, to the pieces of a datagram and to control messages. All of it
// must stay where it is until the call is over.
func (h *mmsghdr) set(name []byte, iov []unix.Iovec, control []byte) {
	h.hdr.Name, h.hdr.Namelen = &name[0], uint32(len(name))
	h.hdr.Iov = &iov[0]
	h.hdr.SetIovlen(len(iov))
	h.hdr.Control = nil
	if len(control) > 0 {
		h.hdr.Control = &control[0]
	}
	h.hdr.SetControllen(len(control))
	h.hdr.Flags, h.n = 0, 0
}

func recvmmsg(fd uintptr, hdrs []mmsghdr) (int, syscall.Errno) {
	return mmsg(unix.SYS_RECVMMSG, fd, hdrs)
}

func sendmmsg(fd uintptr, hdrs []mmsghdr) (int, syscall.Errno) {
	return mmsg(unix.SYS_SENDMMSG, fd, hdrs)
}

// mmsg makes the call until no signal interrupts it. The socket does not block: the call lasts for as
// long as it copies. The runtime is not told of it; it would take the processor away from a call that
// lasts for 20 µs and wake another thread for it, which on a busy machine costs more than it gives.
func mmsg(trap, fd uintptr, hdrs []mmsghdr) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(&hdrs[0])), uintptr(len(hdrs)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
