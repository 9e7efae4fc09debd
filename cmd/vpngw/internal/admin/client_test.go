package admin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNobodyThereIsErrNotRunning(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	leaveSocket(t, stale)
	for _, path := range []string{filepath.Join(dir, "missing"), stale} {
		err := NewClient(path).Ready(t.Context())
		if !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ErrNotRunning with the path", path, err)
		}
	}
}

func TestForeignSocketIsErrPermission(t *testing.T) {
	c := NewClient("s")
	err := c.explain(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)})
	if !errors.Is(err, ErrPermission) {
		t.Errorf("%v, want ErrPermission", err)
	}
}

// serveRaw answers every request on a socket with h.
func serveRaw(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return NewClient(path)
}

func TestSilentGatewayTimesOut(t *testing.T) {
	c := serveRaw(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if err := c.Ready(ctx); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("%v, want a time-out in words", err)
	}
}

func TestForeignAnswersAreErrors(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"not JSON":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"error, no reason": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"hang-up":          func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			var v map[string]any
			if err := serveRaw(t, h).Status(t.Context(), &v); err == nil {
				t.Error("no error")
			}
		})
	}
}
