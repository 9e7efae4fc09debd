package relay

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// patience bounds every wait: far more than loopback needs.
const patience = 20 * time.Second

var loopback = net.IPv4(127, 0, 0, 1)

func listenLoopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs a relay in front of a server socket and returns it with the socket of a client.
func start(t *testing.T, cfg Config) (r *Relay, client, server *net.UDPConn) {
	t.Helper()
	server = listenLoopback(t)
	cfg.Listen = listenLoopback(t)
	_ = cfg.Listen.SetDeadline(time.Time{})
	cfg.Dial = func() (*net.UDPConn, error) {
		return net.DialUDP("udp4", nil, server.LocalAddr().(*net.UDPAddr))
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	client, err = net.DialUDP("udp4", nil, cfg.Listen.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if err := client.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return r, client, server
}

func send(t *testing.T, c *net.UDPConn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// receive returns one datagram and its source.
func receive(t *testing.T, c *net.UDPConn) (string, netip.AddrPort) {
	t.Helper()
	b := make([]byte, datagramMax)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n]), from
}

func TestRelayCarriesBothWays(t *testing.T) {
	r, client, server := start(t, Config{Seed: 1})
	for i := range 100 {
		text := fmt.Sprint("ping ", i)
		send(t, client, text)
		got, from := receive(t, server)
		if got != text {
			t.Fatalf("server received %q, want %q", got, text)
		}
		if _, err := server.WriteToUDPAddrPort([]byte("pong "+got), from); err != nil {
			t.Fatal(err)
		}
		if got, _ := receive(t, client); got != "pong "+text {
			t.Fatalf("client received %q, want %q", got, "pong "+text)
		}
	}
	up, down := r.Stats()
	if up.Delivered != 100 || down.Delivered != 100 {
		t.Errorf("delivered %d up and %d down, want 100 each", up.Delivered, down.Delivered)
	}
}

func TestRelayKeepsClientsApart(t *testing.T) {
	r, first, server := start(t, Config{Seed: 1})
	second, err := net.DialUDP("udp4", nil, r.listen.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_ = second.SetDeadline(time.Now().Add(patience))

	send(t, first, "first")
	_, fromFirst := receive(t, server)
	send(t, second, "second")
	_, fromSecond := receive(t, server)
	if fromFirst == fromSecond {
		t.Fatalf("both clients reach the server from %v", fromFirst)
	}
	for _, to := range []netip.AddrPort{fromSecond, fromFirst} {
		if _, err := server.WriteToUDPAddrPort([]byte(to.String()), to); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := receive(t, first); got != fromFirst.String() {
		t.Errorf("the first client received what was for %s", got)
	}
	if got, _ := receive(t, second); got != fromSecond.String() {
		t.Errorf("the second client received what was for %s", got)
	}
}

// The datagrams that a seed loses are the same through sockets as on the bare Link.
func TestRelayLosesWhatTheSeedSays(t *testing.T) {
	imp := Impairment{Loss: 0.3, Duplicate: 0.2}
	const seed, count = 42, 400
	link := mustLink(t, seed, imp)
	want := make(map[string]int)
	copies := 0
	for i := range count {
		_, n := link.Offer(0, 8)
		want[fmt.Sprint(i)] = n
		copies += n
	}
	_, client, server := start(t, Config{Seed: seed, Up: imp})
	got := make(map[string]int)
	for i := range count {
		send(t, client, fmt.Sprint(i))
		for range want[fmt.Sprint(i)] { // in step, so that no socket buffer overflows
			text, _ := receive(t, server)
			got[text]++
			copies--
		}
	}
	if copies != 0 {
		t.Errorf("%d copies are missing", copies)
	}
	for text, n := range want {
		if got[text] != n {
			t.Errorf("datagram %s arrived %d times, want %d", text, got[text], n)
		}
	}
}

func TestRebindChangesTheSourcePort(t *testing.T) {
	r, client, server := start(t, Config{Seed: 1})
	send(t, client, "before")
	_, before := receive(t, server)
	if err := r.Rebind(); err != nil {
		t.Fatal(err)
	}
	send(t, client, "after")
	_, after := receive(t, server)
	if before == after {
		t.Fatalf("the server still sees %v", before)
	}
	if _, err := server.WriteToUDPAddrPort([]byte("reply"), after); err != nil {
		t.Fatal(err)
	}
	if got, _ := receive(t, client); got != "reply" {
		t.Errorf("client received %q over the new socket", got)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	r, client, server := start(t, Config{Seed: 1, Up: Impairment{Delay: time.Hour}})
	send(t, client, "never arrives")
	for up, _ := r.Stats(); up.Offered == 0; up, _ = r.Stats() {
		if _, err := client.Write([]byte("nor this")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_ = server.SetReadDeadline(time.Now())
	if n, _, err := server.ReadFromUDPAddrPort(make([]byte, 64)); err == nil {
		t.Errorf("%d bytes arrived before their delay", n)
	}
}

func TestNewRefusesBadConfig(t *testing.T) {
	dial := func() (*net.UDPConn, error) { return nil, net.ErrClosed }
	for _, cfg := range []Config{
		{},
		{Listen: listenLoopback(t)},
		{Listen: listenLoopback(t), Dial: dial, Up: Impairment{Loss: 2}},
		{Listen: listenLoopback(t), Dial: dial, Down: Impairment{Loss: 2}},
	} {
		if r, err := New(cfg); err == nil {
			_ = r.Close()
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestRelayReportsADialThatFails(t *testing.T) {
	listen := listenLoopback(t)
	_ = listen.SetDeadline(time.Time{})
	asked := make(chan struct{}, 1)
	r, err := New(Config{Listen: listen, Dial: func() (*net.UDPConn, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		return nil, net.ErrClosed
	}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.DialUDP("udp4", nil, listen.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	send(t, client, "hello")
	<-asked
	send(t, client, "hello again")
	<-asked // the first failure has been noted before the second datagram is read
	if r.Err() == nil {
		t.Error("no error reported")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
}
