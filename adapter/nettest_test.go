package adapter

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"
)

// TestConn is the conformance test of net.Conn, over two Nets joined back to back.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 0)
		defer l.Close()
		if c1, err = p.a.DialTCPAddrPort(l.addr); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close(); p.close() }, nil
	})
}

// TestConnReversed is the same with the accepting side as the first connection.
func TestConnReversed(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		p := newPair(t, Options{MTU: 576}, Options{MTU: 1280})
		ca, cb := p.connect(t)
		return cb, ca, func() { ca.Close(); cb.Close(); p.close() }, nil
	})
}

// TestConnLoopback is the same with both ends in one Net, whose own address is dialed.
func TestConnLoopback(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		p := newPair(t, Options{}, Options{})
		l := p.listen(t, 0)
		defer l.Close()
		if c1, err = p.b.DialTCPAddrPort(l.addr); err != nil {
			return nil, nil, nil, err
		}
		if c2, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return c1, c2, func() { c1.Close(); c2.Close(); p.close() }, nil
	})
}
