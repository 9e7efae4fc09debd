package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// ServeHTTP3 serves /data, /sum and /small over HTTP/3 on conn until ctx ends; it returns when nothing of
// it runs any more, and leaves conn open.
func ServeHTTP3(ctx context.Context, conn net.PacketConn) error {
	cert, _, err := selfSigned(nil, []string{http3Name})
	if err != nil {
		return err
	}
	s, err := listenHTTP3(conn, cert, newMux())
	if err != nil {
		return err
	}
	defer s.Close()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.serve(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// http3Name is who ServeHTTP3 says it is.
const http3Name = "http3.test"

// http3Server is a server on a socket that is not its own.
type http3Server struct {
	transport *quic.Transport
	listener  *quic.EarlyListener
	server    http3.Server
}

func listenHTTP3(conn net.PacketConn, cert tls.Certificate, h http.Handler) (*http3Server, error) {
	s := &http3Server{transport: &quic.Transport{Conn: conn}, server: http3.Server{Handler: h}}
	config := http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}})
	var err error
	s.listener, err = s.transport.ListenEarly(config, &quic.Config{Allow0RTT: true})
	return s, err
}

// serve returns http.ErrServerClosed after Close.
func (s *http3Server) serve() error { return s.server.ServeListener(s.listener) }

// Close ends every connection.
func (s *http3Server) Close() error {
	return errors.Join(s.server.Close(), s.transport.Close())
}

// An HTTP3Client fetches over HTTP/3 from one socket, which is not its own.
type HTTP3Client struct {
	http.Client
	transport *quic.Transport
	http3     *http3.Transport
}

// NewHTTP3Client makes a client that believes every certificate: it is about the way there. Close it.
func NewHTTP3Client(conn net.PacketConn) *HTTP3Client {
	c := &HTTP3Client{transport: &quic.Transport{Conn: conn}}
	c.http3 = &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		Dial: func(ctx context.Context, address string, t *tls.Config, q *quic.Config) (*quic.Conn, error) {
			to, err := net.ResolveUDPAddr("udp4", address)
			if err != nil {
				return nil, err
			}
			return c.transport.DialEarly(ctx, to, t, q)
		},
	}
	c.Transport = c.http3
	return c
}

// Close ends the client's connections at once.
func (c *HTTP3Client) Close() error {
	return errors.Join(c.http3.Close(), c.transport.Close())
}

// Fetch asks the server at address for content and returns the digest of what came.
func (c *HTTP3Client) Fetch(ctx context.Context, address string, seed, size uint64) (Digest, error) {
	url := fmt.Sprintf("https://%s/data?size=%d&seed=%d", address, size, seed)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Digest{}, err
	}
	response, err := c.Do(request)
	if err != nil {
		return Digest{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 3 {
		return Digest{}, fmt.Errorf("%s over %s", response.Status, response.Proto)
	}
	return DigestOf(response.Body)
}

// Put sends content to the server at address and returns the digest of what arrived there.
func (c *HTTP3Client) Put(ctx context.Context, address string, seed, size uint64) (d Digest, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://"+address+"/sum", Content(seed, size))
	if err != nil {
		return d, err
	}
	request.ContentLength = int64(size)
	response, err := c.Do(request)
	if err != nil {
		return d, err
	}
	defer response.Body.Close()
	_, err = fmt.Fscan(response.Body, &d.Bytes, &d.Sum)
	return d, err
}
