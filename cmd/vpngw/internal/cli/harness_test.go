package cli

import (
	"bytes"
	"context"
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vpngw/cmd/vpngw/internal/daemon"
	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/config"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// Keys of the fixture; they are used nowhere else.
const (
	gatewayKey    = "aFKvrlbNwTVRpWpxtWSQLsP8iOqiz+sPPZXmrYZ5bVo="
	gatewayPublic = "H7mGlVMvUN+1WhD+5XCThmgi2PM7VvIVcRfEiyzQrG0="
	phoneKey      = "6M3NQb1rBRpHXJpwwFp0FUJ2kxqGVZRAhkfBOcLT8Ww="
	phonePSK      = "cWqVbRTZJjsvqQTaQfYSRsTA0GHqk61TDNJ2XK6UOuM="
	serverPublic  = "7UxyvQDGRZ4Yn0y8mA6nVE4ToTd5hJ1OpXcbMMRaKB8="
)

// wallClock is the time of every golden output.
var wallClock = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// bench is a directory of its own with the command in it.
type bench struct {
	t   *testing.T
	env map[string]string
}

// newBench changes into an empty directory.
func newBench(t *testing.T) *bench {
	t.Helper()
	t.Chdir(t.TempDir())
	return &bench{t: t, env: map[string]string{}}
}

// fixture writes ./vpngw.toml with one peer in it and one in peers.d, all with fixed keys.
func (b *bench) fixture() {
	b.t.Helper()
	b.write("vpngw.toml", `[interface]
private_key_file = "private.key"
endpoint = "vpn.example.com:51820"

[[peer]]
name = "server"
public_key = "`+serverPublic+`"
allowed_ips = ["10.8.0.9/32", "192.168.7.0/24"]
groups = ["site", "staff"]
`)
	b.write("private.key", gatewayKey+"\n")
	b.write("peers.d/phone.toml", `private_key = "`+phoneKey+`"
preshared_key = "`+phonePSK+`"
allowed_ips = ["10.8.0.2/32"]
`)
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// output is what one invocation wrote, and its exit status.
type output struct {
	status         int
	stdout, stderr string
}

// app returns the command with fakes around it.
func (b *bench) app(stdout, stderr *syncBuffer) *app {
	env := maps.Clone(b.env)
	return &app{
		program: "vpngw",
		stdin:   strings.NewReader(""),
		stdout:  stdout,
		stderr:  stderr,
		getenv:  func(name string) string { return env[name] },
		now:     func() time.Time { return wallClock },
		signals: func() (<-chan os.Signal, func()) { return nil, func() {} },
		newGateway: func(*config.Config, *slog.Logger) (daemon.Gateway, error) {
			b.t.Error("this verb must not make a gateway")
			return nil, os.ErrInvalid
		},
	}
}

// run executes one command line to its end.
func (b *bench) run(args ...string) output {
	b.t.Helper()
	var stdout, stderr syncBuffer
	status := b.app(&stdout, &stderr).run(b.t.Context(), args)
	return output{status, stdout.String(), stderr.String()}
}

// ok executes a command line that must succeed, and returns its standard output.
func (b *bench) ok(args ...string) string {
	b.t.Helper()
	o := b.run(args...)
	if o.status != exitDone {
		b.t.Fatalf("vpngw %s: status %d\n%s", strings.Join(args, " "), o.status, o.stderr)
	}
	return o.stdout
}

// refused executes a command line that must fail with this status and these words.
func (b *bench) refused(status int, words []string, args ...string) {
	b.t.Helper()
	o := b.run(args...)
	if o.status != status {
		b.t.Errorf("vpngw %s: status %d, want %d\n%s", strings.Join(args, " "), o.status, status, o.stderr)
	}
	for _, w := range words {
		if !strings.Contains(o.stderr, w) {
			b.t.Errorf("vpngw %s: no %q in\n%s", strings.Join(args, " "), w, o.stderr)
		}
	}
}

// golden compares text with testdata/name, which lies in the package's directory.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(packageDir, "testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s differs (go test -update writes it anew).\ngot:\n%s\nwant:\n%s", name, text, want)
	}
}

// packageDir is where the tests started; newBench leaves it.
var packageDir = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir
}()

// syncBuffer may be read while a command writes into it.
type syncBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// fakeGateway is a gateway without traffic.
type fakeGateway struct {
	started chan *config.Config // receives the configuration at the start
	cfg     *config.Config
	reload  error
	ready   bool
	status  gateway.Status
}

func (g *fakeGateway) Start(context.Context) error {
	g.started <- g.cfg
	return nil
}
func (g *fakeGateway) Reload(*config.Config) error { return g.reload }
func (g *fakeGateway) Status() any                 { return g.status }
func (g *fakeGateway) Ready() bool                 { return g.ready }
func (g *fakeGateway) Drain(context.Context) error { return nil }
func (g *fakeGateway) Close(context.Context) error { return nil }

// running is a "vpngw up" or "vpngw run" under test.
type running struct {
	t              *testing.T
	gateway        *fakeGateway
	cfg            *config.Config
	stdout, stderr *syncBuffer
	signals        chan os.Signal
	status         chan int
}

// start executes a command line that runs a gateway, and returns when that has started.
func (b *bench) start(args ...string) *running {
	b.t.Helper()
	r := &running{
		t:       b.t,
		gateway: &fakeGateway{started: make(chan *config.Config, 1), ready: true},
		stdout:  new(syncBuffer), stderr: new(syncBuffer),
		signals: make(chan os.Signal, 2),
		status:  make(chan int, 1),
	}
	a := b.app(r.stdout, r.stderr)
	a.signals = func() (<-chan os.Signal, func()) { return r.signals, func() {} }
	a.newGateway = func(c *config.Config, _ *slog.Logger) (daemon.Gateway, error) {
		r.gateway.cfg = c
		return r.gateway, nil
	}
	go func() { r.status <- a.run(b.t.Context(), args) }()
	select {
	case r.cfg = <-r.gateway.started:
	case status := <-r.status:
		b.t.Fatalf("vpngw %s ended with status %d\n%s", strings.Join(args, " "), status, r.stderr)
	}
	return r
}

// stop ends it in order.
func (r *running) stop() {
	r.t.Helper()
	r.signals <- syscall.SIGTERM
	if status := <-r.status; status != exitDone {
		r.t.Errorf("status %d\n%s", status, r.stderr)
	}
}
