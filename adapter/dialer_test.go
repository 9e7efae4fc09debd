package adapter

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestDialRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		begin := time.Now()
		_, err := p.a.DialTCP(&net.TCPAddr{IP: addrB.AsSlice(), Port: 81})
		isErrno(t, err, "dial", syscall.ECONNREFUSED)
		var oe *net.OpError
		if errors.As(err, &oe); oe.Addr.String() != "10.8.0.2:81" {
			t.Errorf("address %v", oe.Addr)
		}
		if time.Since(begin) != 0 {
			t.Errorf("refused after %v, want at once", time.Since(begin))
		}
	})
}

func TestDialUnreachable(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	for _, addr := range []string{"[2001:db8::1]:80", "224.0.0.1:80", "255.255.255.255:80"} {
		_, err := n.DialTCPAddrPort(netip.MustParseAddrPort(addr))
		isErrno(t, err, "dial", syscall.ENETUNREACH)
	}
	for _, addr := range []string{"[2001:db8::1]:80"} {
		_, err := n.Dial("tcp", addr)
		isErrno(t, err, "dial", syscall.ENETUNREACH)
	}
	if _, err := n.DialTCP(nil); !errors.Is(err, errMissingAddress) {
		t.Errorf("nil address: %v", err)
	}
	if _, err := n.DialTCPAddrPort(netip.AddrPort{}); !errors.Is(err, errMissingAddress) {
		t.Errorf("no address: %v", err)
	}
}

func TestDialTimesOutByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPairFiltered(t, Options{}, Options{}, nothing, nil)
		begin := time.Now()
		_, err := p.a.DialTCPAddrPort(netip.AddrPortFrom(addrB, 80))
		isErrno(t, err, "dial", syscall.ETIMEDOUT)
		if d := time.Since(begin); d < 3*time.Minute { // RFC 9293 §3.8.3, MUST-23
			t.Errorf("gave up after %v", d)
		}
	})
}

// nothing is a filter that lets nothing through.
func nothing([]byte) bool { return false }

func TestDialContextEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ctx   func() (context.Context, context.CancelFunc)
		is    error
		after time.Duration
	}{
		{"deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 5*time.Second)
		}, context.DeadlineExceeded, 5 * time.Second},
		{"cancel", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(2*time.Second, cancel)
			return ctx, cancel
		}, context.Canceled, 2 * time.Second},
		{"canceled before", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}, context.Canceled, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPairFiltered(t, Options{}, Options{}, nothing, nil)
				begin := time.Now()
				ctx, cancel := tt.ctx()
				defer cancel()
				_, err := p.a.DialContext(ctx, "tcp", "10.8.0.2:80")
				var ne net.Error
				if !errors.As(err, &ne) || !errors.Is(err, tt.is) {
					t.Fatalf("got %T %v", err, err)
				}
				if timeout := tt.is == context.DeadlineExceeded; ne.Timeout() != timeout || errors.Is(err, os.ErrDeadlineExceeded) != timeout {
					t.Errorf("Timeout() = %v", ne.Timeout())
				}
				if d := time.Since(begin); d != tt.after {
					t.Errorf("after %v, want %v", d, tt.after)
				}
				time.Sleep(5 * time.Minute)
				if n := p.a.Stats().Conns; n != 0 {
					t.Errorf("%d connections left", n)
				}
			})
		})
	}
}

// TestDialCanceledAtEachStep cancels a dial when the n-th packet of the handshake,
// in either direction, passes, or is lost: no end may keep half a connection (gVisor #6067).
func TestDialCanceledAtEachStep(t *testing.T) {
	for _, lose := range []bool{false, true} {
		for step := int32(1); step <= 4; step++ {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var seen atomic.Int32
				filter := func([]byte) bool {
					if seen.Add(1) == step {
						cancel()
						return !lose
					}
					return true
				}
				p := newPairFiltered(t, Options{}, Options{}, filter, filter)
				l := p.listen(t, 80)
				accepted := make(chan *TCPConn, 8)
				p.wg.Go(func() {
					for {
						c, err := l.AcceptTCP()
						if err != nil {
							return
						}
						accepted <- c
					}
				})
				c, err := p.a.DialContextTCPAddrPort(ctx, l.addr)
				if err == nil { // it won the race against its cancellation
					_ = c.Close()
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("step %d: %v", step, err)
				}
				time.Sleep(time.Minute)
				for len(accepted) > 0 {
					c := <-accepted
					if _, err := c.Read(make([]byte, 1)); err == nil {
						t.Error("data from a canceled dial")
					}
					_ = c.Close()
				}
				time.Sleep(10 * time.Minute)
				for name, n := range map[string]*Net{"dialing": p.a, "listening": p.b} {
					if left := n.Stats().Conns; left != 0 {
						t.Errorf("step %d, lost %v: the %s end keeps %d connections", step, lose, name, left)
					}
				}
			})
		}
	}
}

func TestDialNetworks(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	l := p.listen(t, 80)
	defer l.Close()
	for _, tt := range []struct {
		network, address string
		ok               bool
	}{
		{"tcp", "10.8.0.2:80", true},
		{"tcp4", "10.8.0.2:80", true},
		{"tcp", "10.8.0.2:http", true},
		{"tcp", "[::ffff:10.8.0.2]:80", true},
		{"udp", "10.8.0.2:53", true},
		{"udp4", "10.8.0.2:domain", true},
		{"ping", "10.8.0.2", true},
		{"ping4", "10.8.0.2", true},
		{"tcp6", "10.8.0.2:80", false},
		{"tcp5", "10.8.0.2:80", false},
		{"unix", "/tmp/x", false},
		{"", "10.8.0.2:80", false},
		{"4", "10.8.0.2:80", false},
		{"tcp", "10.8.0.2", false},
		{"tcp", "10.8.0.2:99999", false},
		{"tcp", "10.8.0.2:nonsense", false},
		{"tcp", ":80", false},
		{"tcp", "nonsense:80", false}, // no DNS server
	} {
		c, err := p.a.Dial(tt.network, tt.address)
		if (err == nil) != tt.ok {
			t.Errorf("Dial(%q, %q): %v", tt.network, tt.address, err)
		}
		var oe *net.OpError
		if err != nil && (!errors.As(err, &oe) || oe.Op != "dial") {
			t.Errorf("Dial(%q, %q): %T", tt.network, tt.address, err)
		}
		if err == nil {
			_ = c.Close()
		} else if c != nil {
			t.Errorf("Dial(%q, %q): a connection besides an error", tt.network, tt.address)
		}
	}
}

func TestDialPanicsWithoutContext(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	var none context.Context
	_, _ = n.DialContext(none, "tcp", "10.8.0.2:80")
}

func TestDialShare(t *testing.T) {
	for _, tt := range []struct {
		remaining time.Duration
		left      int
		want      time.Duration
	}{
		{30 * time.Second, 3, 10 * time.Second},
		{30 * time.Second, 1, 30 * time.Second},
		{3 * time.Second, 3, 2 * time.Second},
		{time.Second, 3, time.Second},
	} {
		if got := dialShare(tt.remaining, tt.left); got != tt.want {
			t.Errorf("dialShare(%v, %d) = %v, want %v", tt.remaining, tt.left, got, tt.want)
		}
	}
}

// TestDialTriesAllAddresses: the first address of the name is dead, the second works.
func TestDialTriesAllAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := netip.MustParseAddr("10.8.0.3") // reaches b, which drops it: not its address
		p := newPair(t, Options{DNS: []netip.Addr{addrB}}, Options{})
		serveDNS(t, p, &dnsServer{records: map[string][]netip.Addr{"both.test.": {other, addrB}}})
		p.b.HandleTCP(func(r *TCPRequest) { r.Reject(RejectSilent) })
		l := p.listen(t, 80)
		defer l.Close()
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c, err := p.a.DialContext(ctx, "tcp", "both.test:80")
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("connected after %v, want half of the time for the dead address", d)
		}
		_ = c.Close()
	})
}

func TestManyDialsInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 80)
		defer l.Close()
		var wg sync.WaitGroup
		for range 500 {
			wg.Go(func() {
				c, err := p.a.DialTCPAddrPort(l.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.Close()
			})
			wg.Go(func() {
				c, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.Close()
			})
		}
		wg.Wait()
	})
}
