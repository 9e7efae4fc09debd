package adapter

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/ourstack/tcp"
)

func TestMergeKeepAlive(t *testing.T) {
	const s = tcp.Second
	before := tcp.KeepAliveConfig{Enabled: true, Idle: 100 * s, Interval: 10 * s, Count: 3}
	for _, tt := range []struct {
		name string
		set  net.KeepAliveConfig
		want tcp.KeepAliveConfig
	}{
		{"off", net.KeepAliveConfig{}, tcp.KeepAliveConfig{Idle: 100 * s, Interval: 10 * s, Count: 3}},
		{"defaults", net.KeepAliveConfig{Enable: true}, tcp.KeepAliveConfig{Enabled: true, Idle: 15 * s, Interval: 15 * s, Count: 9}},
		{"unchanged", net.KeepAliveConfig{Enable: true, Idle: -1, Interval: -1, Count: -1}, before},
		{
			"all",
			net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 5},
			tcp.KeepAliveConfig{Enabled: true, Idle: 60 * s, Interval: s, Count: 5},
		},
	} {
		if got := mergeKeepAlive(before, tt.set); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// probes counts the packets that a sends in d while the connection is idle.
func probes(p *pair, d time.Duration) uint64 {
	synctest.Wait()
	before := p.a.Stats().PacketsOut
	time.Sleep(d)
	synctest.Wait()
	return p.a.Stats().PacketsOut - before
}

func TestKeepAliveSettings(t *testing.T) {
	bubble(t, func(t *testing.T, p *pair, ca, _ *TCPConn) {
		if err := errors.Join(ca.SetKeepAlivePeriod(time.Minute), ca.SetKeepAlive(true)); err != nil {
			t.Fatal(err)
		}
		if n := probes(p, 10*time.Minute+time.Second); n < 8 || n > 11 { // the next one is at least the interval, 75 s, away
			t.Errorf("%d probes in ten minutes at one a minute", n)
		}
		if err := errors.Join(ca.SetKeepAlivePeriod(0), ca.SetKeepAlivePeriod(-1)); err != nil {
			t.Fatal(err)
		}
		if n := probes(p, 10*time.Minute); n < 8 || n > 11 {
			t.Errorf("%d probes after a period that changes nothing", n)
		}
		if err := ca.SetKeepAlive(false); err != nil {
			t.Fatal(err)
		}
		if n := probes(p, time.Hour); n != 0 {
			t.Errorf("%d probes although keep-alive is off", n)
		}
	})
}

func TestKeepAliveFromOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := Options{KeepAlive: net.KeepAliveConfig{Enable: true, Idle: time.Minute}}
		p := newPair(t, on, Options{})
		ca, _ := p.connect(t)
		if n := probes(p, 5*time.Minute+time.Second); n == 0 {
			t.Error("no probes")
		}
		// The setting is what a later change starts from.
		if err := ca.SetKeepAlivePeriod(time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := probes(p, 50*time.Minute); n != 0 {
			t.Errorf("%d probes in 50 minutes at one an hour", n)
		}
		if n := probes(p, 2*time.Hour); n == 0 {
			t.Error("no probes any more")
		}
	})
}

func TestNoDelay(t *testing.T) {
	bubble(t, func(t *testing.T, p *pair, ca, cb *TCPConn) {
		// By default each small write is a segment of its own (as in package net); with Nagle's
		// algorithm, what is written while one is unacknowledged shares the next.
		write := func(noDelay bool) uint64 {
			if err := ca.SetNoDelay(noDelay); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			before := p.a.Stats().PacketsOut
			for range 10 {
				mustWrite(t, ca, "x")
				synctest.Wait()
			}
			time.Sleep(time.Second)
			mustRead(t, cb, "xxxxxxxxxx")
			time.Sleep(time.Second)
			synctest.Wait()
			return p.a.Stats().PacketsOut - before
		}
		if n := write(true); n != 10 {
			t.Errorf("%d packets for ten writes without delay", n)
		}
		time.Sleep(time.Second)
		if n := write(false); n > 10 {
			t.Errorf("%d packets for ten writes with Nagle's algorithm", n)
		}
	})
}

func TestBufferSizes(t *testing.T) {
	bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
		const size = 64 << 10
		if err := errors.Join(ca.SetWriteBuffer(size), cb.SetReadBuffer(size)); err != nil {
			t.Fatal(err)
		}
		if err := ca.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := ca.Write(make([]byte, 8<<20))
		if err == nil || n < size || n > 4*size {
			t.Errorf("wrote %d bytes (%v) into two buffers of %d", n, err, size)
		}
		if got, err := io.CopyN(io.Discard, cb, int64(n)); err != nil {
			t.Errorf("read %d: %v", got, err)
		}
		// A larger buffer lets a waiting Write go on.
		if err := errors.Join(ca.SetWriteDeadline(time.Time{}), ca.SetWriteBuffer(4096)); err != nil {
			t.Fatal(err)
		}
		done := start(func() error { _, err := ca.Write(make([]byte, 1<<20)); return err })
		pending(t, "Write", done)
		if err := ca.SetWriteBuffer(4 << 20); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAwaitReset(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(ca, cb *TCPConn) error
		is   syscall.Errno // 0: the end is in order
	}{
		{"reset by the peer", func(_, cb *TCPConn) error { return errors.Join(cb.SetLinger(0), cb.Close()) }, syscall.ECONNRESET},
		{"closed on this side", func(ca, _ *TCPConn) error { return ca.Close() }, 0},
		{"aborted on this side", func(ca, _ *TCPConn) error { return errors.Join(ca.SetLinger(0), ca.Close()) }, 0},
		{"closed in order", func(ca, cb *TCPConn) error { return errors.Join(ca.CloseWrite(), cb.Close()) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, _ *pair, ca, cb *TCPConn) {
				if err := cb.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				mustEOF(t, ca)
				done := start(ca.AwaitReset)
				pending(t, "AwaitReset", done)
				mustWrite(t, ca, "data the other way does not end it")
				mustRead(t, cb, "data the other way does not end it")
				pending(t, "AwaitReset", done)
				if err := tt.end(ca, cb); err != nil {
					t.Fatal(err)
				}
				err := <-done
				if tt.is == 0 && err != nil {
					t.Errorf("got %v", err)
				}
				if tt.is != 0 {
					isErrno(t, err, "read", tt.is)
				}
				if again := ca.AwaitReset(); (again == nil) != (err == nil) {
					t.Errorf("the second call returned %v", again)
				}
			})
		})
	}
}

func TestAwaitResetEndsWithTheNet(t *testing.T) {
	bubble(t, func(t *testing.T, p *pair, ca, _ *TCPConn) {
		done := start(ca.AwaitReset)
		pending(t, "AwaitReset", done)
		_ = p.a.Close()
		if err := <-done; err != nil {
			t.Errorf("got %v", err)
		}
	})
}
