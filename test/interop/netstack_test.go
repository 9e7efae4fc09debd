package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// directions are the ways in which our stack meets gVisor's: dialing and accepting.
var directions = []struct {
	name           string
	dialer, server stack
}{
	{"ours dials gvisor", ours, gvisor},
	{"gvisor dials ours", gvisor, ours},
	{"ours dials ours", ours, ours},
}

// eachDirection runs f with a dialing host and a listener for every direction.
func eachDirection(t *testing.T, f func(t *testing.T, dial func() net.Conn, l net.Listener)) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			a, b := tunnel(t, d.dialer, d.server)
			addr := netip.AddrPortFrom(addrB, 80)
			l, err := b.listen(addr)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			f(t, func() net.Conn {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				c, err := a.dial(ctx, addr)
				if err != nil {
					t.Errorf("dial: %v", err)
					return nil
				}
				return c
			}, l)
		})
	}
}

// noise returns n reproducible random bytes.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

type writeCloser interface{ CloseWrite() error }

// exchange sends data and half-closes, and at the same time reads to the end and compares.
func exchange(c net.Conn, send, want []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(send)
		sent <- errors.Join(err, c.(writeCloser).CloseWrite())
	}()
	h := sha256.New()
	n, err := io.Copy(h, struct{ io.Reader }{c})
	if sum := sha256.Sum256(want); err == nil && !bytes.Equal(h.Sum(nil), sum[:]) {
		err = fmt.Errorf("received %d bytes that differ from the %d sent", n, len(want))
	}
	return errors.Join(err, <-sent, c.Close())
}

func TestBulkBothWays(t *testing.T) {
	up, down := noise(24<<20), noise(24<<20+1)
	eachDirection(t, func(t *testing.T, dial func() net.Conn, l net.Listener) {
		server := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				err = exchange(c, down, up)
			}
			server <- err
		}()
		c := dial()
		if c == nil {
			return
		}
		if err := exchange(c, up, down); err != nil {
			t.Errorf("client: %v", err)
		}
		if err := <-server; err != nil {
			t.Errorf("server: %v", err)
		}
	})
}

func TestChurn(t *testing.T) {
	const workers, rounds = 16, 40
	request, response := noise(200), noise(20_000)
	eachDirection(t, func(t *testing.T, dial func() net.Conn, l net.Listener) {
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() {
					if err := exchange(c, response, request); err != nil {
						t.Errorf("server: %v", err)
					}
				})
			}
		})
		var clients sync.WaitGroup
		for range workers {
			clients.Go(func() {
				for range rounds {
					c := dial()
					if c == nil {
						return
					}
					if err := exchange(c, request, response); err != nil {
						t.Errorf("client: %v", err)
						return
					}
				}
			})
		}
		clients.Wait()
		_ = l.Close()
		if s, ok := l.(interface{ Shutdown() }); ok {
			s.Shutdown() // gVisor's Close does not wake Accept
		}
		wg.Wait()
	})
}

func TestRefused(t *testing.T) {
	a, _ := tunnel(t, ours, gvisor)
	_, err := a.dial(t.Context(), netip.AddrPortFrom(addrB, 81))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("ours to gvisor: %v", err)
	}
	a, _ = tunnel(t, gvisor, ours)
	_, err = a.dial(t.Context(), netip.AddrPortFrom(addrB, 81))
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("refused")) {
		t.Errorf("gvisor to ours: %v", err)
	}
}

func TestResetIsSeen(t *testing.T) {
	a, b := tunnel(t, gvisor, ours)
	addr := netip.AddrPortFrom(addrB, 80)
	l, err := b.listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := a.dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.(interface{ SetLinger(int) error }).SetLinger(0), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the peer sees %v, want a reset", err)
	}
}

func TestUDPBothWays(t *testing.T) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			a, b := tunnel(t, d.dialer, d.server)
			pa, pb := netip.AddrPortFrom(addrA, 5000), netip.AddrPortFrom(addrB, 6000)
			ca, err := a.udp(pa, pb)
			if err != nil {
				t.Fatal(err)
			}
			defer ca.Close()
			cb, err := b.udp(pb, pa)
			if err != nil {
				t.Fatal(err)
			}
			defer cb.Close()
			buf := make([]byte, 70_000)
			for _, size := range []int{1, 1392, 1393, 9000, 60_000} { // the last three are fragmented
				for _, way := range [][2]net.Conn{{ca, cb}, {cb, ca}} {
					data := noise(size)
					if _, err := way[0].Write(data); err != nil {
						t.Fatalf("write %d: %v", size, err)
					}
					_ = way[1].SetReadDeadline(time.Now().Add(20 * time.Second))
					n, err := way[1].Read(buf)
					if err != nil || !bytes.Equal(buf[:n], data) {
						t.Fatalf("read %d of %d: %v", n, size, err)
					}
				}
			}
		})
	}
}

func TestPing(t *testing.T) {
	for _, d := range directions {
		t.Run(d.name, func(t *testing.T) {
			a, _ := tunnel(t, d.dialer, d.server)
			c, err := a.ping(addrB)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			echo := &icmp.Echo{Seq: 7, Data: []byte("gopher burrow")}
			request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: echo}).Marshal(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Write(request); err != nil {
				t.Fatal(err)
			}
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
			buf := make([]byte, 1500)
			n, err := c.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			m, err := icmp.ParseMessage(1, buf[:n])
			if err != nil {
				t.Fatal(err)
			}
			got, ok := m.Body.(*icmp.Echo)
			if !ok || m.Type != ipv4.ICMPTypeEchoReply || got.Seq != 7 || string(got.Data) != "gopher burrow" {
				t.Errorf("reply %+v", m)
			}
		})
	}
}
