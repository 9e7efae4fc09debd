package origin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait: far more than loopback needs.
const patience = 20 * time.Second

// site is a Server whose ports were replaced by free ones of loopback.
type site struct {
	*Server
	ports map[string]string // "udp 7007" and "7007" to the real address
}

func start(t *testing.T) *site {
	t.Helper()
	s := &site{ports: make(map[string]string)}
	key := func(address string) string { _, port, _ := net.SplitHostPort(address); return port }
	server, err := Start(Config{
		Addr: net.IPv4(127, 0, 0, 1),
		Listen: func(address string) (net.Listener, error) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			if err == nil {
				s.ports[key(address)] = ln.Addr().String()
			}
			return ln, err
		},
		ListenUDP: func(address string) (*net.UDPConn, error) {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err == nil {
				s.ports["udp "+key(address)] = c.LocalAddr().String()
			}
			return c, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	s.Server = server
	return s
}

func (s *site) dial(t *testing.T, port int) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp4", s.ports[fmt.Sprint(port)])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return c.(*net.TCPConn)
}

func (s *site) url(path string) string { return "http://" + s.ports["8080"] + path }

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, r.Status, err)
	}
	return string(b)
}

func TestContentFollowsFromTheSeed(t *testing.T) {
	const size = 100_000
	a, _ := DigestOf(Content(1, size))
	again, _ := DigestOf(Content(1, size))
	b, _ := DigestOf(Content(2, size))
	if a != again || a == b || a.Bytes != size {
		t.Errorf("digests %v, %v of seed 1 and %v of seed 2", a, again, b)
	}
}

func TestHTTPData(t *testing.T) {
	s := start(t)
	got, _ := DigestOf(strings.NewReader(get(t, http.DefaultClient, s.url("/data?size=300000&seed=5"))))
	want, _ := DigestOf(Content(5, 300_000))
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := get(t, http.DefaultClient, s.url("/small/17")); got != "small 17\n" {
		t.Errorf("small: %q", got)
	}
	r, err := http.Post(s.url("/sum"), "application/octet-stream", Content(6, 200_000))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	if want, _ := DigestOf(Content(6, 200_000)); strings.TrimSpace(string(b)) != want.String() {
		t.Errorf("sum: %q, want %q", b, want)
	}
}

func TestHTTPSWithTheServedCertificate(t *testing.T) {
	s := start(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(get(t, http.DefaultClient, s.url("/cert.pem")))) {
		t.Fatal("no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	if got := get(t, &http.Client{Transport: transport}, "https://"+s.ports["8443"]+"/small/1"); got != "small 1\n" {
		t.Errorf("over TLS: %q", got)
	}
}

func TestHTTPReset(t *testing.T) {
	s := start(t)
	r, err := http.Get(s.url("/reset"))
	if err == nil {
		defer r.Body.Close()
		_, err = io.Copy(io.Discard, r.Body)
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reading the body: %v, want ECONNRESET", err)
	}
}

func TestDrainAnswersAfterTheClientsEnd(t *testing.T) {
	c := start(t).dial(t, PortDrain)
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	got, err := io.ReadAll(c)
	want := "5 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n"
	if err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

func TestLongReplyAfterTheClientsEnd(t *testing.T) {
	c := start(t).dial(t, PortLong)
	if _, err := io.WriteString(c, "150000 9\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	got, err := DigestOf(c)
	if want, _ := DigestOf(Content(9, 150_000)); err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

func TestEarlyEndsFirst(t *testing.T) {
	s := start(t)
	c := s.dial(t, PortEarly)
	if got, err := io.ReadAll(c); err != nil || string(got) != "early\n" {
		t.Fatalf("%q, %v", got, err)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	s.wantReport(t, "early 5 2cf24dba5fb0")
}

func TestWatchTellsResetFromEnd(t *testing.T) {
	s := start(t)
	_ = s.dial(t, PortWatch).Close()
	s.wantReport(t, "watch eof")
	c := s.dial(t, PortWatch)
	_ = c.SetLinger(0)
	_ = c.Close()
	s.wantReport(t, "watch reset")
}

// wantReport waits for a report that starts with text.
func (s *site) wantReport(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.Reports(), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no report %q in %q", text, s.Reports())
		}
	}
}

func TestStallTakesNothingAndEndsWithTheServer(t *testing.T) {
	s := start(t)
	c := s.dial(t, PortStall)
	_ = c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	var sent int64
	var err error
	for err == nil {
		var n int
		n, err = c.Write(make([]byte, 1<<20))
		sent += int64(n)
	}
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("after %d bytes: %v, want a time-out", sent, err)
	}
	s.Close()
}

func TestEcho(t *testing.T) {
	s := start(t)
	c := s.dial(t, PortEcho)
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); err != nil || string(got) != "hello" {
		t.Errorf("TCP: %q, %v", got, err)
	}

	u, err := net.Dial("udp4", s.ports["udp 7007"])
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	_ = u.SetDeadline(time.Now().Add(patience))
	big := make([]byte, 60_000)
	if _, err := u.Write(big); err != nil {
		t.Fatal(err)
	}
	if n, err := u.Read(make([]byte, 65535)); err != nil || n != len(big) {
		t.Errorf("UDP: %d bytes, %v; want %d", n, err, len(big))
	}
}

func TestStartClosesWhatItOpened(t *testing.T) {
	var opened []net.Listener
	_, err := Start(Config{
		Addr: net.IPv4(127, 0, 0, 1),
		Listen: func(string) (net.Listener, error) {
			ln, err := net.Listen("tcp4", "127.0.0.1:0")
			opened = append(opened, ln)
			return ln, err
		},
		ListenUDP: func(string) (*net.UDPConn, error) { return nil, syscall.EADDRINUSE },
	})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("Start: %v, want EADDRINUSE", err)
	}
	for _, ln := range opened {
		if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v is still open: %v", ln.Addr(), err)
		}
	}
}
