package netns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/test/lab"
)

// clientInner is the client's address in the tunnel.
const clientInner = "10.8.0.2"

// natpmpc runs libnatpmp's client, and returns what it prints. When an answer takes longer than 250 ms the client
// asks again, and takes the second answer to that question for the one to its next, a mapping "protocol UNKNOWN"
// (seen with a server that answers after 400 ms). Then it is run anew.
func (n *network) natpmpc(words ...string) (out string) {
	n.t.Helper()
	lab.Require(n.t, netnsSwitch, "natpmpc")
	lab.Eventually(n.t, time.Minute, "an answer that natpmpc understands", func() error {
		out = n.client.Run(append([]string{"natpmpc", "-g", tunnelGateway}, words...)...)
		if strings.Contains(out, "protocol UNKNOWN") {
			return errors.New("it took one answer for another")
		}
		return nil
	})
	return out
}

// startPortmap starts a gateway that gives ports, with a client.
func (n *network) startPortmap() *gateway {
	n.t.Helper()
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	g.configure("\n[portmap]\nenabled = true\n")
	lab.Eventually(n.t, time.Minute, "the gateway answers natpmpc", func() error {
		ctx, cancel := context.WithTimeout(n.t.Context(), 20*time.Second)
		defer cancel()
		_, err := n.client.Try(ctx, "natpmpc", "-g", tunnelGateway)
		return err
	})
	return g
}

// TestPortsByNATPMP: what Debian's NAT-PMP client asks for, a host of the upstream network reaches.
func TestPortsByNATPMP(t *testing.T) {
	n := newNetwork(t)
	g := n.startPortmap()
	if got := n.natpmpc(); !strings.Contains(got, "Public IP address : "+gatewayOuter) {
		t.Errorf("natpmpc prints:\n%s", got)
	}
	for _, proto := range []string{"tcp", "udp"} {
		got := n.natpmpc("-a", "61080", "8080", proto, "600")
		if want := "Mapped public port 61080 protocol " + strings.ToUpper(proto) + " to local port 8080"; !strings.Contains(got, want) {
			t.Fatalf("natpmpc prints:\n%s", got)
		}
	}
	wantStatus(t, g, "61080", clientInner+":8080")
	n.wantTCPPort(gatewayInner+":61080", 8080)
	n.wantUDPPort(gatewayInner+":61080", 8080)

	// Nobody listens any more.
	n.wantOutside(gatewayInner+":61080", syscall.ECONNRESET)
	n.natpmpc("-a", "0", "8080", "tcp", "0")
	n.wantOutside(gatewayInner+":61080", syscall.ECONNREFUSED)
	n.natpmpc("-a", "0", "0", "udp", "0")
	if got := g.run("status"); strings.Contains(got, "61080") {
		t.Errorf("status after all was deleted:\n%s", got)
	}
	g.stop()
}

// wantStatus looks for a port and its client in what the gateway tells of itself.
func wantStatus(t *testing.T, g *gateway, words ...string) {
	t.Helper()
	got := g.run("status")
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Errorf("status does not show %s:\n%s", w, got)
		}
	}
}

// wantTCPPort connects from the upstream host to a port of the gateway's host, and wants the connection
// at a port of the client, with its true source.
func (n *network) wantTCPPort(at string, port int) {
	n.t.Helper()
	n.wantTCPPortFrom(n.upstream, at, port, func(from, outside net.Addr) bool { return from.String() == outside.String() })
}

// wantTCPHairpin is wantTCPPort from the client itself, which sees itself as the gateway's host (RFC 5382 §7.2).
func (n *network) wantTCPHairpin(at string, port int) {
	n.t.Helper()
	n.wantTCPPortFrom(n.client, at, port, func(from, _ net.Addr) bool {
		return strings.HasPrefix(from.String(), gatewayInner+":")
	})
}

func (n *network) wantTCPPortFrom(h *lab.Host, at string, port int, rightSource func(from, outside net.Addr) bool) {
	n.t.Helper()
	l, err := n.client.Listen(fmt.Sprint(clientInner, ":", port))
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	outside, err := n.dial(h, at)
	if err != nil {
		n.t.Fatal(err)
	}
	inside, err := l.Accept()
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = errors.Join(inside.Close(), outside.Close()) }() // an open one would hold the gateway's end up
	if got := inside.RemoteAddr(); !rightSource(got, outside.LocalAddr()) {
		n.t.Errorf("the client sees %v; outside it is %v", got, outside.LocalAddr())
	}
	_ = inside.SetDeadline(time.Now().Add(time.Minute))
	for _, way := range [][2]net.Conn{{outside, inside}, {inside, outside}} {
		sent := bytes.Repeat([]byte("port"), 100_000)
		go func() { _, _ = way[0].Write(sent) }()
		got := make([]byte, 0, len(sent))
		for len(got) < len(sent) {
			m, err := way[1].Read(got[len(got):cap(got)])
			if err != nil {
				n.t.Fatal(err)
			}
			got = got[:len(got)+m]
		}
		if !bytes.Equal(got, sent) {
			n.t.Error("the bytes differ")
		}
	}
}

// wantUDPPort is wantTCPPort for a datagram and its answer.
func (n *network) wantUDPPort(at string, port int) {
	n.t.Helper()
	inside, err := n.client.ListenUDP(fmt.Sprint(clientInner, ":", port))
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = inside.Close() }()
	outside, err := n.upstream.DialUDP(at)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = outside.Close() }()
	_ = inside.SetDeadline(time.Now().Add(time.Minute))
	_ = outside.SetDeadline(time.Now().Add(time.Minute))
	if _, err := outside.Write([]byte("question")); err != nil {
		n.t.Fatal(err)
	}
	buf := make([]byte, 100)
	m, from, err := inside.ReadFrom(buf)
	if err != nil || string(buf[:m]) != "question" || from.String() != outside.LocalAddr().String() {
		n.t.Fatalf("the client gets %q from %v, %v", buf[:m], from, err)
	}
	if _, err := inside.WriteTo([]byte("answer"), from); err != nil {
		n.t.Fatal(err)
	}
	// The socket outside is connected: only what comes from the very port is read.
	if m, err := outside.Read(buf); err != nil || string(buf[:m]) != "answer" {
		n.t.Errorf("outside: %q, %v", buf[:m], err)
	}
}

// wantOutside connects to a port of the gateway's host and wants it to end so.
func (n *network) wantOutside(at string, want error) {
	n.t.Helper()
	c, err := n.dial(n.upstream, at)
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, want) {
		n.t.Errorf("outside: %v, want %v", err, want)
	}
}

// TestPortsByPCP asks as RFC 6887 says, octet by octet, over the client's kernel.
func TestPortsByPCP(t *testing.T) {
	n := newNetwork(t)
	g := n.startPortmap()
	conn, err := n.client.DialUDP(tunnelGateway + ":5351")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ask := func(lifetime uint32, nonce byte, protocol uint8, suggested uint16, options ...byte) (result byte, left uint32, port uint16) {
		t.Helper()
		client := netip.MustParseAddr(clientInner).As16()
		request := binary.BigEndian.AppendUint32([]byte{2, 1, 0, 0}, lifetime)
		request = append(request, client[:]...)
		request = append(request, nonce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, protocol, 0, 0, 0)
		request = binary.BigEndian.AppendUint16(request, 8080)
		request = binary.BigEndian.AppendUint16(request, suggested)
		request = append(request, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0)
		request = append(request, options...)
		answer := make([]byte, 2000)
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		m, err := conn.Read(answer)
		if err != nil || m != len(request) || answer[0] != 2 || answer[1] != 0x81 || answer[24] != nonce {
			t.Fatalf("the answer is %x, %v", answer[:m], err)
		}
		return answer[3], binary.BigEndian.Uint32(answer[4:]), binary.BigEndian.Uint16(answer[42:])
	}
	const tcp, udp = 6, 17
	if result, left, port := ask(600, 1, tcp, 61081, 2, 0, 0, 0); result != 0 || left != 600 || port != 61081 {
		t.Fatalf("with PREFER_FAILURE: result %d, lifetime %d, port %d", result, left, port)
	}
	if result, _, port := ask(600, 2, udp, 61081); result != 0 || port != 61081 {
		t.Fatalf("result %d, port %d", result, port)
	}
	wantStatus(t, g, "61081", clientInner+":8080")
	n.wantTCPPort(gatewayInner+":61081", 8080)
	n.wantTCPHairpin(gatewayInner+":61081", 8080)
	n.wantUDPPort(gatewayInner+":61081", 8080)
	if result, _, _ := ask(0, 7, tcp, 0); result != 2 {
		t.Errorf("deleted with another nonce: result %d, want NOT_AUTHORIZED", result)
	}
	if result, left, _ := ask(0, 1, tcp, 0); result != 0 || left != 0 {
		t.Errorf("deleted: result %d, lifetime %d", result, left)
	}
	n.wantOutside(gatewayInner+":61081", syscall.ECONNREFUSED)
	g.stop()
}
