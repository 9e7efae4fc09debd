package gateway

import (
	"errors"
	"net"
	"testing"
)

func TestDialNoticesThisHost(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	c, err := dialTCP(t.Context(), addrPort(l.Addr()), 64)
	if !errors.Is(err, errOwnAddress) {
		t.Fatalf("%v, %v", c, err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = accepted.Close() }()
	if n, err := accepted.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes of a connection that was not to be", n)
	}
}

func TestDialReportsARefusal(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := addrPort(l.Addr())
	_ = l.Close()
	c, err := dialTCP(t.Context(), closed, 64)
	if end, told := classifyDial(t.Context(), err); c != nil || end != fateRefused || told != answerRefused {
		t.Errorf("%v: fate %d, answer %d", err, end, told)
	}
}
