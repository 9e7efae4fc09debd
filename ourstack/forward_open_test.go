package ourstack

import (
	"errors"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
)

const stranger = "198.51.100.9:4000" // somebody of the Internet, whom the client never asked

// TestOpenForwardUDPReachesASilentClient: a socket for a client that has sent nothing carries
// datagrams both ways, and takes no request.
func TestOpenForwardUDPReachesASilentClient(t *testing.T) {
	h, reqs := forwardingUDP(t)
	u, err := h.s.OpenForwardUDP(ap(clientEnd))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.WriteTo(h.now(), []byte("hello"), ap(stranger), netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	h.want("with its true source", stranger+" > "+clientEnd+" udp (5)")
	h.recv(udpDatagram(clientEnd, stranger, []byte("answer")), udpDatagram(clientEnd, "192.0.2.1:53", []byte("other")))
	for _, want := range []string{"answer " + clientEnd + " > " + stranger, "other " + clientEnd + " > 192.0.2.1:53"} {
		if got := read(u); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if len(*reqs) != 0 {
		t.Errorf("%d requests", len(*reqs))
	}
	u.Close()
	h.recv(udpDatagram(clientEnd, stranger, nil))
	if len(*reqs) != 1 {
		t.Errorf("%d requests after Close, want one", len(*reqs))
	}
}

// TestOpenForwardUDPTakesOver: what the client sends goes to the new socket, the old one can still
// send, and its end does not end the new one.
func TestOpenForwardUDPTakesOver(t *testing.T) {
	h, reqs := forwardingUDP(t)
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", []byte("first")))
	old, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	u, err := h.s.OpenForwardUDP(ap(clientEnd))
	if err != nil {
		t.Fatal(err)
	}
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", []byte("second")))
	if got := read(old); got != "first "+clientEnd+" > 192.0.2.1:53" {
		t.Errorf("the old socket reads %q", got)
	}
	if err := old.WriteTo(h.now(), []byte("late"), ap("192.0.2.1:53"), netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	h.want("the old socket's answer", "192.0.2.1:53 > "+clientEnd+" udp (4)")
	old.Close()
	if got := read(u); got != "second "+clientEnd+" > 192.0.2.1:53" {
		t.Errorf("the new socket reads %q", got)
	}
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", []byte("third")))
	if got := read(u); got != "third "+clientEnd+" > 192.0.2.1:53" || len(*reqs) != 1 {
		t.Errorf("after the old socket's end the new one reads %q; %d requests", got, len(*reqs))
	}
}

func TestOpenForwardUDPErrors(t *testing.T) {
	h, _ := forwardingUDP(t, func(c *Config) { c.Limits.UDPSocketsPerRemote = 1 })
	for _, bad := range []string{"0.0.0.0:1", "10.8.0.2:0", "224.0.0.1:1", "[::1]:1"} {
		if _, err := h.s.OpenForwardUDP(ap(bad)); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	u, err := h.s.OpenForwardUDP(ap(clientEnd))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.s.OpenForwardUDP(ap(clientEnd)); !errors.Is(err, ErrLimit) {
		t.Errorf("above the limit: %v", err)
	}
	u.Close()
	if _, err := h.s.OpenForwardUDP(ap(clientEnd)); err != nil {
		t.Errorf("after Close: %v", err)
	}
	h.s.Close(h.now())
	if _, err := h.s.OpenForwardUDP(ap(clientEnd)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the stack's Close: %v", err)
	}
}

// TestDialAsShowsTheTrueSource: a connection to a client as from somebody of the Internet.
func TestDialAsShowsTheTrueSource(t *testing.T) {
	gateway, client := pair(t)
	l, err := client.s.Listen(ap(clientAddr+":80"), 1)
	if err != nil {
		t.Fatal(err)
	}
	c, err := gateway.s.DialAs(gateway.now(), ap(stranger), ap(clientAddr+":80"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gateway.s.DialAs(gateway.now(), ap(stranger), ap(clientAddr+":80")); !errors.Is(err, ErrAddrInUse) {
		t.Errorf("a second one of the same addresses: %v", err)
	}
	run(gateway, client, second, func() bool { return c.State() == tcp.StateEstablished })
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got := accepted.RemoteAddr(); got != ap(stranger) {
		t.Errorf("the client sees %v", got)
	}
	for _, bad := range []string{"0.0.0.0:1", "198.51.100.9:0", "224.0.0.1:1", "[::1]:1"} {
		if _, err := gateway.s.DialAs(gateway.now(), ap(bad), ap(clientAddr+":80")); !errors.Is(err, ErrAddrNotAvailable) {
			t.Errorf("from %s: %v", bad, err)
		}
	}
	if _, err := gateway.s.DialAs(gateway.now(), ap(stranger), ap("0.0.0.0:80")); !errors.Is(err, ErrUnreachable) {
		t.Errorf("to nobody: %v", err)
	}
}

// TestDialAsIsRefused: the RST of a client ends it.
func TestDialAsIsRefused(t *testing.T) {
	gateway, client := pair(t)
	c, err := gateway.s.DialAs(gateway.now(), ap(stranger), ap(clientAddr+":81"))
	if err != nil {
		t.Fatal(err)
	}
	run(gateway, client, second, func() bool { return c.State() == tcp.StateClosed })
	if err := c.Err(); !errors.Is(err, tcp.ErrRefused) {
		t.Errorf("ended with %v", err)
	}
}
