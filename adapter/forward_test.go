package adapter

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// web is a destination beyond the gateway b.
var web = netip.MustParseAddrPort("192.0.2.80:443")

// handleTCP sets a handler that passes requests on.
func handleTCP(p *pair) <-chan *TCPRequest {
	c := make(chan *TCPRequest, 4096)
	p.b.HandleTCP(func(r *TCPRequest) { c <- r })
	return c
}

// dial starts a dial of a to addr.
func (p *pair) dial(ctx context.Context, addr netip.AddrPort) <-chan result {
	c := make(chan result, 1)
	go func() {
		conn, err := p.a.DialContextTCPAddrPort(ctx, addr)
		c <- result{conn, err}
	}()
	return c
}

type result struct {
	conn *TCPConn
	err  error
}

func TestForwardAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		requests := handleTCP(p)
		dialed := p.dial(t.Context(), web)
		r := <-requests
		if r.LocalAddr().String() != web.String() || r.RemoteAddr().(*net.TCPAddr).AddrPort().Addr() != addrA {
			t.Errorf("request from %v to %v", r.RemoteAddr(), r.LocalAddr())
		}
		time.Sleep(20 * time.Second) // the gateway dials; the client's SYNs join the request
		select {
		case d := <-dialed:
			t.Fatalf("the dial ended before the request was answered: %v", d.err)
		case <-requests:
			t.Fatal("a retransmitted SYN made a second request")
		default:
		}
		if err := r.Context().Err(); err != nil {
			t.Errorf("context ended: %v", err)
		}
		cb, err := r.Accept()
		if err != nil {
			t.Fatal(err)
		}
		d := <-dialed
		if d.err != nil {
			t.Fatal(d.err)
		}
		if cb.LocalAddr().String() != web.String() || cb.RemoteAddr().String() != d.conn.LocalAddr().String() {
			t.Errorf("connection from %v to %v", cb.RemoteAddr(), cb.LocalAddr())
		}
		mustWrite(t, d.conn, "hello")
		mustRead(t, cb, "hello")
		mustWrite(t, cb, "world")
		mustRead(t, d.conn, "world")
		if err := r.Context().Err(); err != nil {
			t.Errorf("context ended by Accept: %v", err)
		}
		if _, err := r.Accept(); err == nil {
			t.Error("accepted twice")
		}
		_, _ = d.conn.Close(), cb.Close()
	})
}

func TestForwardReject(t *testing.T) {
	for _, tt := range []struct {
		reason Reason
		errno  syscall.Errno
	}{
		{RejectRefused, syscall.ECONNREFUSED},
		{RejectNetUnreachable, syscall.ENETUNREACH},
		{RejectHostUnreachable, syscall.EHOSTUNREACH},
		{RejectAdmin, syscall.EHOSTUNREACH},
		{RejectPort, syscall.ECONNREFUSED},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Options{}, Options{})
			requests := handleTCP(p)
			begin := time.Now()
			dialed := p.dial(t.Context(), web)
			r := <-requests
			ctx := r.Context()
			r.Reject(tt.reason)
			if ctx.Err() == nil {
				t.Errorf("%v: the context goes on", tt.reason)
			}
			d := <-dialed
			isErrno(t, d.err, "dial", tt.errno)
			if time.Since(begin) != 0 {
				t.Errorf("%v: the client learned it after %v", tt.reason, time.Since(begin))
			}
			r.Reject(tt.reason) // harmless
			if _, err := r.Accept(); err == nil {
				t.Errorf("%v: accepted after it was rejected", tt.reason)
			}
		})
	}
}

func TestForwardRejectSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		p.b.HandleTCP(func(r *TCPRequest) { r.Reject(RejectSilent) })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		d := <-p.dial(ctx, web)
		if !errors.Is(d.err, context.DeadlineExceeded) {
			t.Errorf("got %v", d.err)
		}
	})
}

func TestForwardClientGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		requests := handleTCP(p)
		ctx, cancel := context.WithCancel(t.Context())
		dialed := p.dial(ctx, web)
		r := <-requests
		cancel()
		if d := <-dialed; !errors.Is(d.err, context.Canceled) {
			t.Errorf("dial: %v", d.err)
		}
		begin := time.Now()
		<-r.Context().Done() // its SYNs have stopped
		if d := time.Since(begin); d > 3*time.Minute {
			t.Errorf("noticed after %v", d)
		}
		_, err := r.Accept()
		isErrno(t, err, "accept", syscall.ECONNABORTED)
		r.Reject(RejectRefused) // harmless
	})
}

func TestForwardContextAskedForLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		requests := handleTCP(p)
		ctx, cancel := context.WithCancel(t.Context())
		_ = p.dial(ctx, web)
		r := <-requests
		cancel()
		time.Sleep(10 * time.Minute)
		<-r.Context().Done()
	})
}

func TestForwardNetClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		requests := handleTCP(p)
		dialed := p.dial(t.Context(), web)
		r := <-requests
		_ = r.Context()
		if err := p.b.Close(); err != nil {
			t.Fatal(err)
		}
		<-r.Context().Done()
		if _, err := r.Accept(); err == nil {
			t.Error("accepted after Close")
		}
		r.Reject(RejectRefused)
		_ = p.a.Close()
		<-dialed
	})
}

func TestForwardWithoutHandlerIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		_, err := p.a.DialTCPAddrPort(web)
		isErrno(t, err, "dial", syscall.ECONNREFUSED)
		p.b.HandleTCP(func(*TCPRequest) { t.Error("called") })
		p.b.HandleTCP(nil)
		_, err = p.a.DialTCPAddrPort(web)
		isErrno(t, err, "dial", syscall.ECONNREFUSED)
		p.b.HandleTCPAtOnce(func(*TCPRequest) { t.Error("called") })
		p.b.HandleTCPAtOnce(nil)
		_, err = p.a.DialTCPAddrPort(web)
		isErrno(t, err, "dial", syscall.ECONNREFUSED)
	})
}

// TestForwardAtOnce: of each batch the first request is handled before Write returns, so that a handler that
// accepts has accepted; the others are handled, too.
func TestForwardAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Options{Addresses: []netip.Addr{addrB}})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		client, err := New(Options{Addresses: []netip.Addr{addrA}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		const dials = 5
		for range dials {
			go func() { _, _ = client.DialTCPAddrPort(web) }()
		}
		synctest.Wait()
		bufs, sizes := make([][]byte, 2*dials), make([]int, 2*dials)
		for i := range bufs {
			bufs[i] = make([]byte, 2000)
		}
		count, err := client.Device().Read(bufs, sizes, 0)
		if count != dials || err != nil {
			t.Fatal(count, err)
		}
		for i := range count {
			bufs[i] = bufs[i][:sizes[i]]
		}
		var handled atomic.Int32
		n.HandleTCPAtOnce(func(r *TCPRequest) {
			handled.Add(1)
			r.Reject(RejectSilent)
		})
		if _, err := n.Device().Write(bufs[:count], 0); err != nil {
			t.Fatal(err)
		}
		if handled.Load() == 0 {
			t.Error("no request was handled before Write returned")
		}
		synctest.Wait()
		if got := handled.Load(); got != dials {
			t.Errorf("%d requests handled, want %d", got, dials)
		}
	})
}

func TestForwardManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		var wg sync.WaitGroup
		var handled atomic.Int32
		p.b.HandleTCP(func(r *TCPRequest) {
			handled.Add(1)
			if r.LocalAddr().(*net.TCPAddr).Port%2 == 0 {
				r.Reject(RejectRefused)
				return
			}
			c, err := r.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(c, c)
			_ = c.Close()
		})
		for i := range 400 {
			wg.Go(func() {
				c, err := p.a.DialTCPAddrPort(netip.AddrPortFrom(web.Addr(), uint16(1000+i)))
				if i%2 == 0 {
					if !errors.Is(err, syscall.ECONNREFUSED) {
						t.Errorf("port %d: %v", 1000+i, err)
					}
					return
				}
				if err != nil {
					t.Errorf("port %d: %v", 1000+i, err)
					return
				}
				mustWrite(t, c, "echo")
				mustRead(t, c, "echo")
				_ = c.CloseWrite()
				mustEOF(t, c)
				_ = c.Close()
			})
		}
		wg.Wait()
		if handled.Load() != 400 {
			t.Errorf("%d requests", handled.Load())
		}
	})
}

func TestForwardUDP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		requests := make(chan *UDPRequest, 10)
		p.b.HandleUDP(func(r *UDPRequest) { requests <- r })
		client, err := p.a.ListenUDPAddrPort(netip.AddrPortFrom(addrA, 5000))
		if err != nil {
			t.Fatal(err)
		}
		dst := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:123")}
		send := func(text string, to netip.AddrPort) {
			t.Helper()
			if _, err := client.WriteToUDPAddrPort([]byte(text), to); err != nil {
				t.Fatal(err)
			}
		}
		send("first", dst[0])
		r := <-requests
		if r.LocalAddr().String() != dst[0].String() || r.RemoteAddr().String() != "10.8.0.1:5000" {
			t.Errorf("request from %v to %v", r.RemoteAddr(), r.LocalAddr())
		}
		send("second", dst[1]) // before the answer: waits with the first
		synctest.Wait()
		flow, err := r.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if flow.RemoteAddr().String() != "10.8.0.1:5000" {
			t.Errorf("flow of %v", flow.RemoteAddr())
		}
		send("third", dst[1])
		buf := make([]byte, 100)
		for i, want := range []string{"first", "second", "third"} {
			n, addr, err := flow.ReadFromUDPAddrPort(buf)
			if err != nil || string(buf[:n]) != want || addr != dst[min(i, 1)] {
				t.Fatalf("datagram %d: %q to %v, %v", i, buf[:n], addr, err)
			}
		}
		// The answer comes from where the client wrote to; also from elsewhere, if the gateway lets it.
		for _, from := range append(dst, netip.MustParseAddrPort("203.0.113.9:9")) {
			if _, err := flow.WriteTo([]byte("answer"), net.UDPAddrFromAddrPort(from)); err != nil {
				t.Fatal(err)
			}
			n, addr, err := client.ReadFromUDPAddrPort(buf)
			if err != nil || string(buf[:n]) != "answer" || addr != from {
				t.Fatalf("client got %q from %v, %v", buf[:n], addr, err)
			}
		}
		if len(requests) != 0 {
			t.Error("one client socket made two requests")
		}
		_, _ = client.Close(), flow.Close()
	})
}

func TestForwardUDPUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		p.b.HandleUDP(func(r *UDPRequest) {
			c, err := r.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			buf := make([]byte, 100)
			_, dst, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Error(err)
				return
			}
			c.Unreachable(dst, RejectPort)
			_, _ = c.Read(buf)
		})
		c, err := p.a.DialUDPAddrPort(netip.AddrPort{}, web)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(make([]byte, 1))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v", err)
		}
		_ = c.Close()
	})
}

func TestForwardUDPReject(t *testing.T) {
	for _, tt := range []struct {
		reason Reason
		errno  syscall.Errno
	}{
		{RejectPort, syscall.ECONNREFUSED},
		{RejectRefused, syscall.ECONNREFUSED},
		{RejectHostUnreachable, syscall.EHOSTUNREACH},
		{RejectNetUnreachable, syscall.ENETUNREACH},
		{RejectAdmin, syscall.EHOSTUNREACH},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPair(t, Options{}, Options{})
			p.b.HandleUDP(func(r *UDPRequest) { r.Reject(tt.reason) })
			c, err := p.a.DialUDPAddrPort(netip.AddrPort{}, web)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			_, err = c.Read(make([]byte, 1))
			if !errors.Is(err, tt.errno) {
				t.Errorf("%v: got %v", tt.reason, err)
			}
			_ = c.Close()
		})
	}
}
