//go:build !linux

package gateway

import (
	"net"
	"net/netip"
	"syscall"
)

// A synWatch is what gives a SYN its TTL and reads ICMP errors on Linux. Here SYNs live as long as any,
// so that a TCP traceroute sees the destination behind the gateway at once, and connect's error number
// tells what came back.
type synWatch struct{}

func newSynWatch(netip.AddrPort, int) *synWatch { return &synWatch{} }

func (*synWatch) control(_, _ string, _ syscall.RawConn) error { return nil }
func (*synWatch) connected(*net.TCPConn) error                 { return nil }
func (*synWatch) failed(err error) error                       { return err }
