package gateway

import (
	"bytes"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// received is what an upstreamUDP reported.
type received struct {
	data []byte
	addr netip.AddrPort
	why  fault
}

// upstreamEvents is an upstreamHandler.
type upstreamEvents chan received

func (e upstreamEvents) fromUpstream(ds []udpDatagram) {
	for _, d := range ds {
		e <- received{data: bytes.Clone(d.Payload), addr: d.Addr}
	}
}

func (e upstreamEvents) failedUpstream(dst netip.AddrPort, why fault) {
	e <- received{addr: dst, why: why}
}
func (e upstreamEvents) writable() { e <- received{} }

// listenForTest opens the real socket and reports what it receives.
func listenForTest(t *testing.T) (upstreamUDP, upstreamEvents) {
	t.Helper()
	before := runtime.NumGoroutine()
	u, err := newUDPListener()(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	events := make(upstreamEvents, 1000)
	u.receive(events)
	t.Cleanup(func() {
		u.close()
		u.close()
		wantGoroutines(t, before)
	})
	return u, events
}

// sendOne sends one datagram.
func sendOne(t *testing.T, u upstreamUDP, p []byte, dst netip.AddrPort) {
	t.Helper()
	ds := []udpDatagram{{Payload: p, Addr: dst}}
	if n := u.send(ds); n != 1 || ds[0].Err != nil {
		t.Fatalf("%d bytes: %d, %v", len(p), n, ds[0].Err)
	}
}

func await[T any, C ~chan T | ~<-chan T](t *testing.T, what string, c C) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second): // a test that fails, not a measure of time
		t.Fatalf("%s: nothing came", what)
		panic("unreachable")
	}
}

func echoUDP(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 65536)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-done
	})
	return addrPort(c.LocalAddr())
}

func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	case *net.TCPAddr:
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	return netip.AddrPort{}
}

func TestUpstreamUDPCarriesEverySize(t *testing.T) {
	u, events := listenForTest(t)
	echo := echoUDP(t)
	for _, size := range []int{0, 1, 1400, 9000, udpDatagramMax} {
		sent := bytes.Repeat([]byte{byte(size)}, size)
		sendOne(t, u, sent, echo)
		got := await(t, "echo", events)
		if !bytes.Equal(got.data, sent) || got.addr != echo {
			t.Errorf("%d bytes: %d came back from %v", size, len(got.data), got.addr)
		}
	}
}

func TestUpstreamUDPLearnsOfClosedPorts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("this system does not tell an unconnected socket of ICMP errors")
		return
	}
	u, events := listenForTest(t)
	closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	dst := addrPort(closed.LocalAddr())
	_ = closed.Close()
	echo := echoUDP(t)
	for range 3 {
		sendOne(t, u, []byte("to nobody"), dst)
		if got := await(t, "port unreachable", events); got.why.Type != 3 || got.why.Code != 3 || got.addr != dst {
			t.Errorf("told %+v about %v", got.why, got.addr)
		}
		// The error of one destination is not the next one's.
		sendOne(t, u, []byte("hello"), echo)
		if got := await(t, "echo", events); string(got.data) != "hello" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestPendingErrorDoesNotSwallowTheNextDatagram(t *testing.T) {
	// Without a reader the error stays pending and the next send reports it.
	u, err := newUDPListener()(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	dst := addrPort(closed.LocalAddr())
	_ = closed.Close()
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Close() }()
	u.send([]udpDatagram{{Payload: []byte("to nobody"), Addr: dst}})
	sendOne(t, u, []byte("to somebody"), addrPort(sink.LocalAddr()))
	_ = sink.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 100)
	if n, _, err := sink.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "to somebody" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}
