package gateway

import (
	"net"
	"net/netip"
	"syscall"
)

// linuxUDP reads the socket's error queue too (IP_RECVERR, ip(7)): for an unconnected socket that
// is the only way to learn which of its destinations sent an ICMP error.
type linuxUDP struct {
	conn *net.UDPConn
	raw  syscall.RawConn
}

func listenUpstreamUDP(at netip.AddrPort) (upstreamUDP, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	u := &linuxUDP{conn: conn}
	if u.raw, err = conn.SyscallConn(); err == nil {
		err = setRecvErr(u.raw)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return u, nil
}

func (u *linuxUDP) send(p []byte, dst netip.AddrPort) error {
	_, err := u.conn.WriteToUDPAddrPort(p, dst)
	if err != nil && isPending(err) {
		// It was the error of an earlier datagram, which the error queue tells in full; reported,
		// it is gone.
		_, err = u.conn.WriteToUDPAddrPort(p, dst)
	}
	return err
}

func (u *linuxUDP) receive(datagram func([]byte, netip.AddrPort), failed func(netip.AddrPort, answer)) error {
	for {
		err := u.raw.Read(func(fd uintptr) bool {
			return receiveReady(int(fd), datagram, func(dst netip.AddrPort, _ []byte, why fault) {
				if told := why.answer(); told != answerNothing {
					failed(dst, told)
				}
			})
		})
		if err != nil {
			return nil // closed
		}
	}
}

func (u *linuxUDP) close() { _ = u.conn.Close() }
