package adapter

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// udpBubble runs f with a socket of a connected to a socket that listens on b.
func udpBubble(t *testing.T, f func(t *testing.T, p *pair, ca, cb *UDPConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		cb, err := p.b.ListenUDP(&net.UDPAddr{IP: addrB.AsSlice(), Port: 7})
		if err != nil {
			t.Fatal(err)
		}
		ca, err := p.a.DialUDP(nil, cb.LocalAddr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		f(t, p, ca, cb)
		_, _ = ca.Close(), cb.Close()
	})
}

func TestUDPExchange(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, cb *UDPConn) {
		if ca.RemoteAddr().String() != "10.8.0.2:7" || cb.RemoteAddr() != nil {
			t.Errorf("remote addresses %v and %v", ca.RemoteAddr(), cb.RemoteAddr())
		}
		buf := make([]byte, 70_000)
		for _, size := range []int{0, 1, 1000, 1392, 1393, 9000, 65_507} {
			data := noise(size)
			if n, err := ca.Write(data); n != size || err != nil {
				t.Fatalf("Write of %d = %d, %v", size, n, err)
			}
			n, from, err := cb.ReadFrom(buf)
			if err != nil || !bytes.Equal(buf[:n], data) || from.String() != ca.LocalAddr().String() {
				t.Fatalf("ReadFrom = %d from %v, %v; want %d", n, from, err, size)
			}
			if _, err := cb.WriteTo(data, from); err != nil {
				t.Fatal(err)
			}
			if n, err := ca.Read(buf); err != nil || !bytes.Equal(buf[:n], data) {
				t.Fatalf("Read = %d, %v; want %d", n, err, size)
			}
		}
		_, err := ca.Write(make([]byte, 65_508))
		if !errors.Is(err, syscall.EMSGSIZE) {
			t.Errorf("too long: %v", err)
		}
		_, err = cb.Write([]byte("to whom?"))
		if !errors.Is(err, errMissingAddress) {
			t.Errorf("Write without address: %v", err)
		}
		_, err = cb.WriteTo([]byte("x"), &net.TCPAddr{})
		if err == nil {
			t.Error("WriteTo a TCP address succeeded")
		}
	})
}

func TestUDPShortReadLosesTheRest(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, cb *UDPConn) {
		for _, s := range []string{"one two", "three"} {
			if _, err := ca.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 3)
		for _, want := range []string{"one", "thr"} {
			if n, err := cb.Read(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("Read = %q, %v", buf[:n], err)
			}
		}
	})
}

func TestUDPClosedPort(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, cb *UDPConn) {
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := ca.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_, err := ca.Read(make([]byte, 1))
		var oe *net.OpError
		if !errors.As(err, &oe) || oe.Op != "read" || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Read: %v", err)
		}
		if err := ca.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := ca.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("second Read: %v, want the error once only", err)
		}
	})
}

func TestUDPDeadlines(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, cb *UDPConn) {
		begin := time.Now()
		if err := ca.SetDeadline(begin.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := ca.Read(make([]byte, 1))
		var ne net.Error
		if !errors.As(err, &ne) || !ne.Timeout() || time.Since(begin) != time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(begin))
		}
		synctest.Wait() // the write deadline passes at the same instant
		if _, err := ca.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
		if err := ca.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := ca.Write([]byte("x")); err != nil {
			t.Error(err)
		}
		if n, err := cb.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Errorf("Read = %d, %v", n, err)
		}
	})
}

func TestUDPCloseEndsWaitingCalls(t *testing.T) {
	udpBubble(t, func(t *testing.T, _ *pair, ca, _ *UDPConn) {
		done := start(func() error { _, err := ca.Read(make([]byte, 1)); return err })
		pending(t, "Read", done)
		if err := ca.Close(); err != nil {
			t.Fatal(err)
		}
		isClosed(t, "waiting Read", <-done)
		_, rerr := ca.Read(nil)
		_, werr := ca.Write(nil)
		for what, err := range map[string]error{
			"Read": rerr, "Write": werr, "Close": ca.Close(), "SetDeadline": ca.SetDeadline(time.Time{}),
		} {
			isClosed(t, what, err)
		}
	})
}

func TestUDPWriteWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t, Options{Addresses: []netip.Addr{addrA}}) // nobody reads its device yet
		c, err := n.DialUDPAddrPort(netip.AddrPort{}, netip.AddrPortFrom(addrB, 9))
		if err != nil {
			t.Fatal(err)
		}
		const count = 2000
		done := start(func() error {
			for range count {
				if _, err := c.Write(make([]byte, 1000)); err != nil {
					return err
				}
			}
			return nil
		})
		pending(t, "Write with a full queue", done)
		bufs, sizes := [][]byte{make([]byte, 2048)}, []int{0}
		for i := range count {
			if got, err := n.Device().Read(bufs, sizes, 0); got != 1 || err != nil || sizes[0] != 1028 {
				t.Fatalf("packet %d: %d of %d bytes, %v", i, got, sizes[0], err)
			}
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestUDPAddressesInUse(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	first, err := n.ListenUDP(&net.UDPAddr{Port: 5353})
	if err != nil {
		t.Fatal(err)
	}
	if got := first.LocalAddr().(*net.UDPAddr).Port; got != 5353 {
		t.Errorf("port %d", got)
	}
	if _, err := n.ListenUDPAddrPort(netip.AddrPortFrom(netip.Addr{}, 5353)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second socket: %v", err)
	}
	if _, err := n.ListenUDPAddrPort(netip.AddrPortFrom(addrB, 1)); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("foreign address: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := n.ListenUDPAddrPort(netip.AddrPortFrom(addrA, 5353))
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	_ = again.Close()
}
