package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

func TestRunServesUntilASignal(t *testing.T) {
	p := newProcess(t)
	p.start()
	var status string
	if err := p.client().Status(t.Context(), &status); err != nil || status != "fine" {
		t.Errorf("status %q, %v", status, err)
	}
	if err := p.client().Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	p.finish()
	if _, err := os.Stat(filepath.Join(p.dir, "vpngw.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	select {
	case <-p.gateway.closed:
	default:
		t.Error("the gateway was not closed")
	}
}

func TestInvalidConfigurationEndsRun(t *testing.T) {
	p := newProcess(t)
	p.edit("mtu ", "mut ")
	err := Run(t.Context(), p.opts)
	var problems config.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Errorf("Run: %v, want Problems", err)
	}
}

func TestTakenPortIsOneSentence(t *testing.T) {
	p := newProcess(t)
	p.gateway.startErr = fmt.Errorf("bind: %w", syscall.EADDRINUSE)
	err := Run(t.Context(), p.opts)
	if err == nil || !strings.Contains(err.Error(), "51820 is already in use") ||
		!strings.Contains(err.Error(), "--listen-port") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Run: %v", err)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "vpngw.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a start that failed left its socket: %v", err)
	}
}

func TestFailedStartLeavesNothing(t *testing.T) {
	p := newProcess(t)
	p.opts.New = func(*config.Config, *slog.Logger) (Gateway, error) { return nil, errors.New("no") }
	if err := Run(t.Context(), p.opts); err == nil || err.Error() != "no" {
		t.Errorf("Run: %v", err)
	}
	ln, err := admin.Listen(filepath.Join(p.dir, "vpngw.sock"))
	if err != nil {
		t.Fatalf("the socket is still taken: %v", err)
	}
	_ = ln.Close()
}

func TestSecondProcessIsRefused(t *testing.T) {
	p := newProcess(t)
	p.start()
	second := p.opts
	second.New = func(*config.Config, *slog.Logger) (Gateway, error) {
		t.Error("the second process made a gateway")
		return nil, errors.New("no")
	}
	if err := Run(t.Context(), second); !errors.Is(err, admin.ErrRunning) {
		t.Errorf("second Run: %v, want ErrRunning", err)
	}
	p.finish()
}

func TestProbesListener(t *testing.T) {
	p := newProcess(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a port that was free a moment ago
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	p.edit("[admin]", "[admin]\nlisten = \""+addr+"\"")
	p.start()
	resp, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/readyz: %s", resp.Status)
	}
	p.finish()
}

func TestFlagsOverrideEveryLoad(t *testing.T) {
	p := newProcess(t)
	p.opts.Override = func(c *config.Config) { c.Interface.ListenPort = 4242 }
	p.start()
	p.addPeer("late")
	p.signals <- syscall.SIGHUP
	if got := (<-p.gateway.reloaded).Interface.ListenPort; got != 4242 {
		t.Errorf("listen port after a reload: %d, want the flag's", got)
	}
	p.finish()
	p.wantLog("the first line", "listen_port=4242")
}

func TestWarningsAreLogged(t *testing.T) {
	p := newProcess(t)
	if err := os.Chmod(filepath.Join(p.dir, "private.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.start()
	p.finish()
	p.wantLog("a key that others can read", "level=WARN", "private.key")
}

func TestLogFormatAndLevel(t *testing.T) {
	p := newProcess(t)
	p.edit("[admin]", "[log]\nformat = \"json\"\nlevel = \"debug\"\n[admin]")
	p.start()
	p.finish()
	p.wantLog("JSON", `"msg":"gateway started"`)
}

func TestLogHoldsNoSecret(t *testing.T) {
	p := newProcess(t)
	p.edit("[admin]", "[log]\nlevel = \"debug\"\n[admin]")
	p.start()
	p.addPeer("second")
	p.signals <- syscall.SIGHUP
	c := <-p.gateway.reloaded
	p.finish()
	secrets := []string{c.Interface.PrivateKey.RevealBase64()}
	for _, peer := range c.Peers {
		secrets = append(secrets, peer.PrivateKey.RevealBase64(), peer.PresharedKey.RevealBase64())
	}
	if len(secrets) != 5 {
		t.Fatalf("%d secrets, want the gateway's and two of each of two peers", len(secrets))
	}
	for _, s := range secrets {
		if strings.Contains(p.log.String(), s) {
			t.Errorf("a secret is in the log:\n%s", p.log)
		}
	}
}
