package dns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// streamPool keeps connections to one server for the next question (RFC 7766 §6.2.1). Safe for
// concurrent use.
type streamPool struct {
	// roots are whose certificates are believed; nil: the system's. For tests.
	roots *x509.CertPool

	mu     sync.Mutex // guards the fields below
	idle   []idleStream
	closed bool
}

type idleStream struct {
	conn  net.Conn
	since time.Time
}

var errMismatch = errors.New("the server answered another question")

// exchangeStream asks over TCP or TLS. A kept connection may have been closed by the server in the
// meantime: then another is used.
func (s *server) exchangeStream(ctx context.Context, q *miekg.Msg) (*miekg.Msg, error) {
	for {
		conn := s.streams.take()
		kept := conn != nil
		if !kept {
			var err error
			if conn, err = s.dialStream(ctx); err != nil {
				return nil, err
			}
		}
		m, err := askStream(ctx, conn, q)
		if err == nil {
			s.streams.keep(conn)
			return m, nil
		}
		_ = conn.Close()
		if errors.Is(err, errMismatch) {
			s.counters.ignored.Add(1)
		}
		if !kept || ctx.Err() != nil {
			return nil, err
		}
	}
}

func (s *server) dialStream(ctx context.Context) (net.Conn, error) {
	conn, err := s.dial(ctx, "tcp", s.Addr)
	if err != nil || s.Kind != config.ResolverTLS {
		return conn, err
	}
	secure := tls.Client(conn, &tls.Config{
		ServerName: s.ServerName, MinVersion: tls.VersionTLS12, RootCAs: s.streams.roots,
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// askStream asks one question over conn. After an error the connection is of no more use.
func askStream(ctx context.Context, conn net.Conn, q *miekg.Msg) (*miekg.Msg, error) {
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := writeMessage(conn, packed); err != nil {
		return nil, err
	}
	b, err := readMessage(conn, nil)
	if err != nil {
		return nil, err
	}
	if m := match(q, b); m != nil && !m.Truncated {
		return m, nil
	}
	return nil, errMismatch
}

// take returns a kept connection, the last used one, or nil.
func (p *streamPool) take() net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.idle); n > 0; n = len(p.idle) {
		last := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if time.Since(last.since) < streamIdle {
			return last.conn
		}
		_ = last.conn.Close()
	}
	return nil
}

// keep keeps a connection for the next question, if there is room.
func (p *streamPool) keep(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= streamsMax {
		_ = conn.Close()
		return
	}
	p.idle = append(p.idle, idleStream{conn, time.Now()})
}

// close closes what is kept; nothing is kept afterwards.
func (p *streamPool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.idle {
		_ = s.conn.Close()
	}
	p.idle = nil
}
