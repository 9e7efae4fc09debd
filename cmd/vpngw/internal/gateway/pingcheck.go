package gateway

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A Finding is something about this host that takes a part of the service away.
type Finding struct {
	Problem string // what does not work, and why
	Fix     string // what the operator can do about it
	Fatal   bool   // the gateway does not start
}

// CheckPing finds out whether this host lets the process have ping sockets, without which echo requests
// to hosts behind the gateway cannot be relayed; those to the gateway's own address are answered anyhow.
// It returns nil if all is well.
func CheckPing() *Finding { return checkPing(openPingSocket) }

func checkPing(open func() (pingSocket, error)) *Finding {
	sock, err := open()
	if err == nil {
		sock.close()
		return nil
	}
	const off = "ping and ICMP traceroute through the gateway are off: "
	switch {
	case errors.Is(err, os.ErrPermission):
		return &Finding{
			Problem: fmt.Sprintf("%snet.ipv4.ping_group_range%s does not contain the process's group %d",
				off, pingGroupRange(), os.Getgid()),
			Fix: `sysctl -w net.ipv4.ping_group_range="0 2147483647" on the host or, for a container, ` +
				`--sysctl net.ipv4.ping_group_range="0 2147483647"`,
		}
	case errors.Is(err, errors.ErrUnsupported):
		return &Finding{
			Problem: off + runtime.GOOS + " has no ping sockets that keep payload, sequence number and lifetime",
			Fix:     "run the gateway on Linux",
		}
	}
	return &Finding{
		Problem: off + err.Error(),
		Fix:     "a Linux kernel with ping sockets (IPPROTO_ICMP datagram sockets), and files to spare (ulimit -n)",
	}
}

// pingGroupRange is what the sysctl says, in parentheses, or nothing.
func pingGroupRange() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ping_group_range")
	if err != nil {
		return ""
	}
	return " (" + strings.Join(strings.Fields(string(b)), " ") + ")"
}

// probePing looks at the start whether ping can be relayed, and says so in one line if not. Echo
// requests to other hosts are then answered with "administratively prohibited".
func (f *forwarder) probePing() {
	finding := checkPing(f.pings.open)
	if f.pings.allowed = finding == nil; !f.pings.allowed {
		f.log.Warn(finding.Problem, "fix", finding.Fix)
	}
}
