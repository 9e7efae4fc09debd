package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"vpngw/adapter"
)

// udpServer echoes datagrams at a virtual address.
func (s *site) udpServer(virtual string) netip.AddrPort {
	s.t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		s.t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(buf[:n], from)
		}
	})
	s.t.Cleanup(func() {
		_ = c.Close()
		done.Wait()
	})
	return s.place(virtual, c.LocalAddr())
}

// udpSocket is a client's unconnected socket.
func (c *client) udpSocket() *adapter.UDPConn {
	c.t.Helper()
	u, err := c.ListenUDP(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = u.Close() })
	_ = u.SetDeadline(time.Now().Add(20 * time.Second))
	return u
}

// exchange sends p to dst until an answer is there: a datagram may be lost. It returns the answer
// and its source.
func exchange(t *testing.T, u *adapter.UDPConn, p []byte, dst netip.AddrPort) ([]byte, netip.AddrPort) {
	t.Helper()
	buf := make([]byte, 65536)
	for range 10 {
		if _, err := u.WriteToUDPAddrPort(p, dst); err != nil {
			t.Fatal(err)
		}
		_ = u.SetReadDeadline(time.Now().Add(2 * time.Second))
		if n, from, err := u.ReadFromUDPAddrPort(buf); err == nil {
			return buf[:n], from
		}
	}
	t.Fatalf("no answer from %v to %d bytes", dst, len(p))
	return nil, netip.AddrPort{}
}

func TestUDPOfEverySizeThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	dst := s.udpServer("192.0.2.1:443")
	u := s.client(0).udpSocket()
	for _, size := range []int{0, 1, 1200, 1392, 1393, 8000, 60000, udpDatagramMax} {
		sent := bytes.Repeat([]byte{byte(size % 251)}, size)
		got, from := exchange(t, u, sent, dst)
		if !bytes.Equal(got, sent) || from != dst {
			t.Errorf("%d bytes: %d came back from %v", size, len(got), from)
		}
	}
}

func TestUDPKeepsItsOrderThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	dst := s.udpServer("192.0.2.1:443")
	u := s.client(0).udpSocket()
	exchange(t, u, []byte("open"), dst)
	const count, window = 1000, 32 // as many on the way as no socket buffer drops
	buf := make([]byte, 100)
	last := -1
	receive := func() {
		n, _, err := u.ReadFromUDPAddrPort(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n != 4 {
			return // an answer to a repeated "open"
		}
		i := int(binary.BigEndian.Uint32(buf))
		if i <= last {
			t.Errorf("datagram %d after %d", i, last)
		}
		last = i
	}
	_ = u.SetReadDeadline(time.Now().Add(20 * time.Second))
	for i := range count {
		if _, err := u.WriteToUDPAddrPort(binary.BigEndian.AppendUint32(nil, uint32(i)), dst); err != nil {
			t.Fatal(err)
		}
		if i >= window {
			receive()
		}
	}
	for last < count-1 {
		receive()
	}
}

func TestUDPMappingAndFilteringThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	echo, other := s.udpServer("192.0.2.1:443"), s.udpServer("192.0.2.2:443")
	u := s.client(0).udpSocket()
	// A server that tells the address it sees.
	seen := make(chan netip.AddrPort, 10)
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	go func() {
		buf := make([]byte, 100)
		for {
			_, from, err := server.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			seen <- from
			_, _ = server.WriteToUDPAddrPort([]byte("hi"), from)
		}
	}()
	first := s.place("192.0.2.3:1", server.LocalAddr())
	exchange(t, u, []byte("a"), first)
	mapped := await(t, "mapped address", seen)
	exchange(t, u, []byte("a"), echo)
	exchange(t, u, []byte("a"), other)
	if n := s.Status().Totals.Flows.UDP; n != 1 {
		t.Errorf("%d mappings of one client socket", n)
	}

	// A stranger sends to the mapped address: nothing reaches the client. What comes after it does.
	stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	s.place("192.0.2.99:1", stranger.LocalAddr())
	if _, err := stranger.WriteToUDPAddrPort([]byte("stranger"), mapped); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stranger is counted", func() bool { return s.Status().Counters.UDPStranger == 1 })
	if got, _ := exchange(t, u, []byte("b"), echo); string(got) != "b" {
		t.Errorf("the client got %q", got)
	}
}

func TestClosedUDPPortThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed := s.place("192.0.2.1:9", c.LocalAddr())
	_ = c.Close()
	cl := s.client(0)
	for _, row := range []struct {
		name string
		dst  netip.AddrPort
		want error
	}{
		{"closed port", closed, syscall.ECONNREFUSED},
		{"guarded", netip.MustParseAddrPort("169.254.169.254:53"), syscall.EHOSTUNREACH},
	} {
		u, err := cl.DialUDPAddrPort(netip.AddrPort{}, row.dst)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 { // the datagram or the error may be lost
			if _, err = u.Write([]byte("x")); err != nil {
				break
			}
			_ = u.SetReadDeadline(time.Now().Add(2 * time.Second))
			if _, err = u.Read(make([]byte, 10)); errors.Is(err, row.want) {
				break
			}
		}
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		_ = u.Close()
	}
}

// echoHost is a pingSocket whose every destination answers.
type echoHost struct {
	requests chan pingMessage
	closed   chan struct{}
	once     sync.Once
}

func (h *echoHost) send(m pingMessage) error {
	m.payload = bytes.Clone(m.payload)
	h.requests <- m
	return nil
}

func (h *echoHost) receive(reply pingReply, _ pingFailure) {
	for {
		select {
		case r := <-h.requests:
			reply(r.dst, r.seq, r.ttl, r.payload)
		case <-h.closed:
			return
		}
	}
}

func (h *echoHost) close() { h.once.Do(func() { close(h.closed) }) }

func TestPingThroughTheTunnel(t *testing.T) {
	s := startSite(t, testConfig(t, 1), func(g *Gateway) {
		g.fwd.pings.open = func() (pingSocket, error) {
			return &echoHost{requests: make(chan pingMessage, 100), closed: make(chan struct{})}, nil
		}
	})
	c := s.client(0)
	for _, host := range []string{"192.0.2.1", "10.8.0.1"} { // a host behind the gateway, and the gateway itself
		p, err := c.DialPingAddr(netip.MustParseAddr("10.8.0.2"), netip.MustParseAddr(host))
		if err != nil {
			t.Fatal(err)
		}
		_ = p.SetDeadline(time.Now().Add(20 * time.Second))
		// An echo request without a checksum, as ping sockets take it: type, code, checksum,
		// identifier, sequence number.
		for seq, size := range []int{0, 56, 8000} {
			want := append([]byte{8, 0, 0, 0, 0, 0, 0, byte(seq)}, bytes.Repeat([]byte{'p'}, size)...)
			if _, err := p.Write(want); err != nil {
				t.Fatalf("%s: %v", host, err)
			}
			got := make([]byte, 10000)
			n, err := p.Read(got)
			if err != nil || !bytes.Equal(got[8:n], want[8:]) || got[7] != byte(seq) {
				t.Errorf("%s: %d bytes came back for %d: %v", host, n, len(want), err)
			}
		}
		_ = p.Close()
	}
}
