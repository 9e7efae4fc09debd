package gateway

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// unsent is how much of what was written to c the other side's kernel has not acknowledged.
func unsent(t *testing.T, c *net.TCPConn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if ctl := raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); ctl != nil || err != nil {
		t.Fatal(ctl, err)
	}
	return n
}
