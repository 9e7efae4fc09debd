package hosttcp

import (
	"encoding/binary"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawSockaddr returns a sockaddr_in.
func rawSockaddr(a netip.AddrPort) unix.RawSockaddrInet4 {
	sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.Addr().As4()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:], a.Port())
	return sa
}

// localAddr is getsockname(2).
func localAddr(fd int) (a netip.AddrPort, errno unix.Errno) {
	var sa unix.RawSockaddrInet4
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno = unix.RawSyscall(unix.SYS_GETSOCKNAME,
		uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 || sa.Family != unix.AF_INET {
		return netip.AddrPort{}, errno
	}
	return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&sa.Port))[:])), 0
}

// newSocket is socket(2). The socket does not block.
func newSocket() (fd int, errno unix.Errno) {
	const kind = unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	r, _, errno := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, kind, 0)
	return int(r), errno
}

// connect is connect(2) on a socket that does not block. The second call for a socket tells how the first
// one went: 0 or EISCONN, EALREADY, or why it failed.
func connect(fd int, to *unix.RawSockaddrInet4) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), unsafe.Sizeof(*to))
	return errno
}

// setInt is setsockopt(2) with an integer.
func setInt(fd, level, option, value int) unix.Errno {
	v := int32(value)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT,
		uintptr(fd), uintptr(level), uintptr(option), uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno
}

// sendVector is sendmsg(2) with up to slicesMax slices. What a socket has no room for stays; if it has none
// at all, errno is EAGAIN.
func sendVector(fd int, p [][]byte) (n int, errno unix.Errno) {
	var iovs [slicesMax]unix.Iovec
	count := 0
	for _, b := range p {
		if len(b) > 0 && count < slicesMax {
			iovs[count].Base = &b[0]
			iovs[count].SetLen(len(b))
			count++
		}
	}
	h := unix.Msghdr{Iov: &iovs[0]}
	h.SetIovlen(count)
	const flags = unix.MSG_NOSIGNAL | unix.MSG_DONTWAIT
	r, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), flags)
	runtime.KeepAlive(&iovs) // which only the kernel's structure points to
	if errno != 0 {
		return 0, errno
	}
	return int(r), 0
}

// shutdownWrite is shutdown(2) with SHUT_WR.
func shutdownWrite(fd int) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	return errno
}

// closeSocket is close(2), which does not wait: a socket with something unsent goes on without its
// descriptor.
func closeSocket(fd int) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return errno
}
