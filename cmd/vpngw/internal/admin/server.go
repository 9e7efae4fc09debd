package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/netutil"
)

// Backend is what a Server needs of the gateway. Every function may be called at any time, from
// any goroutine, until Server.Close has returned.
type Backend struct {
	// Status returns a snapshot that encoding/json can encode.
	Status func() any
	// Ready returns nil when peers can connect, or else why not.
	Ready func() error
	// Reload reads the configuration again. An *Error is passed on as it is.
	Reload func(context.Context) (Reload, error)
	// Log receives what goes wrong inside net/http, which is next to nothing.
	Log *slog.Logger
}

// Server serves a gateway's Backend on any number of listeners.
type Server struct {
	backend Backend

	mu      sync.Mutex // guards the fields below
	servers []*http.Server
	closed  bool

	serving sync.WaitGroup // a listener each, until it is closed
}

// NewServer returns a Server that listens on nothing yet.
func NewServer(b Backend) *Server {
	return &Server{backend: b}
}

// ServeSocket answers commands on ln, which Listen made, until Close. It does not block.
func (s *Server) ServeSocket(ln net.Listener) {
	s.serve(ln, socketHost(s.socketHandler()))
}

// ServeTCP answers probes on ln until Close. It does not block. host is the host part of
// [admin].listen, which requests may name.
func (s *Server) ServeTCP(ln net.Listener, host string) {
	s.serve(ln, tcpHost(host, s.probeHandler()))
}

func (s *Server) serve(ln net.Listener, h http.Handler) {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerMax,
		ErrorLog:          slog.NewLogLogger(s.backend.Log.Handler(), slog.LevelDebug),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = ln.Close()
		return
	}
	s.servers = append(s.servers, srv)
	s.serving.Go(func() {
		err := srv.Serve(netutil.LimitListener(ln, connsMax))
		if err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.backend.Log.Error("admin listener ended", "addr", ln.Addr().String(), "err", err)
		}
	})
}

// Close stops listening and ends open requests. When it returns, all listeners are closed, so
// that another process may have the socket. It is harmless to call it again.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	s.servers = nil
	s.serving.Wait() // Serve closes a listener of which srv.Close did not know yet
	return errors.Join(errs...)
}

// ListenTCP opens [admin].listen, a "host:port".
func ListenTCP(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for probes on admin.listen %s: %w", address, errorCause(err))
	}
	return ln, nil
}
