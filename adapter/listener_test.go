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

func TestListenAddresses(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	for _, tt := range []struct {
		addr  *net.TCPAddr
		errno error
	}{
		{nil, nil},
		{&net.TCPAddr{Port: 80}, nil},
		{&net.TCPAddr{IP: net.IPv4zero, Port: 81}, nil},
		{&net.TCPAddr{IP: net.IPv6unspecified, Port: 82}, nil},
		{&net.TCPAddr{IP: net.ParseIP("10.8.0.1"), Port: 83}, nil}, // 16 bytes long
		{&net.TCPAddr{IP: addrA.AsSlice(), Port: 83}, syscall.EADDRINUSE},
		{&net.TCPAddr{Port: 80}, syscall.EADDRINUSE},
		{&net.TCPAddr{IP: addrB.AsSlice(), Port: 84}, syscall.EADDRNOTAVAIL},
		{&net.TCPAddr{IP: net.ParseIP("fd00::1"), Port: 85}, syscall.EADDRNOTAVAIL},
	} {
		l, err := n.ListenTCP(tt.addr)
		if !errors.Is(err, tt.errno) {
			t.Errorf("%v: %v, want %v", tt.addr, err, tt.errno)
		}
		if err != nil {
			var oe *net.OpError
			if !errors.As(err, &oe) || oe.Op != "listen" {
				t.Errorf("%v: %#v", tt.addr, err)
			}
			continue
		}
		if port := l.Addr().(*net.TCPAddr).Port; port == 0 || tt.addr != nil && port != tt.addr.Port {
			t.Errorf("%v: listens on %v", tt.addr, l.Addr())
		}
		t.Cleanup(func() { _ = l.Close() })
	}
}

func TestAcceptDeadlineAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 80)
		begin := time.Now()
		if err := l.SetDeadline(begin.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if c, err := l.Accept(); c != nil || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("Accept = %v, %v after %v", c, err, time.Since(begin))
		}
		if err := l.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		var waiting []<-chan error
		for range 3 {
			waiting = append(waiting, start(func() error { _, err := l.Accept(); return err }))
		}
		pending(t, "Accept", waiting[0])
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range waiting {
			isClosed(t, "waiting Accept", <-c)
		}
		_, err := l.Accept()
		isClosed(t, "Accept", err)
		isClosed(t, "Close", l.Close())
		isClosed(t, "SetDeadline", l.SetDeadline(time.Now()))
		_, err = p.a.DialTCPAddrPort(l.addr)
		isErrno(t, err, "dial", syscall.ECONNREFUSED)
	})
}

func TestListenerCloseResetsWhatNobodyAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 80)
		waiting, err := p.a.DialTCPAddrPort(l.addr)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := p.a.DialTCPAddrPort(l.addr)
		if err != nil {
			t.Fatal(err)
		}
		first, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		if first.RemoteAddr().String() != waiting.LocalAddr().String() {
			waiting, kept = kept, waiting
		}
		waiting, kept = kept, waiting // the first was accepted
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = waiting.Read(make([]byte, 1))
		isErrno(t, err, "read", syscall.ECONNRESET)
		mustWrite(t, kept, "still here")
		mustRead(t, first, "still here")
		_, _, _ = waiting.Close(), kept.Close(), first.Close()
	})
}

func TestAcceptsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 80)
		const acceptors = 16
		got := make(chan *TCPConn, acceptors)
		for range acceptors {
			p.wg.Go(func() {
				c, err := l.AcceptTCP()
				if err != nil {
					t.Error(err)
					return
				}
				got <- c
			})
		}
		for range acceptors {
			c, err := p.a.DialTCPAddrPort(l.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		for range acceptors {
			_ = (<-got).Close()
		}
	})
}
