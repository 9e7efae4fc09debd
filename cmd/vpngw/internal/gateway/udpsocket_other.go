//go:build !linux

package gateway

import (
	"errors"
	"net"
	"net/netip"
)

// plainUDP knows nothing of ICMP errors, and holds a buffer while it waits.
type plainUDP struct{ conn *net.UDPConn }

func listenUpstreamUDP(at netip.AddrPort) (upstreamUDP, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	return plainUDP{conn}, nil
}

func (u plainUDP) send(p []byte, dst netip.AddrPort) error {
	_, err := u.conn.WriteToUDPAddrPort(p, dst)
	return err
}

func (u plainUDP) receive(datagram func([]byte, netip.AddrPort), _ func(netip.AddrPort, answer)) error {
	buf := datagramBuffers.Get().(*[udpDatagramMax]byte)
	defer datagramBuffers.Put(buf)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf[:])
		switch {
		case err == nil:
			datagram(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		case errors.Is(err, net.ErrClosed):
			return nil
		} // others are errors of earlier datagrams (WSAECONNRESET)
	}
}

func (u plainUDP) close() { _ = u.conn.Close() }
