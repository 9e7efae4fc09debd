package netns

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"vpngw/test/lab"
	"vpngw/test/origin"
)

// secondAddr is a second address of the upstream, for what a STUN server has two of.
const secondAddr = "10.99.0.3"

// A reflector answers each datagram with the address that it saw, from the socket that the datagram names
// and then from its own, so that an answer from elsewhere is always on its way first (RFC 5780 §4.4).
type reflector struct {
	sockets map[string]*net.UDPConn // by address
}

// startReflector listens on two ports of two addresses.
func (n *network) startReflector() *reflector {
	n.t.Helper()
	n.upstream.Run("ip", "addr", "add", secondAddr+"/24", "dev", "to-gateway")
	r := &reflector{sockets: map[string]*net.UDPConn{}}
	for _, addr := range []string{upstreamAddr, secondAddr} {
		for _, port := range []string{"3478", "3479"} {
			c, err := n.upstream.ListenUDP(addr + ":" + port)
			if err != nil {
				n.t.Fatal(err)
			}
			r.sockets[addr+":"+port] = c
		}
	}
	for _, c := range r.sockets {
		go r.serve(c)
		n.t.Cleanup(func() { _ = c.Close() })
	}
	return r
}

func (r *reflector) serve(c *net.UDPConn) {
	b := make([]byte, 100)
	for {
		size, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if other := r.sockets[string(b[:size])]; other != nil && other != c {
			_, _ = other.WriteToUDPAddrPort([]byte(from.String()), from)
		}
		_, _ = c.WriteToUDPAddrPort([]byte(from.String()), from)
	}
}

// natSocket is a client's socket that is not connected.
type natSocket struct {
	*net.UDPConn
	t *testing.T
}

func (n *network) natSocket(t *testing.T) natSocket {
	t.Helper()
	c, err := n.client.ListenUDP("10.8.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return natSocket{c, t}
}

// ask sends text to a socket of the reflector until an answer is there, and returns it and where it came
// from.
func (s natSocket) ask(to, text string) (seen netip.AddrPort, from string) {
	s.t.Helper()
	b := make([]byte, 100)
	lab.Eventually(s.t, 30*time.Second, "answer of "+to, func() error {
		if _, err := s.WriteToUDPAddrPort([]byte(text), netip.MustParseAddrPort(to)); err != nil {
			return err
		}
		_ = s.SetReadDeadline(time.Now().Add(2 * time.Second))
		size, src, err := s.ReadFromUDPAddrPort(b)
		if err != nil {
			return err
		}
		from = src.String()
		seen, err = netip.ParseAddrPort(string(b[:size]))
		return err
	})
	return seen, from
}

// TestNATBehaviour is what a STUN client finds out (RFC 5780 §4.3, §4.4), for each setting.
func TestNATBehaviour(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	n.startReflector()
	const server, otherPort, otherHost = upstreamAddr + ":3478", upstreamAddr + ":3479", secondAddr + ":3478"

	s := n.natSocket(t)
	mapped, from := s.ask(server, "")
	if from != server || mapped.Addr() != netip.MustParseAddr(gatewayInner) {
		t.Errorf("seen as %v, answered from %s", mapped, from)
	}
	for _, to := range []string{otherPort, otherHost, secondAddr + ":3479"} {
		if got, from := n.drained(s).ask(to, ""); got != mapped || from != to {
			t.Errorf("%s sees %v, %s saw %v: the mapping depends on the endpoint", to, got, server, mapped)
		}
	}
	last := ""
	for _, c := range []struct {
		filtering               string
		fromOtherPort, fromHost bool
	}{
		{"address-dependent", true, false},
		{"address-and-port-dependent", false, false},
		{"endpoint-independent", true, true},
	} {
		setting := fmt.Sprintf("udp_filtering = %q", c.filtering)
		if last == "" {
			g.configure("\n[forward]\n" + setting + "\n")
		} else {
			g.reconfigure(last, setting)
		}
		last = setting
		lab.Eventually(t, time.Minute, "filtering "+c.filtering, func() error {
			for named, passes := range map[string]bool{otherPort: c.fromOtherPort, otherHost: c.fromHost} {
				want := server
				if passes {
					want = named
				}
				// A new socket has sent to nobody else. The first answer is that of the socket it names,
				// if that may pass.
				if _, from := n.natSocket(t).ask(server, named); from != want {
					return fmt.Errorf("asked to answer from %s, the first answer is from %s", named, from)
				}
			}
			return nil
		})
	}
	g.stop()
}

// drained returns the socket without what is left in it of repeated questions.
func (n *network) drained(s natSocket) natSocket {
	_ = s.SetReadDeadline(time.Now())
	for b := make([]byte, 100); ; {
		if _, _, err := s.ReadFromUDPAddrPort(b); err != nil {
			return s
		}
	}
}

// TestHairpin has two sockets of the client talk to each other by their addresses outside (RFC 4787 §6,
// REQ-9), while the gateway's host stays out of reach.
func TestHairpin(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	n.startReflector()
	hostUDP, err := n.gateway.ListenUDP(gatewayInner + ":5353")
	if err != nil {
		t.Fatal(err)
	}
	defer hostUDP.Close()
	a, b := n.natSocket(t), n.natSocket(t)
	outerA, _ := a.ask(upstreamAddr+":3478", "")
	outerB, _ := b.ask(upstreamAddr+":3478", "")
	text := make([]byte, 100)
	lab.Eventually(t, 30*time.Second, "a datagram from socket to socket", func() error {
		// Each opens its filter for the other.
		for _, way := range []struct {
			from natSocket
			to   netip.AddrPort
			text string
		}{{b, outerA, "from b"}, {a, outerB, "from a"}} {
			if _, err := way.from.WriteToUDPAddrPort([]byte(way.text), way.to); err != nil {
				return err
			}
		}
		_ = b.SetReadDeadline(time.Now().Add(2 * time.Second))
		size, src, err := b.ReadFromUDPAddrPort(text)
		if err == nil && (string(text[:size]) != "from a" || src != outerA) {
			err = fmt.Errorf("%q from %v, want it from %v", text[:size], src, outerA)
		}
		return err
	})
	for range 3 {
		if _, err := a.WriteToUDPAddrPort([]byte("to the host"), netip.MustParseAddrPort(gatewayInner+":5353")); err != nil {
			t.Fatal(err)
		}
	}
	n.drained(a).ask(upstreamAddr+":3478", "") // what came before has been dealt with
	_ = hostUDP.SetReadDeadline(time.Now())
	if size, from, err := hostUDP.ReadFromUDPAddrPort(text); err == nil {
		t.Errorf("the gateway's host got %q from %v", text[:size], from)
	}
	g.stop()
}

// TestIperfUDP has iperf3 number its datagrams, both ways, in packets and in datagrams of 60,000 bytes, and
// looks at what it says of their order.
func TestIperfUDP(t *testing.T) {
	n := newNetwork(t)
	lab.Require(t, netnsSwitch, "iperf3")
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	n.upstream.Start("iperf3", "-s", "-B", upstreamAddr)
	n.waitForPort(n.upstream, upstreamAddr+":5201")
	for _, c := range []struct {
		name  string
		words []string
	}{
		{"up", []string{"-b", "20M"}},
		{"down", []string{"-b", "20M", "-R"}},
		{"60,000 bytes up", []string{"-b", "20M", "-l", "60000"}},
		{"60,000 bytes down", []string{"-b", "20M", "-l", "60000", "-R"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := n.client.Try(ctx, append([]string{"iperf3", "-c", upstreamAddr, "-u", "-t", "3", "-J"}, c.words...)...)
			var report struct {
				Error string
				End   struct {
					Streams []struct {
						UDP struct {
							Packets    int
							Lost       int `json:"lost_packets"`
							OutOfOrder int `json:"out_of_order"`
						}
					}
				}
			}
			if err != nil || json.Unmarshal([]byte(out), &report) != nil || report.Error != "" || len(report.End.Streams) != 1 {
				t.Fatalf("%v\n%s", err, out)
			}
			got := report.End.Streams[0].UDP
			t.Logf("%+v", got)
			// A machine that does other things too may lose some.
			if got.OutOfOrder != 0 || got.Packets < 10 || got.Lost > got.Packets/5 {
				t.Errorf("%+v", got)
			}
		})
	}
	g.stop()
}

// TestTenThousandMappings has one peer open ten thousand, more than it may have; another peer's download
// and datagrams go on, and so do the first one's own.
func TestTenThousandMappings(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	c := n.connect(n.client, g.shownConfig())
	other := n.otherHost()
	n.connect(other, withEndpoint(t, g.run("peer", "add", "second"), "172.31.4.1:51820"))
	conn, err := other.DialUDP(at(origin.PortEcho))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echoDatagram(t, conn, 1000)

	send := packetSocket(t, n.client, c.name)
	for port := range 10_000 {
		if err := send(udpPacket("10.8.0.2", uint16(20_000+port), upstreamAddr, 9, nil)); err != nil && !errors.Is(err, syscall.ENOBUFS) {
			t.Fatal(err)
		}
		if port%500 == 0 {
			echoDatagram(t, conn, 100+port)
		}
	}
	if err := n.echoes(other); err != nil {
		t.Errorf("the other peer: %v", err)
	}
	mine, err := n.client.DialUDP(at(origin.PortEcho))
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	echoDatagram(t, mine, 1000)
	status := g.run("status", "--json")
	if !strings.Contains(status, `"udp_evicted"`) || strings.Contains(status, `"udp_evicted": 0,`) {
		t.Errorf("no mapping made room:\n%s", status)
	}
	g.stop()
}

// udpPacket is an IP packet with a datagram, without a UDP checksum, as IPv4 allows (RFC 768).
func udpPacket(src string, srcPort uint16, dst string, dstPort uint16, payload []byte) []byte {
	from, to := netip.MustParseAddr(src).As4(), netip.MustParseAddr(dst).As4()
	var b bytes.Buffer
	b.Write([]byte{0x45, 0})
	b.Write(binary.BigEndian.AppendUint16(nil, uint16(28+len(payload))))
	b.Write([]byte{0, 0, 0, 0, 64, 17, 0, 0})
	b.Write(from[:])
	b.Write(to[:])
	for _, v := range []uint16{srcPort, dstPort, uint16(8 + len(payload)), 0} {
		b.Write(binary.BigEndian.AppendUint16(nil, v))
	}
	b.Write(payload)
	packet := b.Bytes()
	binary.BigEndian.PutUint16(packet[10:], headerChecksum(packet[:20]))
	return packet
}

// TestSlowUplink sends faster than the gateway's way to the upstream carries, until its system takes no more: what
// arrives is in order and goes on arriving, and nothing is stuck afterwards.
func TestSlowUplink(t *testing.T) {
	n := newNetwork(t)
	lab.Require(t, netnsSwitch, "tc")
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	server, err := n.upstream.ListenUDP(upstreamAddr + ":3478")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	n.gateway.Run("tc", "qdisc", "add", "dev", "to-upstream", "root", "tbf", "rate", "20mbit", "burst", "20kb", "limit", "16mb")
	s := n.natSocket(t)
	const count = 2000
	go func() {
		for i := range count {
			p := binary.BigEndian.AppendUint32(make([]byte, 0, 1300), uint32(i))
			_, _ = s.WriteToUDPAddrPort(p[:1300], netip.MustParseAddrPort(upstreamAddr+":3478"))
		}
	}()
	b := make([]byte, 2000)
	got, last := 0, -1
	for {
		_ = server.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, _, err := server.ReadFromUDPAddrPort(b); err != nil {
			break
		}
		i := int(binary.BigEndian.Uint32(b))
		if i <= last {
			t.Errorf("number %d after %d", i, last)
		}
		last = i
		got++
	}
	t.Logf("%d of %d, the last %d", got, count, last)
	if got < 100 { // what the system's buffer holds, and all that it has sent meanwhile
		t.Errorf("%d datagrams arrived", got)
	}
	conn, err := n.client.DialUDP(at(origin.PortEcho))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	echoDatagram(t, conn, 1000)
	if _, err := s.WriteToUDPAddrPort([]byte("more"), netip.MustParseAddrPort(upstreamAddr+":3478")); err != nil {
		t.Fatal(err)
	}
	_ = server.SetReadDeadline(time.Now().Add(20 * time.Second))
	if size, _, err := server.ReadFromUDPAddrPort(b); err != nil || string(b[:size]) != "more" {
		t.Errorf("afterwards: %q, %v", b[:size], err)
	}
	g.stop()
}
