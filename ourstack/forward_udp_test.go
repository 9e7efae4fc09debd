package ourstack

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

func forwardingUDP(t testing.TB, change ...func(*Config)) (*host, *[]*UDPRequest) {
	t.Helper()
	h := newHost(t, gatewayAddr, change...)
	var reqs []*UDPRequest
	h.s.SetForwardUDP(func(r *UDPRequest) { reqs = append(reqs, r) })
	return h, &reqs
}

// TestForwardUDPIsPerClient: one request for a client's socket, whatever the destinations (RFC 4787 §4.1);
// datagrams before the answer wait; replies carry the address that the user gives.
func TestForwardUDPIsPerClient(t *testing.T) {
	h, reqs := forwardingUDP(t)
	h.recv(
		udpDatagram(clientEnd, "192.0.2.1:53", []byte("one")),
		udpDatagram(clientEnd, "192.0.2.2:53", []byte("two")),
		udpDatagram(clientEnd, "192.0.2.1:443", []byte("three")),
		udpDatagram(clientAddr+":2000", "192.0.2.1:53", []byte("other socket")),
	)
	h.want("nothing before the answer")
	if len(*reqs) != 2 {
		t.Fatalf("%d requests", len(*reqs))
	}
	r := (*reqs)[0]
	if r.Local() != ap("192.0.2.1:53") || r.Remote() != ap(clientEnd) {
		t.Errorf("request of %v to %v", r.Remote(), r.Local())
	}
	u, err := r.Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Accept(h.now()); !errors.Is(err, ErrCanceled) {
		t.Errorf("second Accept: %v", err)
	}
	var ev Event
	u.SetNotify(func(e Event) { ev |= e })
	if ev != tcp.EventReadable {
		t.Errorf("events %b", ev)
	}
	for _, want := range []string{
		"one " + clientEnd + " > 192.0.2.1:53", "two " + clientEnd + " > 192.0.2.2:53",
		"three " + clientEnd + " > 192.0.2.1:443", "operation would block",
	} {
		if got := read(u); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if err := u.WriteTo(h.now(), []byte("answer"), ap("192.0.2.2:53"), ap(clientEnd)); err != nil {
		t.Fatal(err)
	}
	if err := u.WriteTo(h.now(), []byte("answer"), ap("198.51.100.9:7"), netip.AddrPort{}); err != nil {
		t.Fatal(err)
	}
	h.want("replies", "192.0.2.2:53 > "+clientEnd+" udp (6)", "198.51.100.9:7 > "+clientEnd+" udp (6)")
	for _, c := range []struct {
		from, to string
		want     error
	}{
		{"192.0.2.1:53", clientAddr + ":1", ErrUnreachable},
		{"192.0.2.1:53", "10.8.0.3:1000", ErrUnreachable},
		{"192.0.2.1:0", clientEnd, ErrAddrNotAvailable},
		{"224.0.0.1:5", clientEnd, ErrAddrNotAvailable},
		{"[::1]:5", clientEnd, ErrAddrNotAvailable},
	} {
		if err := u.WriteTo(h.now(), nil, ap(c.from), ap(c.to)); !errors.Is(err, c.want) {
			t.Errorf("from %s to %s: %v", c.from, c.to, err)
		}
	}
	if err := u.WriteTo(h.now(), nil, netip.AddrPort{}, netip.AddrPort{}); !errors.Is(err, ErrAddrNotAvailable) {
		t.Errorf("without a source: %v", err)
	}
}

// TestForwardUDPActivity: the times by which a gateway expires flows.
func TestForwardUDPActivity(t *testing.T) {
	h, reqs := forwardingUDP(t)
	t0 := h.now()
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", nil))
	u, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	if in, out := u.LastActivity(); in != t0 || out != 0 {
		t.Errorf("in %d out %d", in, out)
	}
	h.after(60 * second) // longer than a request may wait: it was answered
	if err := u.WriteTo(h.now(), nil, ap("192.0.2.1:53"), ap(clientEnd)); err != nil {
		t.Fatal(err)
	}
	if in, out := u.LastActivity(); in != t0 || out != h.now() {
		t.Errorf("in %d out %d", in, out)
	}
	u.Close()
	h.packets()
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", nil))
	if len(*reqs) != 2 {
		t.Error("after Close the client's next datagram raises no request")
	}
}

// TestForwardUDPReject: what the client sees, also for a destination later on.
func TestForwardUDPReject(t *testing.T) {
	quoted := func(dst string) string { return "[" + clientEnd + " > " + dst + " udp *]" }
	for reason, want := range map[Reason][2]string{
		RejectRefused:         {"%s", "port"},
		RejectPort:            {"%s", "port"},
		RejectNetUnreachable:  {gatewayAddr, "net"},
		RejectHostUnreachable: {gatewayAddr, "host"},
		RejectAdmin:           {gatewayAddr, "admin*"},
		RejectSilent:          {},
	} {
		h, reqs := forwardingUDP(t)
		h.recv(udpDatagram(clientEnd, "192.0.2.1:53", make([]byte, 500)))
		(*reqs)[0].Reject(h.now(), reason)
		(*reqs)[0].Reject(h.now(), reason)
		check := func(dst string) {
			t.Helper()
			if reason == RejectSilent {
				h.want("silence")
				return
			}
			from := want[0]
			if from == "%s" {
				from = dst[:len(dst)-3]
			}
			h.want("reject", from+" > "+clientAddr+" icmp unreachable "+want[1]+" "+quoted(dst))
		}
		check("192.0.2.1:53")
		if st := h.s.Stats(); st.UDPSockets != 0 || st.DatagramMemory != 0 || len(h.s.remotes.m) != 0 || len(h.s.deadlines.heap) != 0 {
			t.Errorf("reason %d leaves something: %+v", reason, st)
		}
		h.recv(udpDatagram(clientEnd, "192.0.2.1:53", nil), udpDatagram(clientEnd, "192.0.2.2:53", []byte("x")))
		u, err := (*reqs)[1].Accept(h.now())
		if err != nil {
			t.Fatal(err)
		}
		u.Unreachable(h.now(), ap("192.0.2.2:53"), reason)
		check("192.0.2.2:53")
		u.Unreachable(h.now(), ap("192.0.2.3:53"), reason)
		h.want("nothing was sent there")
	}
}

// TestForwardUDPRemembersSomeDestinations: the newest, boundedly many.
func TestForwardUDPRemembersSomeDestinations(t *testing.T) {
	h, reqs := forwardingUDP(t)
	for i := range 100 {
		h.recv(udpDatagram(clientEnd, fmt.Sprintf("192.0.2.%d:53", 1+i), nil))
		h.after(ms)
	}
	u, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		u.Unreachable(h.now(), ap(fmt.Sprintf("192.0.2.%d:53", 1+i)), RejectPort)
	}
	if n := len(h.packets()); n != maxQuotes {
		t.Errorf("%d destinations remembered", n)
	}
	u.Unreachable(h.now(), ap("192.0.2.100:53"), RejectPort)
	h.want("the newest", "192.0.2.100 > *")
}

// TestForwardUDPErrorFromClient: the client's port unreachable comes back as a read error that names the
// destination it was about.
func TestForwardUDPErrorFromClient(t *testing.T) {
	h, reqs := forwardingUDP(t)
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", []byte("q")))
	u, err := (*reqs)[0].Accept(h.now())
	if err != nil {
		t.Fatal(err)
	}
	read(u)
	if err := u.WriteTo(h.now(), []byte("late answer"), ap("192.0.2.1:53"), ap(clientEnd)); err != nil {
		t.Fatal(err)
	}
	sent := h.packets()[0]
	client := newHost(t, clientAddr)
	client.recv(sent)
	errs := client.packets()
	h.recv(errs...)
	if got, want := read(u), "connection refused: "+clientEnd+" > 192.0.2.1:53"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestForwardUDPLimitsAndTimeout: flows of one client are bounded; requests that nobody answers end.
func TestForwardUDPLimitsAndTimeout(t *testing.T) {
	h, reqs := forwardingUDP(t, func(c *Config) { c.Limits.UDPSockets, c.Limits.UDPSocketsPerRemote = 12, 10 })
	for i := range 50 {
		h.recv(udpDatagram(fmt.Sprintf("%s:%d", clientAddr, 1000+i), "192.0.2.1:53", []byte("x")))
	}
	if len(*reqs) != 10 {
		t.Errorf("%d flows of one client", len(*reqs))
	}
	for i := range 10 {
		h.recv(udpDatagram(fmt.Sprintf("10.8.0.%d:1", 10+i), "192.0.2.1:53", []byte("x")))
	}
	if len(*reqs) != 12 {
		t.Errorf("%d flows", len(*reqs))
	}
	h.wantDrop("udp: flow limit", 48)
	h.after(udpRequestTimeout)
	st := h.s.Stats()
	if st.UDPSockets != 0 || st.DatagramMemory != 0 || st.RequestsCanceled != 12 || len(h.s.remotes.m) != 0 {
		t.Errorf("after the timeout: %+v", st)
	}
	if _, err := (*reqs)[0].Accept(h.now()); !errors.Is(err, ErrCanceled) {
		t.Errorf("Accept after the timeout: %v", err)
	}
}

func TestForwardUDPWithoutHandler(t *testing.T) {
	h := newHost(t, gatewayAddr)
	h.recv(udpDatagram(clientEnd, "192.0.2.1:53", []byte("x")))
	h.want("closed", "192.0.2.1 > "+clientAddr+" icmp unreachable port*")
}

// TestForwardUDPTooBig: "fragmentation needed" always carries a next-hop MTU that can be used.
func TestForwardUDPTooBig(t *testing.T) {
	for mtu, want := range map[int]string{1300: "1300", 0: "1006", -5: "68", 67: "68", 1 << 20: "65535"} {
		h, reqs := forwardingUDP(t)
		h.recv(edit(udpDatagram(clientEnd, "192.0.2.1:53", make([]byte, 1390)), func(ip *wire.IPv4) { ip.DF = true }))
		u, err := (*reqs)[0].Accept(h.now())
		if err != nil {
			t.Fatal(err)
		}
		tooBig := Fault{Type: wire.ICMPUnreachable, Code: wire.ICMPUnreachableFragNeeded, MTU: mtu}
		u.Fail(h.now(), ap("192.0.2.1:53"), tooBig)
		h.want("next-hop MTU", gatewayAddr+" > "+clientAddr+" icmp unreachable *"+want+" ["+clientEnd+" > 192.0.2.1:53 udp (1390)]")
		u.Fail(h.now(), ap("192.0.2.9:53"), tooBig)
		h.want("nothing was sent there")
	}
}
