package dns

import (
	"errors"
	"net"
	"time"
)

// serveUDP answers datagrams until the socket is closed.
func (s *Server) serveUDP(conn net.PacketConn) {
	buf := make([]byte, queryMax)
	for {
		n, from, err := conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
			return
		}
		if err != nil {
			// An ICMP error that an earlier answer met; should a socket fail for good, this is
			// no busy loop.
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(errorPause):
			}
			continue
		}
		s.counters.udp.Add(1)
		addr := client(from)
		peer := s.peerName(addr.Addr())
		if peer == "" {
			s.counters.noPeer.Add(1)
			continue
		}
		q := s.receive(buf[:n], peer, addr.Addr(), false)
		if q == nil {
			continue
		}
		send := func(answer []byte) {
			if _, err := conn.WriteTo(answer, from); err != nil {
				s.counters.droppedAnswers.Add(1)
			}
		}
		s.answer(q, send, func(slow func()) { s.open.Go(slow) })
	}
}

// errorPause is the pause after an error of a listening socket.
const errorPause = 10 * time.Millisecond
