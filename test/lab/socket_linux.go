package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Do calls f on a thread that is in the host's namespace: sockets that f makes belong to the host,
// and go on belonging to it wherever they are used. f must not start processes or goroutines that
// make sockets.
func (h *Host) Do(f func() error) error {
	result := make(chan error, 1)
	go func() {
		// The thread is given back only after it is in its own namespace again; otherwise it
		// ends with this goroutine.
		runtime.LockOSThread()
		home, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			runtime.UnlockOSThread()
			result <- err
			return
		}
		defer home.Close()
		if err := unix.Setns(int(h.self.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("lab: entering %s: %w", h.name, err)
			return
		}
		err = f()
		if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// DialContext dials from the host, for net.Dialer.DialContext's users such as http.Transport. The
// address must be numeric: names would be looked up elsewhere.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var conn net.Conn
	err := h.Do(func() error {
		var err error
		d := net.Dialer{Timeout: 30 * time.Second, KeepAlive: -1}
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Connect tries to connect from the host with one blocking call, and returns the kernel's own error:
// unix.EINPROGRESS if nothing was decided within limit. Unlike a socket that is waited for, that
// call never loses the error of an ICMP message (seen on Linux 6.18 about once in 200 times).
func (h *Host) Connect(address netip.AddrPort, limit time.Duration) error {
	return h.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		timeout := unix.NsecToTimeval(limit.Nanoseconds())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &timeout); err != nil {
			return err
		}
		for {
			err = unix.Connect(fd, &unix.SockaddrInet4{Addr: address.Addr().As4(), Port: int(address.Port())})
			if !errors.Is(err, unix.EINTR) { // the runtime's signals
				return err
			}
		}
	})
}

// Listen listens for TCP on the host.
func (h *Host) Listen(address string) (net.Listener, error) {
	var ln net.Listener
	err := h.Do(func() error {
		var err error
		ln, err = net.Listen("tcp4", address)
		return err
	})
	return ln, err
}

// ListenUDP opens a UDP socket on the host, bound to address.
func (h *Host) ListenUDP(address string) (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := h.Do(func() error {
		local, err := net.ResolveUDPAddr("udp4", address)
		if err != nil {
			return err
		}
		conn, err = net.ListenUDP("udp4", local)
		return err
	})
	return conn, err
}

// DialUDP opens a UDP socket on the host, connected to address.
func (h *Host) DialUDP(address string) (*net.UDPConn, error) {
	var conn *net.UDPConn
	err := h.Do(func() error {
		remote, err := net.ResolveUDPAddr("udp4", address)
		if err != nil {
			return err
		}
		conn, err = net.DialUDP("udp4", nil, remote)
		return err
	})
	return conn, err
}
