package gateway

import (
	"net"
	"os"
	"syscall"
)

// awaitSocketReset blocks until a TCP socket at whose end of stream we are is reset (its error) or
// closed by us (nil).
//
// The runtime's poller is edge-triggered: the end of the stream was one edge and has been taken, a
// reset (EPOLLERR, EPOLLHUP) is the next. Edges of the other direction wake us for nothing, which
// is rare and cheap.
func awaitSocketReset(c syscall.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil // closed
	}
	var reset error
	_ = raw.Read(func(fd uintptr) bool {
		errno, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
		if err == nil && errno != 0 {
			reset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("getsockopt", syscall.Errno(errno))}
		}
		return err != nil || errno != 0
	}) // its error: closed by us
	return reset
}
