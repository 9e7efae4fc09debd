package gateway

import (
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"vpngw/adapter/wgbind"
)

// udpBuffers returns how many bytes the smaller of the buffers of a WireGuard socket gets here, and how many
// it asks for.
func udpBuffers() (got, want int, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	want, got = wgbind.SocketBuffer, wgbind.SocketBuffer
	for _, o := range [...]struct{ set, force int }{
		{unix.SO_RCVBUF, unix.SO_RCVBUFFORCE}, {unix.SO_SNDBUF, unix.SO_SNDBUFFORCE},
	} {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.set, want)
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o.force, want)
		n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, o.set)
		if err != nil {
			return 0, 0, err
		}
		got = min(got, n/2) // the kernel doubles it, for its own overhead: socket(7)
	}
	return got, want, nil
}

// localPortRange returns the ports that the system gives by itself; 0, 0: unknown.
func localPortRange() (first, last int) {
	const name = "net/ipv4/ip_local_port_range"
	return sysctl(name, 0), sysctl(name, 1)
}

// sysctl returns a number of those that name holds; 0: it cannot be read.
func sysctl(name string, field int) int {
	b, err := os.ReadFile(path.Join("/proc/sys", name))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if field >= len(fields) {
		return 0
	}
	n, _ := strconv.Atoi(fields[field])
	return n
}
