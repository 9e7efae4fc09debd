package adapter

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// echo packs an echo request.
func echo(t testing.TB, seq int, data string) []byte {
	t.Helper()
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 1, Seq: seq, Data: []byte(data)}}
	b, err := m.Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// isReply checks that msg is the reply to echo(seq, data). ParseMessage does not verify checksums.
func isReply(t testing.TB, msg []byte, seq int, data string) {
	t.Helper()
	m, err := icmp.ParseMessage(1, msg)
	if err != nil {
		t.Fatal(err)
	}
	e, ok := m.Body.(*icmp.Echo)
	if !ok || m.Type != ipv4.ICMPTypeEchoReply || m.Code != 0 || e.Seq != seq || string(e.Data) != data {
		t.Fatalf("reply %+v of %+v", m, m.Body)
	}
	if checksum(msg) != 0 {
		t.Errorf("checksum of the reply is wrong")
	}
}

func TestPingExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		c, err := p.a.DialPing(nil, PingAddrFromAddr(addrB))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.RemoteAddr().String() != "10.8.0.2" || c.RemoteAddr().Network() != "ping4" {
			t.Errorf("remote address %v", c.RemoteAddr())
		}
		buf := make([]byte, 70_000)
		for i, data := range []string{"", "x", "gopher burrow", string(noise(1400)), string(noise(20_001))} {
			request := echo(t, 100+i, data)
			if n, err := c.Write(request); n != len(request) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
			n, from, err := c.ReadFrom(buf)
			if err != nil || from.String() != "10.8.0.2" {
				t.Fatalf("ReadFrom: %v, %v", from, err)
			}
			isReply(t, buf[:n], 100+i, data)
		}
		// To a slice that is too short the beginning is delivered.
		for _, size := range []int{0, 4, 8, 10} {
			if _, err := c.Write(echo(t, 7, "data")); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(buf[:size]); n != size || err != nil {
				t.Errorf("Read into %d bytes = %d, %v", size, n, err)
			}
		}
	})
}

func TestPingRefusesWhatIsNoRequest(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	c, err := n.DialPingAddr(addrA, addrB)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reply := echo(t, 1, "x")
	reply[0] = 0
	for _, msg := range [][]byte{nil, make([]byte, 7), reply, {8, 1, 0, 0, 0, 0, 0, 0}} {
		if _, err := c.Write(msg); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("Write(%x): %v", msg, err)
		}
	}
	if _, err := c.WriteTo(echo(t, 1, "x"), &net.TCPAddr{}); err == nil {
		t.Error("wrote to a TCP address")
	}
	if _, err := n.DialPing(nil, nil); err == nil {
		t.Error("dialed nobody")
	}
	if _, err := n.DialPingAddr(netip.Addr{}, netip.MustParseAddr("2001:db8::1")); !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("IPv6: %v", err)
	}
	if _, err := n.ListenPingAddr(addrB); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("foreign address: %v", err)
	}
}

func TestPingListenerHearsEverybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		c, err := p.a.ListenPing(PingAddrFromAddr(addrA))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(echo(t, 1, "x")); !errors.Is(err, errMissingAddress) {
			t.Errorf("Write to nobody: %v", err)
		}
		for _, to := range []net.Addr{PingAddrFromAddr(addrB), PingAddr{addrB}, &net.IPAddr{IP: addrB.AsSlice()}} {
			if _, err := c.WriteTo(echo(t, 5, "hi"), to); err != nil {
				t.Fatalf("WriteTo(%T): %v", to, err)
			}
			buf := make([]byte, 100)
			n, from, err := c.ReadFrom(buf)
			if err != nil || from.(*PingAddr).Addr() != addrB {
				t.Fatalf("ReadFrom: %v, %v", from, err)
			}
			isReply(t, buf[:n], 5, "hi")
		}
	})
}

func TestPingDeadlineAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairFiltered(t, Options{}, Options{}, nothing, nil)
		c, err := p.a.DialPingAddr(netip.Addr{}, addrB)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := c.SetDeadline(begin.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(begin))
		}
		if err := c.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		done := start(func() error { _, err := c.Read(make([]byte, 9)); return err })
		pending(t, "Read", done)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Read": <-done, "Close": c.Close(), "SetDeadline": c.SetDeadline(begin)} {
			var oe *net.OpError
			if !errors.As(err, &oe) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		again, err := p.a.DialPingAddr(netip.Addr{}, addrB)
		if err != nil {
			t.Fatal(err)
		}
		done = start(func() error { _, err := again.Read(make([]byte, 9)); return err })
		pending(t, "Read", done)
		if err := p.a.Close(); err != nil {
			t.Fatal(err)
		}
		isClosed(t, "Read after Close of the Net", <-done)
	})
}

func TestForwardICMP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		hop := netip.MustParseAddr("198.51.100.1")
		p.b.HandleICMP(func(r *ICMPRequest) {
			if r.RemoteAddr().String() != "10.8.0.1" || r.TTL() != 64 {
				t.Errorf("request from %v with TTL %d, TOS %d", r.RemoteAddr(), r.TTL(), r.TOS())
			}
			switch r.LocalAddr().String() {
			case "192.0.2.1":
				if err := r.Reply(bytes.ToUpper(r.Payload()), 0); err != nil {
					t.Error(err)
				}
				if err := r.Reply(r.Payload(), 0); err == nil {
					t.Error("replied twice")
				}
			case "192.0.2.2":
				r.Reject(RejectHostUnreachable)
			case "192.0.2.3":
				r.Reject(RejectNetUnreachable)
			case "192.0.2.4":
				r.Fail(Fault{Type: 11, From: hop})
			}
		})
		for _, tt := range []struct {
			to    string
			errno error
		}{
			{"192.0.2.1", nil},
			{"192.0.2.2", syscall.EHOSTUNREACH},
			{"192.0.2.3", syscall.ENETUNREACH},
			{"192.0.2.4", syscall.EHOSTUNREACH},
			{"192.0.2.5", os.ErrDeadlineExceeded},
		} {
			c, err := p.a.Dial("ping4", tt.to)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(echo(t, 9, "shout")); err != nil {
				t.Fatal(err)
			}
			if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			if !errors.Is(err, tt.errno) {
				t.Errorf("%s: %v, want %v", tt.to, err, tt.errno)
			}
			if err == nil {
				isReply(t, buf[:n], 9, "SHOUT")
			}
			_ = c.Close()
		}
		p.b.HandleICMP(nil)
		c, err := p.a.Dial("ping", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(echo(t, 1, "")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("without a handler: %v", err)
		}
		_ = c.Close()
	})
}

// TestForwardICMPIsBounded: requests wait for a handler that does not return, in their order, but only
// so many; what does not fit is counted.
func TestForwardICMPIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		release := make(chan struct{})
		var seen []uint16
		p.b.HandleICMP(func(r *ICMPRequest) {
			<-release
			seen = append(seen, r.Seq())
		})
		c, err := p.a.Dial("ping", "192.0.2.1")
		if err != nil {
			t.Fatal(err)
		}
		const sent, fit = 2*echoQueueMax/echoOverhead + 10, echoQueueMax / echoOverhead / 2
		for i := range sent {
			if _, err := c.Write(echo(t, i, "")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if drops := p.b.Stats().Drops["icmp: echo queue full"]; drops != sent-fit {
			t.Errorf("%d dropped of %d, want all but %d", drops, sent, fit)
		}
		close(release)
		synctest.Wait()
		if len(seen) != fit || !slices.IsSorted(seen) {
			t.Errorf("%d handled, in the order %v…", len(seen), seen[:min(len(seen), 10)])
		}
		if _, err := c.Write(echo(t, 7, "")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(seen) != fit+1 {
			t.Error("room that became free was not used")
		}
		_ = c.Close()
	})
}
