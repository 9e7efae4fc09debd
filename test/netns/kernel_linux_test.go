package netns

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vpngw/test/origin"
	"vpngw/test/relay"
)

// kernelControls are the congestion controls that this kernel has.
func kernelControls(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// TestKernelControls has the client's kernel send to ours with each of its congestion controls, and
// receive from ours with each of ours, over a path that loses, delays, reorders and doubles: complete and
// intact.
func TestKernelControls(t *testing.T) {
	const size = 3 << 20
	for i, ours := range []string{"cubic", "newreno", "bbr"} {
		t.Run("from "+ours, func(t *testing.T) {
			n := newNetwork(t)
			g := n.startGateway()
			client := withEndpoint(t, g.shownConfig(), pathAddr+":51820")
			g.stop()
			g.configure("\n[stack]\ncongestion_control = \"" + ours + "\"\n")
			g.start()
			n.startRelay(6, relay.Impairment{Delay: 10 * ms, Jitter: 2 * ms, Loss: 0.005, Reorder: 0.005, Duplicate: 0.002})
			n.connect(n.client, client)
			began := time.Now()
			n.download(t, uint64(i), size) // our sender, the kernel's receiver
			t.Logf("%d octets from %s in %v", size, ours, time.Since(began).Round(ms))
			if ours == "cubic" { // as a receiver ours is the same with all of them
				for j, control := range kernelControls(t) {
					began := time.Now()
					n.upload(t, control, uint64(16+j), size)
					t.Logf("%d octets from the kernel's %s in %v", size, control, time.Since(began).Round(ms))
				}
			}
			g.stop()
		})
	}
}

// upload sends octets to the upstream and compares its digest of them with ours.
func (n *network) upload(t *testing.T, control string, seed, size uint64) {
	t.Helper()
	c, err := n.dial(n.client, at(origin.PortDrain))
	if err != nil {
		t.Fatal(err)
	}
	useControl(t, c, control)
	if _, err := io.Copy(c, origin.Content(seed, size)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := io.ReadAll(c); err != nil || strings.TrimSpace(string(got)) != fmt.Sprint(want) {
		t.Errorf("upload: %q, %v; want %v", got, err, want)
	}
}

// download asks the upstream for octets and compares their digest with that of what was to come.
func (n *network) download(t *testing.T, seed, size uint64) {
	t.Helper()
	want, _ := origin.DigestOf(origin.Content(seed, size))
	if got, err := origin.DigestOf(n.startDownload(t, seed, size)); err != nil || got != want {
		t.Errorf("download: %v, %v; want %v", got, err, want)
	}
}

// useControl sets the congestion control of a socket of the kernel: root may use those, too, that
// tcp_allowed_congestion_control does not name.
func useControl(t *testing.T, c *net.TCPConn, name string) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var sockErr error
	if err := raw.Control(func(fd uintptr) {
		sockErr = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	}); err != nil || sockErr != nil {
		t.Fatalf("%s: %v, %v", name, err, sockErr)
	}
}
