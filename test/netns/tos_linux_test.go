package netns

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDSCPAndECN of datagrams arrive as they were sent, both ways: calls are marked by the one (RFC 4594), QUIC's
// congestion control lives on the other (RFC 9000 §13.4).
func TestDSCPAndECN(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	server, err := n.upstream.ListenUDP(upstreamAddr + ":3478")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client := n.natSocket(t)
	for _, c := range []*net.UDPConn{server, client.UDPConn} {
		n.setOption(c, unix.IP_RECVTOS, 1)
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	}
	to := netip.MustParseAddrPort(upstreamAddr + ":3478")
	for _, tos := range []int{0, 0xB8, 0x02, 0x01, 0x03, 0xB9, 0} {
		n.setOption(client.UDPConn, unix.IP_TOS, tos)
		if _, err := client.WriteToUDPAddrPort([]byte("up"), to); err != nil {
			t.Fatal(err)
		}
		got, from := readTOS(t, server)
		if got != tos {
			t.Errorf("up: %#x, want %#x", got, tos)
		}
		n.setOption(server, unix.IP_TOS, tos)
		if _, err := server.WriteToUDPAddrPort([]byte("down"), from); err != nil {
			t.Fatal(err)
		}
		if got, _ := readTOS(t, client.UDPConn); got != tos {
			t.Errorf("down: %#x, want %#x", got, tos)
		}
	}
	g.stop()
}

func (n *network) setOption(c *net.UDPConn, option, value int) {
	n.t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		n.t.Fatal(err)
	}
	if ctl := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, option, value)
	}); ctl != nil || err != nil {
		n.t.Fatal(ctl, err)
	}
}

// readTOS reads a datagram and returns its TOS and where it came from.
func readTOS(t *testing.T, c *net.UDPConn) (tos int, from netip.AddrPort) {
	t.Helper()
	buf, control := make([]byte, 100), make([]byte, 100)
	_, size, _, from, err := c.ReadMsgUDPAddrPort(buf, control)
	if err != nil {
		t.Fatal(err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TOS {
			return int(m.Data[0]), from
		}
	}
	t.Fatal("the system does not tell the TOS")
	return 0, from
}
