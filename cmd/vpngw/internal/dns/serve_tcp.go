package dns

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// serveTCP answers connections until the listener is closed.
func (s *Server) serveTCP(l net.Listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
			return
		}
		if err != nil {
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(errorPause):
			}
			continue
		}
		peer := s.peerName(client(conn.RemoteAddr()).Addr())
		if peer == "" {
			s.counters.noPeer.Add(1)
			_ = conn.Close()
			continue
		}
		if !s.conns.take(peer) {
			s.counters.connRefused.Add(1)
			_ = conn.Close()
			continue
		}
		c := &tcpClient{server: s, conn: conn, peer: peer, free: make(chan struct{}, connQueriesMax)}
		if !s.run(conn, func() { c.serve(); s.conns.give(peer) }) {
			return
		}
	}
}

// A tcpClient is a client's connection. Its queries are answered as they are ready, in any order
// (RFC 7766 §6.2.1.1).
type tcpClient struct {
	server *Server
	conn   net.Conn
	peer   string
	free   chan struct{} // one element for each query that waits for an upstream
	slow   sync.WaitGroup

	mu sync.Mutex // held to write one message
}

// serve answers queries until the client is done, is idle for too long, or sends what is none.
func (c *tcpClient) serve() {
	s := c.server
	addr := client(c.conn.RemoteAddr()).Addr()
	var buf []byte
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(connIdle))
		var err error
		if buf, err = readMessage(c.conn, buf); err != nil {
			break
		}
		s.counters.tcp.Add(1)
		q := s.receive(buf, c.peer, addr, true)
		if q == nil {
			break
		}
		s.answer(q, c.send, func(slow func()) {
			c.free <- struct{}{} // each of them ends in bounded time
			c.slow.Go(func() {
				slow()
				<-c.free
			})
		})
	}
	c.slow.Wait() // "MUST continue to service" what came before the client's FIN
	_ = c.conn.Close()
}

// send sends one answer. A client that does not take it loses its connection.
func (c *tcpClient) send(answer []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.conn.SetWriteDeadline(time.Now().Add(connWrite))
	if err := writeMessage(c.conn, answer); err != nil {
		c.server.counters.droppedAnswers.Add(1)
		_ = c.conn.Close()
	}
}

// readMessage reads a message with its length before it (RFC 1035 §4.2.2) into buf, which grows as
// needed.
func readMessage(r io.Reader, buf []byte) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return buf, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	return buf, err
}

// writeMessage writes a message with its length in one piece: "SHOULD pass the two-octet length
// field, and the message […] in a single write" RFC 7766 §8.
func writeMessage(w io.Writer, message []byte) error {
	if len(message) > messageMax {
		return errTooLong
	}
	framed := make([]byte, 2+len(message))
	binary.BigEndian.PutUint16(framed, uint16(len(message)))
	copy(framed[2:], message)
	_, err := w.Write(framed)
	return err
}

var errTooLong = errors.New("a DNS message has at most 65535 bytes")
