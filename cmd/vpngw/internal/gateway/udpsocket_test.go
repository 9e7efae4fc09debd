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
	told answer
}

// listenForTest opens the real socket and reports what it receives.
func listenForTest(t *testing.T) (upstreamUDP, <-chan received) {
	t.Helper()
	u, err := listenUpstreamUDP(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan received, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- u.receive(func(p []byte, src netip.AddrPort) {
			events <- received{data: bytes.Clone(p), addr: src}
		}, func(dst netip.AddrPort, told answer) {
			events <- received{addr: dst, told: told}
		})
	}()
	t.Cleanup(func() {
		u.close()
		if err := <-ended; err != nil {
			t.Errorf("receive ended with %v", err)
		}
	})
	return u, events
}

func await[T any](t *testing.T, what string, c <-chan T) T {
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
		if err := u.send(sent, echo); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
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
		if err := u.send([]byte("to nobody"), dst); err != nil {
			t.Fatal(err)
		}
		if got := await(t, "port unreachable", events); got.told != answerNoPort || got.addr != dst {
			t.Errorf("told %d about %v", got.told, got.addr)
		}
		// The error of one destination is not the next one's.
		if err := u.send([]byte("hello"), echo); err != nil {
			t.Fatal(err)
		}
		if got := await(t, "echo", events); string(got.data) != "hello" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestPendingErrorDoesNotSwallowTheNextDatagram(t *testing.T) {
	// Without a reader the error stays pending and the next send reports it.
	u, err := listenUpstreamUDP(netip.AddrPort{})
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
	_ = u.send([]byte("to nobody"), dst)
	if err := u.send([]byte("to somebody"), addrPort(sink.LocalAddr())); err != nil {
		t.Fatal(err)
	}
	_ = sink.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 100)
	if n, _, err := sink.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "to somebody" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

func TestICMPCodesForTheClient(t *testing.T) {
	for code, want := range map[uint8]answer{
		0: answerNoNet, 1: answerNoHost, 2: answerNoHost, 3: answerNoPort, 4: answerNothing, 5: answerNoHost, 6: answerNoNet,
		9: answerProhibited, 10: answerProhibited, 11: answerNoNet, 13: answerProhibited,
	} {
		if got := icmpAnswer(3, code); got != want {
			t.Errorf("3/%d: %d, want %d", code, got, want)
		}
	}
	if icmpAnswer(11, 0) != answerNothing || icmpAnswer(8, 3) != answerNothing {
		t.Error("only destination unreachable is passed on")
	}
}
