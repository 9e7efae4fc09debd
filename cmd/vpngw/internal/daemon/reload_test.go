package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vpngw/cmd/vpngw/internal/admin"
	"vpngw/config"
)

func hasPeer(c *config.Config, name string) bool {
	return slices.ContainsFunc(c.Peers, func(p config.Peer) bool { return p.Name == name })
}

func TestSIGHUPReloads(t *testing.T) {
	p := newProcess(t)
	p.start()
	p.addPeer("late")
	p.signals <- syscall.SIGHUP
	if c := <-p.gateway.reloaded; !hasPeer(c, "late") {
		t.Error("the new peer did not reach the gateway")
	}
	p.finish()
}

func TestCommandReloadIsDoneWhenItIsAnswered(t *testing.T) {
	p := newProcess(t)
	p.start()
	p.addPeer("late")
	if _, err := p.client().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	select { // the watch may have been faster than the command, but not the answer than the gateway
	case c := <-p.gateway.reloaded:
		if !hasPeer(c, "late") {
			t.Error("the new peer is missing")
		}
	default:
		t.Error("the answer came before the peer")
	}
	p.finish()
}

// loaded returns a daemon that runs p's gateway and whose loop does not: a test calls reload alone.
func (p *process) loaded() *daemon {
	p.t.Helper()
	d := &daemon{opts: p.opts, gateway: p.gateway}
	cfg, err := d.load()
	if err != nil {
		p.t.Fatal(err)
	}
	d.started, d.cfg = cfg, cfg
	d.log = newLogger(p.log, cfg.Log, &d.level)
	d.watch = newWatcher(d.log)
	p.t.Cleanup(d.watch.close)
	return d
}

func TestReloadAnswersWhatChanged(t *testing.T) {
	p := newProcess(t)
	d := p.loaded()
	p.addPeer("late")
	p.edit("mtu              = 1420", "mtu              = 1380")
	p.edit("[admin]", "[forward]\ndial_timeout = \"3s\"\n[admin]")
	done, err := d.reload("test")
	if err != nil || !slices.Equal(done.Applied, []string{"peer late added", "forward.dial_timeout changed"}) ||
		!slices.Equal(done.Restart, []string{"interface.mtu"}) {
		t.Errorf("%+v, %v", done, err)
	}
	done, err = d.reload("test")
	if err != nil || len(done.Applied) != 0 || !slices.Equal(done.Restart, []string{"interface.mtu"}) {
		t.Errorf("nothing changed, and the restart is still to come: %+v, %v", done, err)
	}
	p.edit("mtu              = 1380", "mtu              = 1420")
	done, err = d.reload("test")
	if err != nil || len(done.Applied)+len(done.Restart) != 0 {
		t.Errorf("as at the start: %+v, %v", done, err)
	}
}

func TestWhatAReloadSays(t *testing.T) {
	p := newProcess(t)
	if err := os.Chmod(filepath.Join(p.dir, "private.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	d := p.loaded()
	said := func(why string) string {
		before := len(p.log.String())
		_, _ = d.reload(why)
		return p.log.String()[before:]
	}
	if s := said(whyFiles); s != "" {
		t.Errorf("nothing has changed, and the warning has been logged at the start:\n%s", s)
	}
	if s := said("signal"); !strings.Contains(s, "valid and unchanged") {
		t.Errorf("whoever sends SIGHUP learns nothing:\n%s", s)
	}
	good := p.read("vpngw.toml")
	p.write("peers.d/bad.toml", "")
	p.edit("mtu", "mut")
	if s := said(whyFiles); !strings.Contains(s, "the old one stays") || strings.Contains(s, "line=0") || strings.Contains(s, `key=""`) {
		t.Errorf("a bad configuration:\n%s", s)
	}
	p.write("vpngw.toml", good+"# mended\n")
	if err := os.Remove(filepath.Join(p.dir, "peers.d", "bad.toml")); err != nil {
		t.Fatal(err)
	}
	if s := said(whyFiles); !strings.Contains(s, "valid and unchanged") {
		t.Errorf("nothing says that the configuration is good again:\n%s", s)
	}
	p.edit("[admin]", "[stack]\ncongestion_control = \"bbr\"\n[admin]")
	if s := said(whyFiles); strings.Contains(s, "applied=") || !strings.Contains(s, "restart_needed=stack.congestion_control") {
		t.Errorf("what only a restart brings:\n%s", s)
	}
}

func TestBadConfigurationIsRefusedWithAllItsProblems(t *testing.T) {
	p := newProcess(t)
	p.start()
	good := p.read("vpngw.toml")
	p.write("vpngw.toml", strings.NewReplacer("mtu ", "mut ", "= 51820", "= 99999").Replace(good))
	_, err := p.client().Reload(t.Context())
	var refused *admin.Error
	if !errors.As(err, &refused) || len(refused.Problems) != 2 {
		t.Fatalf("Reload: %#v, want two problems", err)
	}
	for _, key := range []string{"mut", "listen_port"} {
		if !strings.Contains(strings.Join(refused.Problems, "\n"), key) {
			t.Errorf("%s is not among the problems: %q", key, refused.Problems)
		}
	}
	p.wantLog("every problem, with its place", "line=", "mut", "interface.listen_port", "the old one stays")

	p.write("vpngw.toml", good)
	p.addPeer("after")
	if _, err := p.client().Reload(t.Context()); err != nil {
		t.Errorf("after it was mended: %v", err)
	}
	if c := <-p.gateway.reloaded; !hasPeer(c, "after") {
		t.Error("the first configuration that reached the gateway is not the mended one")
	}
	p.finish()
}

func TestMissingConfigurationIsRefused(t *testing.T) {
	p := newProcess(t)
	p.start()
	if err := os.Remove(p.path); err != nil {
		t.Fatal(err)
	}
	if _, err := p.client().Reload(t.Context()); err == nil {
		t.Error("a configuration that is gone was taken")
	}
	if err := p.client().Ready(t.Context()); err != nil {
		t.Errorf("the gateway did not go on: %v", err)
	}
	p.finish()
}

func TestGatewayThatRefusesKeepsTheOldConfiguration(t *testing.T) {
	p := newProcess(t)
	p.gateway.reloadErr = errors.New("UDP port 1 is taken")
	p.start()
	p.addPeer("late")
	for range 2 { // the second time it must still count as a change
		_, err := p.client().Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), "UDP port 1 is taken") {
			t.Errorf("Reload: %v", err)
		}
	}
	p.finish()
}

func TestLogLevelChangesWhileRunning(t *testing.T) {
	p := newProcess(t)
	p.start()
	p.edit("[admin]", "[log]\nlevel = \"error\"\n[admin]")
	if _, err := p.client().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := p.log.String()
	p.addPeer("late")
	if _, err := p.client().Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.finish()
	if after := strings.TrimPrefix(p.log.String(), before); strings.Contains(after, "level=INFO") {
		t.Errorf("logged at info after the level was raised:\n%s", after)
	}
}

func TestNoReloadOnceTheEndHasBegun(t *testing.T) {
	p := newProcess(t)
	p.opts.DrainTimeout = DrainTimeoutDefault
	p.start()
	p.signals <- syscall.SIGTERM
	<-p.gateway.draining
	_, err := p.client().Reload(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ending") {
		t.Errorf("Reload while draining: %v", err)
	}
	if err := p.client().Ready(t.Context()); err == nil {
		t.Error("ready while draining")
	}
	close(p.gateway.drain)
	if err := <-p.done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A ConfigMap volume: vpngw.toml and peers.d are links through "..data", which is swapped.
func TestConfigMapSwapIsFollowed(t *testing.T) {
	p := newProcess(t)
	volume := t.TempDir()
	version := func(name string) {
		t.Helper()
		to := filepath.Join(volume, name)
		if err := os.CopyFS(to, os.DirFS(p.dir)); err != nil {
			t.Fatal(err)
		}
		tmp := filepath.Join(volume, "..data_tmp")
		if err := os.Symlink(name, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(volume, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..first")
	for _, name := range []string{"vpngw.toml", "private.key", "peers.d"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(volume, name)); err != nil {
			t.Fatal(err)
		}
	}
	p.opts.ConfigPath = filepath.Join(volume, "vpngw.toml")
	p.start()
	p.addPeer("from-the-map") // in the source, not in the volume yet
	version("..second")
	if c := <-p.gateway.reloaded; !hasPeer(c, "from-the-map") {
		t.Error("the swapped configuration is not the new one")
	}
	p.finish()
}
