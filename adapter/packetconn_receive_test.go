package adapter

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestReceive(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, cb *UDPConn) {
		var got []string
		done := start(func() error {
			return cb.Receive(func(p []byte, addr netip.AddrPort) {
				if addr.String() != ca.LocalAddr().String() {
					t.Errorf("datagram from %v", addr)
				}
				got = append(got, string(p))
			})
		})
		pending(t, "Receive", done)
		for _, s := range []string{"one", "", "three"} {
			if _, err := ca.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		pending(t, "Receive", done)
		if len(got) != 3 || got[0] != "one" || got[1] != "" || got[2] != "three" {
			t.Errorf("received %q", got)
		}
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
		isClosed(t, "Receive", <-done)
		isClosed(t, "Receive after Close", cb.Receive(nil))
	})
}

func TestReceiveDeadline(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, _ *UDPConn) {
		if err := ca.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if err := ca.Receive(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestReceiveGoesOnAfterErrors(t *testing.T) {
	udpBubble(t, func(t *testing.T, p *pair, ca, cb *UDPConn) {
		received := make(chan string, 1)
		done := start(func() error {
			return ca.Receive(func(p []byte, _ netip.AddrPort) { received <- string(p) })
		})
		port := cb.LocalAddr().(*net.UDPAddr)
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := ca.Write([]byte("nobody is there")); err != nil { // ICMP 3/3 comes back
			t.Fatal(err)
		}
		pending(t, "Receive", done)
		again, err := p.b.ListenUDP(port)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.WriteTo([]byte("back"), ca.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		if s := <-received; s != "back" {
			t.Errorf("received %q", s)
		}
		_ = ca.Close()
		<-done
		_ = again.Close()
	})
}

func TestReceiveEndsWithTheNet(t *testing.T) {
	udpBubble(t, func(t *testing.T, p *pair, ca, _ *UDPConn) {
		done := start(func() error { return ca.Receive(nil) })
		pending(t, "Receive", done)
		_ = p.a.Close()
		isClosed(t, "Receive", <-done)
	})
}

func TestTryWriteDropsWhenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t, Options{Addresses: []netip.Addr{addrA}}) // nobody reads its device
		c, err := n.ListenUDP(nil)
		if err != nil {
			t.Fatal(err)
		}
		to := netip.AddrPortFrom(addrB, 9)
		sent := 0
		for ; err == nil && sent < 100_000; sent++ {
			err = c.TryWriteToUDPAddrPort(make([]byte, 1000), to)
		}
		if !errors.Is(err, syscall.ENOBUFS) || sent < 100 {
			t.Errorf("after %d datagrams: %v", sent, err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		isClosed(t, "TryWrite", c.TryWriteToUDPAddrPort(nil, to))
	})
}
