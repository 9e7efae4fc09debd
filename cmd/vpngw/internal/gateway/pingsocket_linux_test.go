package gateway

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// openPingForTest opens a ping socket, if need be in a network namespace of its own where that is
// allowed. It returns an error where this process may do neither.
func openPingForTest(t *testing.T) (pingSocket, error) {
	t.Helper()
	sock, err := openPingSocket()
	if err == nil {
		return sock, nil
	}
	type result struct {
		sock pingSocket
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 2147483647"), 0)
		if err == nil {
			err = loopbackUp()
		}
		if err != nil {
			done <- result{nil, err}
			return
		}
		sock, err := openPingSocket()
		done <- result{sock, err}
	}()
	r := <-done
	return r.sock, r.err
}

// loopbackUp brings up lo in the calling thread's network namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

func TestPingSocketKeepsPayloadAndSequence(t *testing.T) {
	sock, err := openPingForTest(t)
	if err != nil {
		if !errors.Is(err, os.ErrPermission) {
			t.Fatal(err)
		}
		t.Log("this host allows no ping sockets:", err)
		return
	}
	type reply struct {
		src  netip.Addr
		seq  uint16
		ttl  int
		data []byte
	}
	replies, failures := make(chan reply, 10), make(chan fault, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sock.receive(func(src netip.Addr, seq uint16, ttl int, p []byte) {
			replies <- reply{src, seq, ttl, bytes.Clone(p)}
		}, func(_ netip.Addr, _ int, why fault) { failures <- why })
	}()
	host := netip.MustParseAddr("127.0.0.1")
	for i, size := range []int{0, 56, 8000, 65507} {
		sent := bytes.Repeat([]byte{byte(i + 1)}, size)
		r := pingMessage{dst: host, seq: uint16(1000 + i), ttl: 1 + i, tos: 0x20, dontFragment: i%2 == 1, payload: sent}
		if err := sock.send(r); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		got := await(t, "echo reply", replies)
		if got.src != host || got.seq != r.seq || got.ttl < 2 || !bytes.Equal(got.data, sent) {
			t.Errorf("%d bytes: %v %d, ttl %d, %d bytes came back", size, got.src, got.seq, got.ttl, len(got.data))
		}
	}
	sock.close()
	<-ended
	if len(failures) != 0 {
		t.Errorf("a failure was reported: %v", <-failures)
	}
}
