package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/net/quic"
)

// quicProtocol is what the QUIC server speaks on a stream: the request "SIZE SEED" to its end, then that
// much content. HTTP/3 is that with headers.
const quicProtocol = "vpngw-test"

// ServeQUIC serves content over QUIC on conn until ctx ends; it returns when nothing of it runs any more.
func ServeQUIC(ctx context.Context, conn net.PacketConn) error {
	cert, _, err := selfSigned(nil, []string{"quic.test"})
	if err != nil {
		return err
	}
	e, err := quic.NewEndpoint(conn, quicConfig(&tls.Config{Certificates: []tls.Certificate{cert}}))
	if err != nil {
		return err
	}
	defer closeQUIC(e)
	for {
		c, err := e.Accept(ctx)
		if err != nil {
			return ctx.Err()
		}
		go serveQUICConn(ctx, c) // ends with the endpoint
	}
}

func serveQUICConn(ctx context.Context, c *quic.Conn) {
	for {
		s, err := c.AcceptStream(ctx)
		if err != nil {
			return
		}
		request, err := io.ReadAll(s)
		var size, seed uint64
		if _, scan := fmt.Sscan(string(request), &size, &seed); err != nil || scan != nil {
			s.Reset(1)
			continue
		}
		_, _ = io.Copy(s, Content(seed, size))
		_ = s.Close()
	}
}

// FetchQUIC asks the server at address for content over a QUIC connection of its own on conn, which it
// closes, and returns the digest of what came.
func FetchQUIC(ctx context.Context, conn net.PacketConn, address string, seed, size uint64) (Digest, error) {
	config := quicConfig(&tls.Config{InsecureSkipVerify: true, ServerName: "quic.test"}) // it is about the way there
	e, err := quic.NewEndpoint(conn, nil)
	if err != nil {
		return Digest{}, err
	}
	defer closeQUIC(e)
	c, err := e.Dial(ctx, "udp4", address, config)
	if err != nil {
		return Digest{}, err
	}
	s, err := c.NewStream(ctx)
	if err != nil {
		return Digest{}, err
	}
	s.SetReadContext(ctx)
	_, err = fmt.Fprint(s, size, " ", seed)
	s.CloseWrite()
	if err != nil {
		return Digest{}, err
	}
	return DigestOf(s)
}

// quicConfig has windows for a path of 100 Mbit/s and 100 ms, as browsers have.
func quicConfig(t *tls.Config) *quic.Config {
	t.MinVersion, t.NextProtos = tls.VersionTLS13, []string{quicProtocol}
	return &quic.Config{
		TLSConfig:               t,
		MaxStreamReadBufferSize: 4 << 20, MaxStreamWriteBufferSize: 4 << 20, MaxConnReadBufferSize: 4 << 20,
	}
}

// closeQUIC aborts what is open.
func closeQUIC(e *quic.Endpoint) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("the test has ended"))
	_ = e.Close(ctx)
}
