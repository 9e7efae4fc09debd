//go:build !linux

package gateway

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// plainUDP sends and receives one datagram at a time, with the system's own time to live and rules
// of fragmentation; it knows nothing of ICMP errors, and holds a goroutine and a buffer while it waits.
type plainUDP struct{ conn *net.UDPConn }

func newUDPListener() func(at netip.AddrPort) (upstreamUDP, error) {
	return func(at netip.AddrPort) (upstreamUDP, error) {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, err
		}
		return plainUDP{conn}, nil
	}
}

func (u plainUDP) waits() bool { return true }

func (u plainUDP) port() uint16 {
	a, _ := u.conn.LocalAddr().(*net.UDPAddr)
	return a.AddrPort().Port()
}

func (u plainUDP) send(ds []udpDatagram) int {
	for i := range ds {
		_, ds[i].Err = u.conn.WriteToUDPAddrPort(ds[i].Payload, ds[i].Addr)
	}
	return len(ds)
}

func (u plainUDP) receive(h upstreamHandler) {
	go func() {
		buf := datagramBuffers.Get().(*[udpDatagramMax]byte)
		defer datagramBuffers.Put(buf)
		var one [1]udpDatagram
		for {
			n, from, err := u.conn.ReadFromUDPAddrPort(buf[:])
			switch {
			case err == nil:
				addr := netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
				one[0] = udpDatagram{Payload: buf[:n], Addr: addr}
				h.fromUpstream(one[:])
			case errors.Is(err, net.ErrClosed):
				return
			} // others are errors of earlier datagrams (WSAECONNRESET)
		}
	}()
}

func (u plainUDP) close() { _ = u.conn.Close() }

// datagramBuffers holds buffers of the largest size. They are taken when a datagram is there and
// returned at once, so there are as many as there are datagrams in hand, not as many as there are
// mappings.
var datagramBuffers = sync.Pool{New: func() any { return new([udpDatagramMax]byte) }}
