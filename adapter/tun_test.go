package adapter

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.zx2c4.com/wireguard/tun"
)

func TestCreateNetTUN(t *testing.T) {
	dev, n, err := CreateNetTUN([]netip.Addr{addrA, netip.MustParseAddr("fd00::1")}, []netip.Addr{addrB}, 1380)
	if err != nil {
		t.Fatal(err)
	}
	if dev != n.Device() {
		t.Error("Device() is another device")
	}
	if mtu, err := dev.MTU(); mtu != 1380 || err != nil {
		t.Errorf("MTU = %d, %v", mtu, err)
	}
	if name, err := dev.Name(); name != "vpngw" || err != nil {
		t.Errorf("Name = %q, %v", name, err)
	}
	if dev.BatchSize() != 128 {
		t.Errorf("BatchSize = %d", dev.BatchSize())
	}
	if dev.File() != nil {
		t.Error("File is not nil")
	}
	if e := <-dev.Events(); e != tun.EventUp {
		t.Errorf("first event %v, want EventUp", e)
	}
	for range 3 {
		if err := dev.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if e, ok := <-dev.Events(); ok {
		t.Errorf("event %v after Close, want a closed channel", e)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	ok := []netip.Addr{addrA}
	for _, tt := range []struct {
		name string
		o    Options
	}{
		{"MTU too small", Options{Addresses: ok, MTU: 127}},
		{"MTU too large", Options{Addresses: ok, MTU: 65536}},
		{"negative MTU", Options{Addresses: ok, MTU: -1}},
		{"invalid address", Options{Addresses: []netip.Addr{{}}}},
		{"multicast address", Options{Addresses: []netip.Addr{netip.MustParseAddr("224.0.0.1")}}},
		{"invalid server", Options{Addresses: ok, DNS: []netip.Addr{{}}}},
		{"congestion control", Options{Addresses: ok, CongestionControl: "vegas"}},
		{"negative time-out", Options{Addresses: ok, UserTimeout: -1}},
		{"negative dial time-out", Options{Addresses: ok, DialTimeout: -1}},
		{"negative buffer", Options{Addresses: ok, ReadBuffer: -1}},
	} {
		if n, err := New(tt.o); err == nil {
			t.Errorf("%s: accepted", tt.name)
			_ = n.Close()
		}
	}
	for _, o := range []Options{
		{},
		{Addresses: ok, MTU: 128},
		{Addresses: ok, MTU: 65535, Name: "wg7", CongestionControl: "newreno", ECN: true},
		{Addresses: []netip.Addr{netip.MustParseAddr("::ffff:10.8.0.1"), netip.MustParseAddr("fd00::1")}},
	} {
		n, err := New(o)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		if name, _ := n.Device().Name(); o.Name != "" && name != o.Name {
			t.Errorf("Name = %q", name)
		}
		_ = n.Close()
	}
}

func TestReadBlocksUntilThereIsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
		bufs, sizes := [][]byte{make([]byte, 2048), make([]byte, 2048)}, make([]int, 2)
		count := 0
		read := func() error {
			var err error
			count, err = n.Device().Read(bufs, sizes, 16)
			return err
		}
		done := start(read)
		pending(t, "Read", done)
		c, err := n.DialUDPAddrPort(netip.AddrPort{}, netip.AddrPortFrom(addrB, 9))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("out")); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || count != 1 || sizes[0] != 20+8+3 || bufs[0][16] != 0x45 {
			t.Fatalf("Read = %d packets of %v, %v", count, sizes, err)
		}
		done = start(read)
		pending(t, "Read", done)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, os.ErrClosed) {
			t.Fatalf("Read after Close: %v, want os.ErrClosed", err)
		}
		if _, err := n.Device().Write(bufs[:1], 16); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Write after Close: %v, want os.ErrClosed", err)
		}
	})
}

func TestTimerRunsWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // nobody reads the device: the peer is stuck
		n := newNet(t, Options{Addresses: []netip.Addr{addrA}, DialTimeout: 20 * time.Second})
		begin := time.Now()
		_, err := n.DialTCPAddrPort(netip.AddrPortFrom(addrB, 80))
		if err == nil || time.Since(begin) < 20*time.Second || time.Since(begin) > time.Minute {
			t.Errorf("dial ended after %v with %v", time.Since(begin), err)
		}
	})
}

func TestGarbageIsCountedAndDropped(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	packets := [][]byte{
		nil,
		{},
		{0x45},
		make([]byte, 16), make([]byte, 17),
		[]byte(strings.Repeat("\xff", 100)), []byte(strings.Repeat("\x45", 100)),
		[]byte(strings.Repeat("\x60", 100)),
	}
	for i, p := range packets {
		packets[i] = append(make([]byte, 16), p...)
	}
	if got, err := n.Device().Write(packets, 16); got != len(packets) || err != nil {
		t.Errorf("Write = %d, %v", got, err)
	}
	if len(n.Stats().Drops) == 0 {
		t.Error("nothing was counted")
	}
}

// TestCloseAtAnyMoment is the bug list of rivals: a device closed while a thousand
// connections are busy must neither deadlock, nor panic, nor leave a goroutine.
func TestCloseAtAnyMoment(t *testing.T) {
	const conns = 1000
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for round := range rounds {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 80)
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { // echo
					defer c.Close()
					buf := make([]byte, 512)
					for {
						n, err := c.Read(buf)
						if err != nil {
							return
						}
						if _, err := c.Write(buf[:n]); err != nil {
							return
						}
					}
				})
			}
		})
		busy := make(chan struct{}, conns)
		for range conns {
			wg.Go(func() {
				c, err := p.a.DialTCPAddrPort(l.addr)
				if err != nil {
					return
				}
				defer c.Close()
				buf := []byte("some bytes")
				for {
					if _, err := c.Write(buf); err != nil {
						return
					}
					if _, err := c.Read(buf); err != nil {
						return
					}
					select {
					case busy <- struct{}{}:
					default:
					}
				}
			})
		}
		for range conns * round / 4 { // the first round closes during the handshakes
			<-busy
		}
		for range 8 { // from many goroutines, in any order
			wg.Go(func() { _ = p.b.Device().Close() })
			wg.Go(func() { _ = p.a.Close() })
		}
		wg.Wait()
		p.close()
	}
	if left := leaked(); left != "" && !strings.Contains(left, "tRunner") {
		t.Errorf("goroutines left behind:\n%s", left)
	}
}
