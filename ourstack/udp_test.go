package ourstack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

func listenUDP(t *testing.T, h *host, local string) *UDPSocket {
	t.Helper()
	u, err := h.s.ListenUDP(ap(local))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// read returns the next datagram as "payload from > to", or the error.
func read(u *UDPSocket) string {
	var b [65536]byte
	n, from, to, err := u.ReadFrom(b[:])
	if err != nil {
		if from.IsValid() {
			return fmt.Sprintf("%v: %v > %v", err, from, to)
		}
		return err.Error()
	}
	return fmt.Sprintf("%s %v > %v", b[:n], from, to)
}

func TestUDPDemux(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) {
		c.Addresses = append(c.Addresses, netip.MustParseAddr("10.8.0.100"))
	})
	exact := listenUDP(t, h, gatewayAddr+":53")
	wild := listenUDP(t, h, "0.0.0.0:53")
	connected, err := h.s.DialUDP(ap(gatewayAddr+":5000"), ap("10.8.0.2:7"))
	if err != nil {
		t.Fatal(err)
	}
	h.recv(
		udpDatagram("10.8.0.2:1", gatewayAddr+":53", []byte("a")),
		udpDatagram("10.8.0.2:1", "10.8.0.100:53", []byte("b")),
		udpDatagram("10.8.0.2:7", gatewayAddr+":5000", []byte("c")),
		udpDatagram("10.8.0.2:8", gatewayAddr+":5000", []byte("stranger")),
		udpDatagram("10.8.0.3:7", gatewayAddr+":5000", []byte("stranger")),
		udpDatagram("10.8.0.2:7", "10.8.0.100:5000", []byte("other address")),
		udpDatagram("10.8.0.2:7", gatewayAddr+":54", []byte("closed")),
	)
	for _, c := range []struct {
		u    *UDPSocket
		want []string
	}{
		{exact, []string{"a 10.8.0.2:1 > 10.8.0.1:53", "operation would block"}},
		{wild, []string{"b 10.8.0.2:1 > 10.8.0.100:53", "operation would block"}},
		{connected, []string{"c 10.8.0.2:7 > 10.8.0.1:5000", "operation would block"}},
	} {
		for _, want := range c.want {
			if got := read(c.u); got != want {
				t.Errorf("%v: %q, want %q", c.u.LocalAddr(), got, want)
			}
		}
	}
	h.want("the rest is unreachable", "*icmp unreachable port*:8 >*", "*icmp unreachable port*10.8.0.3*",
		"10.8.0.100 > 10.8.0.2 icmp unreachable port*", "*icmp unreachable port*:54 udp*")
	for _, local := range []string{gatewayAddr + ":53", "0.0.0.0:53"} {
		if _, err := h.s.ListenUDP(ap(local)); !errors.Is(err, ErrAddrInUse) {
			t.Errorf("%s twice: %v", local, err)
		}
	}
	if _, err := h.s.ListenUDP(ap("10.8.0.9:53")); !errors.Is(err, ErrAddrNotAvailable) {
		t.Errorf("foreign address: %v", err)
	}
	exact.Close()
	h.recv(udpDatagram("10.8.0.2:1", gatewayAddr+":53", []byte("d")))
	if got := read(wild); got != "d 10.8.0.2:1 > 10.8.0.1:53" {
		t.Errorf("after Close: %q", got)
	}
	if got := read(exact); got != "closed" {
		t.Errorf("closed: %q", got)
	}
}

// TestUDPSourceAddress: a reply comes from the address that was asked, if the user says so (RFC 1122 §4.1.3.5).
func TestUDPSourceAddress(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) {
		c.Addresses = append(c.Addresses, netip.MustParseAddr("10.8.0.100"))
	})
	wild := listenUDP(t, h, "0.0.0.0:53")
	exact := listenUDP(t, h, "10.8.0.100:54")
	to := ap("10.8.0.2:9")
	for _, c := range []struct {
		u    *UDPSocket
		from string
		want string
		err  error
	}{
		{wild, "", gatewayAddr + ":53 > 10.8.0.2:9 udp (1)", nil},
		{wild, "10.8.0.100:53", "10.8.0.100:53 > 10.8.0.2:9 udp (1)", nil},
		{wild, "10.8.0.100:0", "10.8.0.100:53 > 10.8.0.2:9 udp (1)", nil},
		{exact, "", "10.8.0.100:54 > 10.8.0.2:9 udp (1)", nil},
		{wild, "10.8.0.9:53", "", ErrAddrNotAvailable},
		{wild, "10.8.0.1:54", "", ErrAddrNotAvailable},
		{exact, "10.8.0.1:54", "", ErrAddrNotAvailable},
	} {
		var from netip.AddrPort
		if c.from != "" {
			from = ap(c.from)
		}
		err := c.u.WriteTo(h.now(), []byte("x"), from, to)
		if !errors.Is(err, c.err) {
			t.Errorf("from %q: %v", c.from, err)
		}
		if c.err == nil {
			h.want("from "+c.from, c.want)
		}
	}
	for _, bad := range []string{"224.0.0.1:9", "255.255.255.255:9", "0.0.0.0:9", "10.8.0.2:0", "[::1]:9"} {
		if err := wild.WriteTo(h.now(), nil, netip.AddrPort{}, ap(bad)); !errors.Is(err, ErrUnreachable) {
			t.Errorf("to %s: %v", bad, err)
		}
	}
	if err := wild.WriteTo(h.now(), nil, netip.AddrPort{}, netip.AddrPort{}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("to nobody: %v", err)
	}
}

// TestUDPLengthAndChecksumRules: octets behind the UDP length are not delivered, no checksum is a valid
// one, a computed zero is sent as ones (bug 16 of the list; RFC 768, RFC 1122 §4.1.3.4).
func TestUDPLengthAndChecksumRules(t *testing.T) {
	h := newHost(t, gatewayAddr)
	u := listenUDP(t, h, gatewayAddr+":53")
	var ip wire.IPv4
	ip.Parse(udpDatagram("10.8.0.2:1", gatewayAddr+":53", []byte("hello")))
	longer := ipPacket(ip, append(bytes.Clone(ip.Payload), "trailing"...))
	unsummed := bytes.Clone(longer)
	unsummed[26], unsummed[27] = 0, 0
	wrong := bytes.Clone(longer)
	wrong[26]++
	h.recv(longer, unsummed, wrong)
	for range 2 {
		if got := read(u); got != "hello 10.8.0.2:1 > 10.8.0.1:53" {
			t.Errorf("%q", got)
		}
	}
	h.wantDrop("malformed: checksum", 1)

	// Find a payload whose checksum is zero.
	for i := range 1 << 17 {
		p := binary.BigEndian.AppendUint32(nil, uint32(i))
		if err := u.WriteTo(h.now(), p, netip.AddrPort{}, ap("10.8.0.2:1")); err != nil {
			t.Fatal(err)
		}
		out := h.packets()[0]
		if sum := binary.BigEndian.Uint16(out[26:]); sum == 0 {
			t.Fatalf("a checksum of 0 was sent for %x", p)
		} else if sum == 0xFFFF {
			return
		}
	}
	t.Error("no payload led to a checksum of zero")
}

// TestUDPSizes: datagrams from 0 to 65507 bytes arrive whole and in order, both ways (trap 8).
func TestUDPSizes(t *testing.T) {
	gateway, client := pair(t)
	server := listenUDP(t, gateway, gatewayAddr+":53")
	cl, err := client.s.DialUDP(netip.AddrPort{}, ap(gatewayAddr+":53"))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 65536)
	for i, n := range []int{0, 1, 1391, 1392, 1393, 2784, 8192, 60 << 10, 65506, 65507} {
		data := pattern(n, uint64(i))
		if err := cl.WriteTo(client.now(), data, netip.AddrPort{}, netip.AddrPort{}); err != nil {
			t.Fatal(err)
		}
		exchange(gateway, client)
		got, from, _, err := server.ReadFrom(b)
		if err != nil || !bytes.Equal(b[:got], data) {
			t.Fatalf("up: %d of %d bytes, %v", got, n, err)
		}
		if err := server.WriteTo(gateway.now(), data, netip.AddrPort{}, from); err != nil {
			t.Fatal(err)
		}
		exchange(gateway, client)
		if got, _, _, err = cl.ReadFrom(b); err != nil || !bytes.Equal(b[:got], data) {
			t.Fatalf("down: %d of %d bytes, %v", got, n, err)
		}
	}
	if err := cl.WriteTo(client.now(), make([]byte, 65508), netip.AddrPort{}, netip.AddrPort{}); !errors.Is(err, ErrMessageTooLong) {
		t.Errorf("65508 bytes: %v", err)
	}
	for _, h := range []*host{gateway, client} {
		if m := h.s.Stats().DatagramMemory; m != 0 {
			t.Errorf("%d bytes are left", m)
		}
	}
}

// TestUDPOrder: a thousand fast datagrams keep their order, through queues that fill up.
func TestUDPOrder(t *testing.T) {
	gateway, client := pair(t)
	server := listenUDP(t, gateway, gatewayAddr+":53")
	cl, err := client.s.DialUDP(netip.AddrPort{}, ap(gatewayAddr+":53"))
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	var b [2000]byte
	for i := 0; i < 1000; {
		p := binary.BigEndian.AppendUint32(make([]byte, 0, 1000), uint32(i))[:200+i%800]
		err := cl.WriteTo(client.now(), p, netip.AddrPort{}, netip.AddrPort{})
		if err == nil {
			i++
			continue
		}
		if !errors.Is(err, ErrWouldBlock) {
			t.Fatal(err)
		}
		for range 3 { // one batch at a time
			n := client.s.Output(client.now(), client.bufs[:20], client.sizes, 0)
			for k := range n {
				gateway.recv(client.bufs[k][:client.sizes[k]])
			}
			for {
				if _, _, _, err := server.ReadFrom(b[:]); err != nil {
					break
				}
				if got := int(binary.BigEndian.Uint32(b[:])); got != next {
					t.Fatalf("datagram %d came as %d", got, next)
				}
				next++
			}
		}
	}
	exchange(gateway, client)
	for {
		if _, _, _, err := server.ReadFrom(b[:]); err != nil {
			break
		}
		next++
	}
	if next != 1000 {
		t.Errorf("%d datagrams arrived", next)
	}
}

// TestUDPSendQueueBlocksAndWakes: WriteTo refuses when the queue is full, and EventWritable tells when half
// of it is free again.
func TestUDPSendQueueBlocksAndWakes(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.UDPSendQueue = 10_000 })
	u := listenUDP(t, h, gatewayAddr+":53")
	var seen Event
	u.SetNotify(func(e Event) { seen |= e })
	n := 0
	for u.WriteTo(h.now(), make([]byte, 872), netip.AddrPort{}, ap("10.8.0.2:1")) == nil {
		n++
	}
	if n != 9 { // 1008 bytes each
		t.Errorf("%d datagrams fit", n)
	}
	h.s.Output(h.now(), h.bufs[:3], h.sizes, 0)
	if seen != 0 {
		t.Error("told too early")
	}
	h.s.Output(h.now(), h.bufs[:3], h.sizes, 0)
	if seen != tcp.EventWritable {
		t.Errorf("events %b", seen)
	}
	if err := u.WriteTo(h.now(), make([]byte, 872), netip.AddrPort{}, ap("10.8.0.2:1")); err != nil {
		t.Error(err)
	}
	h.packets()
	if err := u.WriteTo(h.now(), make([]byte, 65507), netip.AddrPort{}, ap("10.8.0.2:1")); err != nil {
		t.Errorf("a datagram larger than the queue, which is empty: %v", err)
	}
	u.Close()
	if got := len(h.packets()); got != 47 { // 65515 octets, 1400 in each
		t.Errorf("%d packets after Close: what was written is still sent", got)
	}
	if st := h.s.Stats(); st.DatagramMemory != 0 || len(h.s.remotes.m) != 0 {
		t.Errorf("left: %d bytes, %d remotes", st.DatagramMemory, len(h.s.remotes.m))
	}
}

// TestUDPReceiveQueueIsBounded: in bytes, empty datagrams included, and counted.
func TestUDPReceiveQueueIsBounded(t *testing.T) {
	for _, size := range []int{0, 1, 1000} {
		h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.UDPReceiveQueue = 20_000 })
		u := listenUDP(t, h, gatewayAddr+":53")
		for range 1000 {
			h.recv(udpDatagram("10.8.0.2:1", gatewayAddr+":53", make([]byte, size)))
		}
		want := 20_000 / (size + datagramOverhead)
		n := 0
		for read(u) != "operation would block" {
			n++
		}
		if n != want {
			t.Errorf("size %d: %d datagrams queued, want %d", size, n, want)
		}
		h.wantDrop("udp: receive queue full", uint64(1000-want))
		if m := h.s.Stats().DatagramMemory; m != 0 {
			t.Errorf("%d bytes are left", m)
		}
	}
}

// TestDatagramMemoryIsBounded: over all sockets.
func TestDatagramMemoryIsBounded(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.DatagramMemory = 1 << 20 })
	for i := range 100 {
		u := listenUDP(t, h, fmt.Sprintf("%s:%d", gatewayAddr, 1000+i))
		for range 50 {
			h.recv(udpDatagram("10.8.0.2:1", u.LocalAddr().String(), make([]byte, 1300)))
		}
		if i == 99 {
			if err := u.WriteTo(h.now(), make([]byte, 1300), netip.AddrPort{}, ap("10.8.0.2:1")); !errors.Is(err, ErrLimit) {
				t.Errorf("write: %v", err)
			}
		}
	}
	if st := h.s.Stats(); st.DatagramMemory > 1<<20 || st.Drops["udp: memory"] == 0 {
		t.Errorf("%d bytes, drops %v", st.DatagramMemory, st.Drops)
	}
}

// TestUDPErrorsReachConnectedSockets, not bound ones (RFC 1122 §4.1.3.3).
func TestUDPErrorsReachConnectedSockets(t *testing.T) {
	gateway, client := pair(t)
	cl, err := client.s.DialUDP(netip.AddrPort{}, ap(gatewayAddr+":99"))
	if err != nil {
		t.Fatal(err)
	}
	bound := listenUDP(t, client, clientAddr+":77")
	for _, u := range []*UDPSocket{cl, bound} {
		if err := u.WriteTo(client.now(), []byte("x"), netip.AddrPort{}, ap(gatewayAddr+":99")); err != nil {
			t.Fatal(err)
		}
	}
	exchange(gateway, client)
	if got, want := read(cl), fmt.Sprintf("connection refused: %s:99 > %v", gatewayAddr, cl.LocalAddr()); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := read(bound); got != "operation would block" {
		t.Errorf("bound: %q", got)
	}
	client.wantDrop("icmp: no such flow", 1)
}

// TestUDPSocketLimit counts sockets of every kind.
func TestUDPSocketLimit(t *testing.T) {
	h := newHost(t, gatewayAddr, func(c *Config) { c.Limits.UDPSockets = 2 })
	a := listenUDP(t, h, gatewayAddr+":1")
	if _, err := h.s.DialUDP(netip.AddrPort{}, ap("10.8.0.2:5")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.ListenUDP(ap(gatewayAddr + ":2")); !errors.Is(err, ErrLimit) {
		t.Errorf("third: %v", err)
	}
	if _, err := h.s.ListenUDP(ap(gatewayAddr + ":1")); !errors.Is(err, ErrLimit) {
		t.Errorf("third: %v", err)
	}
	a.Close()
	a.Close()
	listenUDP(t, h, gatewayAddr+":2")
	if h.s.Stats().UDPSockets != 2 {
		t.Errorf("%d sockets", h.s.Stats().UDPSockets)
	}
}
