package adapter

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
)

var outside = netip.MustParseAddrPort("198.51.100.9:4000") // of nobody here

func TestDialTCPAs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 80)
		to := l.Addr().(*net.TCPAddr).AddrPort()
		c, err := p.a.DialContextTCPAs(t.Context(), outside, to)
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		if got := accepted.RemoteAddr().String(); got != outside.String() {
			t.Errorf("the listener sees %s", got)
		}
		mustWrite(t, c, "to")
		mustRead(t, accepted, "to")
		mustWrite(t, accepted, "fro")
		mustRead(t, c, "fro")
		_ = c.Close()
		_ = accepted.Close()
		if _, err := p.a.DialContextTCPAs(t.Context(), outside, netip.AddrPortFrom(to.Addr(), 81)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a closed port: %v", err)
		}
		if _, err := p.a.DialContextTCPAs(t.Context(), netip.AddrPort{}, to); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("from nowhere: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := p.a.DialContextTCPAs(ended, outside, to); !errors.Is(err, context.Canceled) {
			t.Errorf("after its context ended: %v", err)
		}
	})
}

func TestOpenUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		client, err := p.a.ListenUDPAddrPort(netip.AddrPortFrom(addrA, 7000))
		if err != nil {
			t.Fatal(err)
		}
		u, err := p.b.OpenUDP(netip.AddrPortFrom(addrA, 7000))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.WriteToUDPAddrPort([]byte("first"), outside); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		n, from, err := client.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "first" || from != outside {
			t.Errorf("%q from %v, %v", buf[:n], from, err)
		}
		if _, err := client.WriteToUDPAddrPort([]byte("answer"), outside); err != nil {
			t.Fatal(err)
		}
		n, to, err := u.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "answer" || to != outside {
			t.Errorf("%q to %v, %v", buf[:n], to, err)
		}
		if _, err := u.Write([]byte("to nowhere")); err == nil {
			t.Error("Write has an address to answer from")
		}
		if got := u.RemoteAddr().String(); got != netip.AddrPortFrom(addrA, 7000).String() {
			t.Errorf("the client is %s", got)
		}
		_ = u.Close()
		_ = client.Close()
		if _, err := p.b.OpenUDP(netip.AddrPort{}); err == nil {
			t.Error("there is a client without an address")
		}
	})
}
