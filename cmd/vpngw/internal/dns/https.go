package dns

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// messageType is the media type of DNS messages (RFC 8484 §6).
const messageType = "application/dns-message"

// newWeb makes the client that asks r over HTTP/2, or HTTP/1.1, inside TLS. It connects to r's address
// and nowhere else: no proxy, no redirection, no name to be resolved.
func newWeb(r config.Resolver, dial DialFunc) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dial(ctx, "tcp", r.Addr)
			},
			TLSClientConfig:        &tls.Config{ServerName: r.ServerName, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:      true,
			DisableCompression:     true,
			MaxConnsPerHost:        webConnsMax,
			MaxIdleConnsPerHost:    streamsMax,
			IdleConnTimeout:        streamIdle,
			TLSHandshakeTimeout:    resolveTimeout,
			MaxResponseHeaderBytes: webHeaderMax,
		},
	}
}

// webURL is where r answers.
func webURL(r config.Resolver) string {
	host := r.ServerName
	if r.Addr.Port() != portHTTPS {
		host = net.JoinHostPort(host, strconv.Itoa(int(r.Addr.Port())))
	} else if r.Addr.Addr().Is6() && host == r.Addr.Addr().String() {
		host = "[" + host + "]"
	}
	return (&url.URL{Scheme: "https", Host: host, Path: r.Path}).String()
}

const portHTTPS = 443

// exchangeHTTPS asks by POST (RFC 8484 §4.1), which no cache on the way keeps.
func (s *server) exchangeHTTPS(ctx context.Context, q *miekg.Msg) (*miekg.Msg, error) {
	q.Id = 0 // "DNS clients SHOULD use a DNS ID of 0 in every DNS request" RFC 8484 §4.1
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, webURL(s.Resolver), bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", messageType)
	request.Header.Set("Accept", messageType)
	request.Header["User-Agent"] = nil // who asks is nobody's business: RFC 8484 §8.2
	response, err := s.web.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, messageMax+1))
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if response.StatusCode != http.StatusOK || media != messageType || len(body) > messageMax {
		return nil, fmt.Errorf("HTTP status %d, %q, %d bytes: no DNS message", response.StatusCode, media, len(body))
	}
	if m := match(q, body); m != nil && !m.Truncated {
		return m, nil
	}
	s.counters.ignored.Add(1)
	return nil, errMismatch
}
