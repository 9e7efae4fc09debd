package origin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The ports of the services; doc.go says what each does.
const (
	PortHTTP  = 8080
	PortTLS   = 8443
	PortDrain = 7001
	PortLong  = 7002
	PortEarly = 7003
	PortStall = 7004
	PortWatch = 7005
	PortEcho  = 7007
)

// Config says where a Server's sockets come from. All fields are needed.
type Config struct {
	// Addr is the address to listen on, and the one in the certificate. Names are further names
	// in the certificate.
	Addr  net.IP
	Names []string
	// Listen and ListenUDP open the sockets, in whatever namespace.
	Listen    func(address string) (net.Listener, error)
	ListenUDP func(address string) (*net.UDPConn, error)
}

// Server runs all services until Close. Safe for concurrent use.
type Server struct {
	certPEM []byte
	wg      sync.WaitGroup
	https   []*http.Server

	mu      sync.Mutex // guards the fields below
	closers map[interface{ Close() error }]struct{}
	closed  bool
	reports []string
}

// Start opens every port and serves.
func Start(cfg Config) (*Server, error) {
	s := &Server{closers: make(map[interface{ Close() error }]struct{})}
	cert, certPEM, err := selfSigned([]net.IP{cfg.Addr}, cfg.Names)
	if err != nil {
		return nil, err
	}
	s.certPEM = certPEM
	if err := s.open(cfg, cert); err != nil {
		s.Close()
		return nil, fmt.Errorf("origin: %w", err)
	}
	return s, nil
}

// open starts every service; what it opened before an error is closed by Close.
func (s *Server) open(cfg Config, cert tls.Certificate) error {
	streams := map[int]func(*net.TCPConn) error{
		PortDrain: s.drain,
		PortLong:  s.long,
		PortEarly: s.early,
		PortStall: s.stall,
		PortWatch: s.watch,
		PortEcho:  s.echo,
	}
	for port, serve := range streams {
		ln, err := cfg.Listen(at(cfg.Addr, port))
		if err != nil {
			return err
		}
		s.own(ln)
		s.wg.Go(func() { s.accept(ln, serve) })
	}
	for _, port := range []int{PortHTTP, PortTLS} {
		ln, err := cfg.Listen(at(cfg.Addr, port))
		if err != nil {
			return err
		}
		if port == PortTLS {
			ln = tls.NewListener(ln, &tls.Config{
				Certificates: []tls.Certificate{cert},
				NextProtos:   []string{"http/1.1"},
			})
		}
		web := &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute}
		s.https = append(s.https, web)
		s.wg.Go(func() { _ = web.Serve(ln) })
	}
	udp, err := cfg.ListenUDP(at(cfg.Addr, PortEcho))
	if err != nil {
		return err
	}
	s.own(udp)
	s.wg.Go(func() { echoDatagrams(udp) })
	return s.openHTTP3(cfg, cert)
}

// openHTTP3 serves HTTP/3 at PortTLS.
func (s *Server) openHTTP3(cfg Config, cert tls.Certificate) error {
	udp, err := cfg.ListenUDP(at(cfg.Addr, PortTLS))
	if err != nil {
		return err
	}
	s.own(udp)
	web, err := listenHTTP3(udp, cert, s.handler())
	if err != nil {
		return err
	}
	s.own(web)
	s.wg.Go(func() { _ = web.serve() })
	return nil
}

func at(addr net.IP, port int) string { return fmt.Sprintf("%v:%d", addr, port) }

// accept serves each connection on a goroutine of its own.
func (s *Server) accept(ln net.Listener, serve func(*net.TCPConn) error) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client had given up already
		}
		conn := c.(*net.TCPConn)
		if !s.own(conn) {
			return
		}
		s.wg.Go(func() {
			defer s.release(conn)
			_ = serve(conn) // the client sees what happened
		})
	}
}

// own has Close close c. It reports false, and closes c, when that has happened already.
func (s *Server) own(c interface{ Close() error }) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.closers[c] = struct{}{}
	return true
}

// release closes c before its time.
func (s *Server) release(c interface{ Close() error }) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.closers, c)
	_ = c.Close()
}

// report adds a line to Reports.
func (s *Server) report(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, fmt.Sprintf(format, args...))
}

// Reports returns a line for each connection that PortEarly and PortWatch saw the end of.
func (s *Server) Reports() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.reports, "\n") + "\n"
}

// Close ends every service and connection and returns when no goroutine is left.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.closers {
		_ = c.Close()
	}
	s.mu.Unlock()
	for _, web := range s.https {
		_ = web.Close()
	}
	s.wg.Wait()
}
