package dns

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// webServer starts an HTTPS server for dns.example and returns a server that asks it.
func webServer(t *testing.T, http2 bool, f http.HandlerFunc) *server {
	t.Helper()
	secure, pool := certificate(t, "dns.example")
	web := httptest.NewUnstartedServer(f)
	web.TLS, web.EnableHTTP2 = secure, http2
	web.StartTLS()
	t.Cleanup(web.Close)
	s := newServer(config.Resolver{
		Kind: config.ResolverHTTPS, ServerName: "dns.example", Path: "/dns-query",
		Addr: netip.MustParseAddrPort(web.Listener.Addr().String()),
	}, dialHost, new(counters))
	s.web.Transport.(*http.Transport).TLSClientConfig.RootCAs = pool
	t.Cleanup(s.close)
	return s
}

func TestHTTPSUpstreams(t *testing.T) {
	for _, http2 := range []bool{true, false} {
		s := webServer(t, http2, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			q := new(miekg.Msg)
			if err := q.Unpack(b); err != nil || q.Id != 0 {
				t.Errorf("asked %v, %v", q, err)
			}
			if r.Method != "POST" || r.URL.Path != "/dns-query" || r.TLS.ServerName != "dns.example" || !strings.HasPrefix(r.Host, "dns.example:") ||
				r.Header.Get("Content-Type") != messageType || r.Header.Get("Accept") != messageType || r.UserAgent() != "" {
				t.Errorf("%s %s of %s, %v", r.Method, r.URL, r.Host, r.Header)
			}
			if http2 != (r.ProtoMajor == 2) {
				t.Errorf("over %s", r.Proto)
			}
			w.Header().Set("Content-Type", messageType)
			_, _ = w.Write(pack(t, reply(t, q, goodRecord)))
		})
		for range 3 {
			m, err := s.ask(t, "www.example.")
			wantGood(t, m, err)
		}
	}
}

// TestHTTPSIsNotBelieved: what no server of RFC 8484 answers, and a certificate of another.
func TestHTTPSIsNotBelieved(t *testing.T) {
	var asked atomic.Int64
	answer := func(r *http.Request, change func(*miekg.Msg)) []byte {
		asked.Add(1)
		b, _ := io.ReadAll(r.Body)
		q := new(miekg.Msg)
		if err := q.Unpack(b); err != nil {
			t.Error(err)
		}
		m := reply(t, q, goodRecord)
		change(m)
		return pack(t, m)
	}
	good := func(*miekg.Msg) {}
	for name, f := range map[string]http.HandlerFunc{
		"another type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(answer(r, good))
		},
		"an error": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", messageType)
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(answer(r, good))
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			if answer(r, good); r.URL.Path != "/dns-query" {
				t.Error("the resolver went elsewhere")
			}
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		},
		"another question": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", messageType)
			_, _ = w.Write(answer(r, func(m *miekg.Msg) { m.Question[0].Name = "www.example.net." }))
		},
		"another identifier": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", messageType)
			_, _ = w.Write(answer(r, func(m *miekg.Msg) { m.Id = 1 }))
		},
		"truncated": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", messageType)
			_, _ = w.Write(answer(r, func(m *miekg.Msg) { m.Truncated = true }))
		},
		"too long": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", messageType)
			_, _ = w.Write(append(answer(r, good), bytes.Repeat([]byte{0}, messageMax)...))
		},
	} {
		before := asked.Load()
		if m, err := webServer(t, true, f).ask(t, "www.example."); err == nil || asked.Load() != before+1 {
			t.Errorf("%s: %v, %d questions", name, m, asked.Load()-before)
		}
	}
	s := webServer(t, true, func(http.ResponseWriter, *http.Request) { t.Error("asked somebody else") })
	s.web.Transport.(*http.Transport).TLSClientConfig = &tls.Config{ServerName: "dns.example"}
	if m, err := s.ask(t, "www.example."); err == nil {
		t.Errorf("a certificate that nobody signed: %v", m)
	}
}

func TestWebURL(t *testing.T) {
	for want, r := range map[string]config.Resolver{
		"https://dns.example/dns-query": {ServerName: "dns.example", Addr: netip.MustParseAddrPort("192.0.2.1:443"), Path: "/dns-query"},
		"https://dns.example:8443/x/y":  {ServerName: "dns.example", Addr: netip.MustParseAddrPort("192.0.2.1:8443"), Path: "/x/y"},
		"https://192.0.2.1/dns-query":   {ServerName: "192.0.2.1", Addr: netip.MustParseAddrPort("192.0.2.1:443"), Path: "/dns-query"},
		"https://[2001:db8::1]/d":       {ServerName: "2001:db8::1", Addr: netip.MustParseAddrPort("[2001:db8::1]:443"), Path: "/d"},
		"https://[2001:db8::1]:444/d":   {ServerName: "2001:db8::1", Addr: netip.MustParseAddrPort("[2001:db8::1]:444"), Path: "/d"},
	} {
		if got := webURL(r); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
