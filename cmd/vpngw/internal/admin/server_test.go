package admin

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeBackend answers as its fields say.
type fakeBackend struct {
	ready  error
	reload Reload
	refuse error
}

func (f *fakeBackend) backend() Backend {
	return Backend{
		Status: func() any { return map[string]int{"peers": 3} },
		Ready:  func() error { return f.ready },
		Reload: func(context.Context) (Reload, error) { return f.reload, f.refuse },
		Log:    slog.New(slog.DiscardHandler),
	}
}

// serve starts a server on a socket and returns a client of it.
func serve(t *testing.T, f *fakeBackend) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(f.backend())
	s.ServeSocket(ln)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return NewClient(path)
}

func TestClientReadsStatus(t *testing.T) {
	c := serve(t, &fakeBackend{})
	var got map[string]int
	if err := c.Status(t.Context(), &got); err != nil || got["peers"] != 3 {
		t.Errorf("Status = %v, %v", got, err)
	}
}

func TestReadyGivesTheReason(t *testing.T) {
	f := &fakeBackend{}
	c := serve(t, f)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	f.ready = errors.New("the port is gone")
	if err := c.Ready(t.Context()); err == nil || err.Error() != "the port is gone" {
		t.Errorf("not ready: %v", err)
	}
}

func TestReloadReportsWhatChanged(t *testing.T) {
	f := &fakeBackend{reload: Reload{Applied: []string{"peer a added"}, Restart: []string{"interface.mtu"}}}
	done, err := serve(t, f).Reload(t.Context())
	if err != nil || !slices.Equal(done.Applied, f.reload.Applied) || !slices.Equal(done.Restart, f.reload.Restart) {
		t.Errorf("Reload = %+v, %v", done, err)
	}
}

func TestRefusedReloadNamesEveryProblem(t *testing.T) {
	f := &fakeBackend{refuse: &Error{Message: "refused", Problems: []string{"one", "two"}}}
	_, err := serve(t, f).Reload(t.Context())
	var refused *Error
	if !errors.As(err, &refused) || refused.Message != "refused" || len(refused.Problems) != 2 {
		t.Errorf("Reload: %#v", err)
	}
}

func TestPlainReloadErrorsArrive(t *testing.T) {
	f := &fakeBackend{refuse: errors.New("the disk is on fire")}
	if _, err := serve(t, f).Reload(t.Context()); err == nil || err.Error() != "the disk is on fire" {
		t.Errorf("Reload: %v", err)
	}
}

func TestProbesOverTCPShowAndChangeNothing(t *testing.T) {
	s := NewServer((&fakeBackend{}).backend())
	ln, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ServeTCP(ln, "127.0.0.1")
	defer func() { _ = s.Close() }()
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/readyz": http.StatusOK,
		"/v1/status": http.StatusNotFound, "/v1/reload": http.StatusNotFound, "/": http.StatusNotFound,
	} {
		resp, err := http.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestNotReadyIs503(t *testing.T) {
	s := NewServer((&fakeBackend{ready: errors.New("no")}).backend())
	w := httptest.NewRecorder()
	s.probeHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), `"no"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestReloadNeedsPOST(t *testing.T) {
	s := NewServer((&fakeBackend{}).backend())
	w := httptest.NewRecorder()
	s.socketHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/reload", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET /v1/reload: %d", w.Code)
	}
}

func TestUnencodableStatusIsAnError(t *testing.T) {
	w := httptest.NewRecorder()
	answer(w, http.StatusOK, make(chan int))
	if w.Code != http.StatusInternalServerError {
		t.Errorf("code %d", w.Code)
	}
}

// A gateway that ends as soon as it has started must not be in the way of the next one.
func TestClosedServerLeavesTheSocketToTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for range 100 {
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer((&fakeBackend{}).backend())
		s.ServeSocket(ln)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestServeAfterCloseClosesTheListener(t *testing.T) {
	s := NewServer((&fakeBackend{}).backend())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ln, err := Listen(filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	s.ServeSocket(ln)
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want closed", err)
	}
}
