package daemon

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

// fakeGateway records what it is told. Its channels let a test wait for it.
type fakeGateway struct {
	startErr  error
	reloadErr error
	reloaded  chan *config.Config // every configuration that Reload took
	drain     chan struct{}       // Drain returns when it is closed, or its context ends
	draining  chan struct{}       // closed by Drain
	closed    chan struct{}       // closed by Close
}

func newFakeGateway() *fakeGateway {
	return &fakeGateway{
		reloaded: make(chan *config.Config, 16),
		drain:    make(chan struct{}),
		draining: make(chan struct{}),
		closed:   make(chan struct{}),
	}
}

func (g *fakeGateway) Start(context.Context) error { return g.startErr }

func (g *fakeGateway) Reload(c *config.Config) error {
	if g.reloadErr != nil {
		return g.reloadErr
	}
	g.reloaded <- c
	return nil
}

func (g *fakeGateway) Status() any { return "fine" }
func (g *fakeGateway) Ready() bool { return true }

func (g *fakeGateway) Drain(ctx context.Context) error {
	close(g.draining)
	select {
	case <-g.drain:
		return nil
	case <-ctx.Done():
		return errors.New("3 TCP flows are still open")
	}
}

func (g *fakeGateway) Close(context.Context) error {
	close(g.closed)
	return nil
}

// logBuffer is a log that one goroutine writes and another reads.
type logBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// process is one Run under test.
type process struct {
	t       *testing.T
	dir     string
	path    string
	gateway *fakeGateway
	log     *logBuffer
	signals chan os.Signal
	done    chan error
	opts    Options
}

// newProcess prepares a state directory and everything for a Run of it.
func newProcess(t *testing.T) *process {
	t.Helper()
	dir := t.TempDir()
	if _, err := config.NewState(dir, config.StateOptions{Endpoint: "192.0.2.1:51820"}); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour) // what the test does next has another time, however coarse the system's are
	if err := os.Chtimes(filepath.Join(dir, "peers.d"), old, old); err != nil {
		t.Fatal(err)
	}
	p := &process{
		t: t, dir: dir, path: filepath.Join(dir, "vpngw.toml"),
		gateway: newFakeGateway(), log: new(logBuffer),
		signals: make(chan os.Signal, 2), done: make(chan error, 1),
	}
	p.opts = Options{
		ConfigPath: p.path,
		Stderr:     p.log,
		Signals:    p.signals,
		New:        func(*config.Config, *slog.Logger) (Gateway, error) { return p.gateway, nil },
	}
	return p
}

// start runs it and returns when peers could connect.
func (p *process) start() {
	p.t.Helper()
	ready := make(chan struct{})
	p.opts.Ready = func(*config.Config) { close(ready) }
	go func() { p.done <- Run(p.t.Context(), p.opts) }()
	select {
	case <-ready:
	case err := <-p.done:
		p.t.Fatalf("Run ended before it was ready: %v\n%s", err, p.log)
	}
}

// finish ends it with a signal; it must end in order.
func (p *process) finish() {
	p.t.Helper()
	close(p.gateway.drain)
	p.signals <- syscall.SIGTERM
	if err := <-p.done; err != nil {
		p.t.Errorf("Run: %v\n%s", err, p.log)
	}
}

// client is one that talks to the running process.
func (p *process) client() *admin.Client { return admin.NewClient(filepath.Join(p.dir, "vpngw.sock")) }

// write replaces a file as editors do.
func (p *process) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path+"~", []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		p.t.Fatal(err)
	}
}

// read returns a file's content.
func (p *process) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// edit replaces old by new in the configuration.
func (p *process) edit(old, new string) {
	p.t.Helper()
	text := p.read("vpngw.toml")
	if !strings.Contains(text, old) {
		p.t.Fatalf("no %q in\n%s", old, text)
	}
	p.write("vpngw.toml", strings.Replace(text, old, new, 1))
}

// addPeer writes a peer file, as "peer add" does.
func (p *process) addPeer(name string) {
	p.t.Helper()
	c, err := config.Load(p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	peer, err := config.NewPeer(c, name, config.PeerOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := config.WritePeer(c.Interface.PeersDir, peer); err != nil {
		p.t.Fatal(err)
	}
}

// wantLog fails unless the log has all of the words.
func (p *process) wantLog(why string, words ...string) {
	p.t.Helper()
	for _, w := range words {
		if !strings.Contains(p.log.String(), w) {
			p.t.Errorf("%s: no %q in the log\n%s", why, w, p.log)
		}
	}
}
