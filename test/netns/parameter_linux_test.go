package netns

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"vpngw/ourstack/wire"
)

// TestParameterProblem: ICMP type 12 about a client's datagram reaches the client's socket, with who said so.
func TestParameterProblem(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	server, err := n.upstream.ListenUDP(upstreamAddr + ":3478")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := n.client.DialUDP(upstreamAddr + ":3478")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	_ = server.SetReadDeadline(time.Now().Add(time.Minute))
	size, from, err := server.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	n.complain(n.upstreamPacket(from, buf[:size]), from.Addr())
	_ = client.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := client.Read(buf); !errors.Is(err, syscall.EPROTO) {
		t.Errorf("the client is told %v", err)
	}
	g.stop()
}

// upstreamPacket is the packet with payload that the upstream's server got from an address.
func (n *network) upstreamPacket(from netip.AddrPort, payload []byte) []byte {
	return udpPacket(from.Addr().String(), from.Port(), upstreamAddr, 3478, payload)
}

// complain sends a parameter problem about a packet, at its TOS, from the upstream host.
func (n *network) complain(about []byte, to netip.Addr) {
	n.t.Helper()
	m := wire.ICMPv4{Type: wire.ICMPParamProblem, Payload: about}
	m.SetPointer(1)
	b := make([]byte, wire.ICMPv4HeaderLen+len(about))
	m.Put(b)
	if err := n.upstream.Do(func() error {
		c, err := net.ListenPacket("ip4:icmp", upstreamAddr)
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.WriteTo(b, &net.IPAddr{IP: to.AsSlice()})
		return err
	}); err != nil {
		n.t.Fatal(err)
	}
}
