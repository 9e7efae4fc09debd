package gateway

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// flowGoroutines are the goroutines that carry flows.
func flowGoroutines() int {
	buf := make([]byte, 4<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "gateway.(*eventPipe).run")
}

func TestIdleFlowsHaveNoGoroutine(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	var ends []net.Conn
	for range 8 {
		down, up := s.open(c, "192.0.2.1:80")
		ends = append(ends, down, up)
	}
	for round := range 3 { // they come to life again each time
		for i := 0; i < len(ends); i += 2 {
			down, up := ends[i], ends[i+1]
			for _, way := range []struct{ from, to net.Conn }{{down, up}, {up, down}} {
				if _, err := way.from.Write([]byte{1, 2}); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(way.to, make([]byte, 2)); err != nil {
					t.Fatalf("round %d, connection %d: %v", round, i/2, err)
				}
			}
		}
		eventually(t, "no goroutine of a flow", func() bool { return flowGoroutines() == 0 })
	}
	if n := s.Status().Totals.Flows.TCP; n != 8 {
		t.Errorf("%d flows are open", n)
	}
	for _, end := range ends {
		_ = end.Close()
	}
	eventually(t, "the flows are gone", func() bool { return s.Status().Totals.Flows == FlowCounts{} })
	if n := s.poller.Len(); n != 0 {
		t.Errorf("the poller knows of %d sockets", n)
	}
}

// TestPollerThatCannotBeUsed: without a poller a flow is carried the other way.
func TestPollerThatCannotBeUsed(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	s.poller.Close()
	down, up := s.open(s.client(0), netip.MustParseAddrPort("192.0.2.1:80").String())
	_, _ = down.Write([]byte("x"))
	if _, err := io.ReadFull(up, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	wantOrdinary(t, s)
	_ = up.Close()
	if _, err := down.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	_ = down.Close()
	eventually(t, "the flow is gone", func() bool { return s.Status().Totals.Flows == FlowCounts{} })
}

// wantOrdinary looks at the upstream socket of the only flow, which package net has.
func wantOrdinary(t *testing.T, s *site) {
	t.Helper()
	var flow *tcpFlow
	for _, p := range s.fwd.peers.Load().peers {
		p.mu.Lock()
		for f := range p.flows {
			flow = f.(*tcpFlow)
		}
		p.mu.Unlock()
	}
	flow.mu.Lock()
	raw, err := flow.up.(*net.TCPConn).SyscallConn()
	flow.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		for _, o := range []struct{ level, option, want int }{
			{unix.IPPROTO_IP, unix.IP_RECVERR, 0},
			{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(upstreamKeepAliveIdle / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, int(upstreamKeepAliveInterval / time.Second)},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, upstreamKeepAliveCount},
		} {
			if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); got != o.want || err != nil {
				t.Errorf("option %d of level %d is %d, not %d: %v", o.option, o.level, got, o.want, err)
			}
		}
	})
}

// TestResetWhileSendingIsNoEnd: a destination's reset reaches the client as one, whichever direction meets it
// first.
func TestResetWhileSendingIsNoEnd(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	dst, conns := s.server("192.0.2.1:80")
	for range 1000 {
		down := c.mustDialTCP(dst)
		up := await(t, "connection at the server", conns)
		go func() {
			for err := error(nil); err == nil; {
				_, err = down.Write(make([]byte, 32<<10))
			}
		}()
		go func() {
			_, _ = io.CopyN(io.Discard, up, 16<<10)
			time.Sleep(rand.N(time.Millisecond)) // while data are on their way
			_ = up.SetLinger(0)
			_ = up.Close()
		}()
		if n, err := down.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("%d bytes, %v", n, err)
		}
		_ = down.Close()
	}
}

// TestStepOfAClosedSource: a socket that is closed by an abort while a direction reads it is an error of its
// own, not of this program.
func TestStepOfAClosedSource(t *testing.T) {
	s := startSite(t, testConfig(t, 1))
	c := s.client(0)
	for range 200 {
		down, up := s.open(c, "192.0.2.1:80")
		for _, conn := range []interface {
			io.Writer
			SetLinger(int) error
			Close() error
		}{down, up} {
			go func() {
				_, _ = conn.Write(make([]byte, 64<<10))
				_ = conn.SetLinger(0)
				_ = conn.Close()
			}()
		}
	}
	eventually(t, "the flows are gone", func() bool { return s.Status().Totals.Flows == FlowCounts{} })
}
