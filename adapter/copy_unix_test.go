//go:build unix

package adapter

import (
	"io"
	"net"
	"strings"
	"testing"
)

func TestReadFromRecognisesSockets(t *testing.T) {
	c1, _ := tcpLoopback(t)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	type counting struct{ *net.TCPConn }
	for _, tt := range []struct {
		name string
		r    io.Reader
		want bool
	}{
		{"TCPConn", c1, true},
		{"a type that embeds one", counting{c1}, false},
		{"UDPConn", udp.(*net.UDPConn), false},
		{"strings.Reader", strings.NewReader(""), false},
		{"TCPConn that was never opened", new(net.TCPConn), false},
	} {
		if _, got := asStreamSocket(tt.r); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestIOCopyTakesTheShortCut: io.Copy reaches ReadFrom through (*net.TCPConn).WriteTo,
// which wraps the socket in an unexported type of package net.
func TestIOCopyTakesTheShortCut(t *testing.T) {
	c1, c2 := tcpLoopback(t)
	go func() {
		_, _ = c2.Write([]byte("hello"))
		_ = c2.Close()
	}()
	var w readerFrom
	if _, err := io.Copy(&w, c1); err != nil {
		t.Fatal(err)
	}
	if !w.socket {
		t.Error("the source of io.Copy was not recognised as a socket")
	}
}

// readerFrom notes what its ReadFrom is given.
type readerFrom struct{ socket bool }

func (w *readerFrom) Write(p []byte) (int, error) { return len(p), nil }

func (w *readerFrom) ReadFrom(r io.Reader) (int64, error) {
	_, w.socket = asStreamSocket(r)
	return io.Copy(io.Discard, struct{ io.Reader }{r})
}

func TestReadFromSocketHoldsNoMemoryWhileIdle(t *testing.T) {
	p := newPair(t, Options{}, Options{})
	ca, cb := p.connect(t)
	c1, c2 := tcpLoopback(t)
	done := start(func() error {
		_, err := ca.ReadFrom(c1)
		return err
	})
	if _, err := c2.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	mustRead(t, cb, "one")
	eventually(t, "idle connection without buffers", func() bool { return p.a.Stats().Memory == 0 })
	if err := c2.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
