package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"vpngw/test/origin"
)

// serveHTTP3 runs the HTTP/3 server of the upstream until the round ends.
func (p *path) serveHTTP3() {
	conn, err := p.upstream.ListenUDP(net.JoinHostPort(upstreamAddr, http3Port))
	if err != nil {
		p.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- origin.ServeHTTP3(ctx, conn) }()
	p.b.Cleanup(func() {
		cancel()
		<-ended
		_ = conn.Close()
	})
}

// http3 moves content over one stream of one connection that is open already.
func http3(down bool) func(context.Context, *path, time.Duration) (figures, error) {
	return func(ctx context.Context, p *path, d time.Duration) (figures, error) {
		ctx, cancel := context.WithTimeout(ctx, d+slack)
		defer cancel()
		conn, err := p.client.ListenUDP(net.JoinHostPort(clientTunnel, "0"))
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		client := origin.NewHTTP3Client(conn)
		defer client.Close()
		server := net.JoinHostPort(upstreamAddr, http3Port)
		if _, err := client.Fetch(ctx, server, 1, 1<<20); err != nil { // and out of slow start
			return nil, err
		}
		before, began := p.cpu(), time.Now()
		move := putFor
		if down {
			move = getFor
		}
		n, err := move(ctx, client, server, d)
		f := figures{"Mbit/s": n * 8e-6 / time.Since(began).Seconds()}
		f.cost(p.cpu()-before, n)
		return f, err
	}
}

// getFor reads for that long and says how many bytes.
func getFor(ctx context.Context, c *origin.HTTP3Client, server string, d time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	url := fmt.Sprintf("https://%s/data?seed=1&size=%d", server, uint64(1)<<39)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if ctx.Err() == nil {
		return float64(n), fmt.Errorf("the download ended: %w", err)
	}
	return float64(n), nil
}

// putFor sends for that long and says how many bytes arrived.
func putFor(ctx context.Context, c *origin.HTTP3Client, server string, d time.Duration) (n float64, err error) {
	body := &timedReader{r: origin.Content(1, 1<<39), until: time.Now().Add(d)}
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "https://"+server+"/sum", body)
	if err != nil {
		return 0, err
	}
	response, err := c.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if _, err = fmt.Fscan(response.Body, &n); err == nil && n != body.n {
		err = errors.New("not all that was sent arrived")
	}
	return n, err
}

// A timedReader ends at a time, and counts bytes.
type timedReader struct {
	r     io.Reader
	until time.Time
	n     float64
}

func (r *timedReader) Read(p []byte) (int, error) {
	if time.Now().After(r.until) {
		return 0, io.EOF
	}
	n, err := r.r.Read(p)
	r.n += float64(n)
	return n, err
}
