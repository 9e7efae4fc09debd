package gateway

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func TestDialNoticesThisHost(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := dialled(t, addrPort(l.Addr()))
	if !errors.Is(err, errOwnAddress) {
		t.Fatalf("%v, %v", c, err)
	}
	own, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = own.Close() }()
	for {
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = accepted.Close() }()
		if accepted.RemoteAddr().String() == own.LocalAddr().String() {
			return // the other one came to nothing, or was reset
		}
		if n, err := accepted.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes of a connection that was not to be", n)
		}
	}
}

func TestDialReportsARefusal(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := addrPort(l.Addr())
	_ = l.Close()
	c, err := dialled(t, closed)
	if end, told := classifyDial(t.Context(), err); c != nil || end != fateRefused || told != answerRefused {
		t.Errorf("%v: fate %d, answer %d", err, end, told)
	}
}

// dialled is the dial of a running gateway.
func dialled(t *testing.T, dst netip.AddrPort) (upstream, error) {
	t.Helper()
	f := newForwarder(discardLog(), 0)
	t.Cleanup(f.poller.Close)
	a := f.dialTCP(dst, 64)
	if a.wait != nil {
		return a.wait(t.Context())
	}
	return a.up, a.err
}
