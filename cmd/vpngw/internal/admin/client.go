package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
)

// Client asks a running gateway through its socket.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a Client for the socket at path. It does not connect yet.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{
		socket: path,
		http:   &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}},
	}
}

// Socket returns the path that the Client was made with.
func (c *Client) Socket() string { return c.socket }

// Status decodes the gateway's status into v.
func (c *Client) Status(ctx context.Context, v any) error {
	return c.do(ctx, http.MethodGet, "/v1/status", v)
}

// Ready returns nil when the gateway is ready, and otherwise its reason.
func (c *Client) Ready(ctx context.Context) error {
	return c.do(ctx, http.MethodGet, "/readyz", nil)
}

// Reload makes the gateway read its configuration again and waits until it has applied it. If the
// gateway refuses the new configuration the error is an *Error with the problems; it then goes on
// with the old one.
func (c *Client) Reload(ctx context.Context) (Reload, error) {
	var done Reload
	err := c.do(ctx, http.MethodPost, "/v1/reload", &done)
	return done, err
}

// do makes one request and decodes a 2xx answer into v, any other into an *Error.
func (c *Client) do(ctx context.Context, method, path string, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+socketName+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, responseMax))
	if err != nil {
		return c.explain(err)
	}
	if resp.StatusCode/100 != 2 {
		refused := new(Error)
		if json.Unmarshal(body, refused) != nil || refused.Message == "" {
			refused.Message = fmt.Sprintf("the gateway answered %s %s with %s", method, path, resp.Status)
		}
		return refused
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("the answer of %s is not understood (is it another version of vpngw?): %w", c.socket, err)
	}
	return nil
}

// explain turns what the transport says into what the user can act on.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: nothing answers on %s", ErrNotRunning, c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %s belongs to the user that runs it; run this command as that user", ErrPermission, c.socket)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the gateway did not answer on %s in time", c.socket)
	default:
		return fmt.Errorf("asking the gateway on %s: %w", c.socket, errorCause(err))
	}
}
