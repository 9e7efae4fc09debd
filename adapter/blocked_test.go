package adapter

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
)

// Bug class 20 (gVisor #7379): more than twenty connections between two stacks back to back, every one
// blocked in both directions by buffers that are full. Nothing waits in a circle: each connection alone,
// and then all, go on as soon as they are read.
func TestManyConnectionsBlockedBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{}, Options{})
		const conns, size = 24, 2 << 20
		var ends [][2]*TCPConn
		var sent []<-chan error
		for range conns {
			ca, cb := p.connect(t)
			ends = append(ends, [2]*TCPConn{ca, cb})
			for _, c := range []*TCPConn{ca, cb} {
				if err := errors.Join(c.SetReadBuffer(64<<10), c.SetWriteBuffer(64<<10)); err != nil {
					t.Fatal(err)
				}
				sent = append(sent, start(func() error {
					_, err := c.Write(make([]byte, size))
					return err
				}))
			}
		}
		for i := range sent {
			pending(t, "Write", sent[i])
		}
		drain := func(i int) (read [2]<-chan error) {
			for side, c := range ends[i] {
				read[side] = start(func() error {
					_, err := io.CopyN(io.Discard, struct{ io.Reader }{c}, size)
					return err
				})
			}
			return read
		}
		finish := func(i int, read [2]<-chan error) {
			t.Helper()
			for side := range 2 {
				if err := errors.Join(<-read[side], <-sent[2*i+side]); err != nil {
					t.Fatal(err)
				}
			}
		}
		finish(conns-1, drain(conns-1)) // the last alone, while all others stay blocked
		for i := range conns - 1 {
			pending(t, "Write", sent[2*i])
		}
		var reads [][2]<-chan error
		for i := range conns - 1 {
			reads = append(reads, drain(i))
		}
		for i, read := range reads {
			finish(i, read)
		}
	})
}
