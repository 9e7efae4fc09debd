//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vpngw/config"
)

// The life of a gateway, from nothing: the built command, run by an unprivileged user.
func TestUpFromNothing(t *testing.T) {
	h := newHost(t)
	p := h.start("up", "--listen-port", "0", "--endpoint", "vpn.example.com", "--log-level", "debug")
	p.waitFor("The gateway runs")

	cfg := h.config()
	port := cfg.Interface.ListenPort
	if _, err := net.ListenUDP("udp", &net.UDPAddr{Port: port}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("UDP port %d is not open: %v", port, err)
	}
	if out, errOut := h.run(0, "health"); out+errOut != "" {
		t.Errorf("health said %q, %q", out, errOut)
	}

	phone, said := h.run(0, "peer", "add", "phone")
	if !strings.HasPrefix(phone, "# vpngw peer phone\n[Interface]\n") || !strings.Contains(said, "has taken the change") {
		t.Errorf("peer add printed\n%s\nand said %s", phone, said)
	}
	h.wantPeers("peer1", "phone")
	h.run(0, "peer", "remove", "peer1")
	h.wantPeers("phone")

	_, said = h.run(1, "up")
	if !strings.Contains(said, "already running") {
		t.Errorf("a second gateway was told: %s", said)
	}

	p.signal(syscall.SIGTERM)
	p.wait(0)
	h.wantNoSecretIn(p.log(), cfg, h.config())
	if _, err := os.Stat(h.path("vpngw.sock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	h.run(1, "health")

	again := h.start("up")
	again.waitFor("runs with 1 peer")
	h.wantPeers("phone")
	again.signal(os.Interrupt)
	again.wait(0)
	if again.stdout.Len() != 0 {
		t.Errorf("a second run printed\n%s", &again.stdout)
	}
}

func TestReloadOfTheRunningProcess(t *testing.T) {
	h := newHost(t)
	p := h.start("up", "--listen-port", "0", "--log-level", "debug", "--log-format", "json")
	p.waitFor("The gateway runs")

	p.signal(syscall.SIGHUP)
	p.waitFor("configuration valid and unchanged", `"why":"signal"`)

	good := h.read("vpngw.toml")
	h.write("vpngw.toml", strings.Replace(good, "mtu ", "mut ", 1))
	p.waitFor(`"level":"ERROR"`, `"line":`, "mut")
	p.waitFor("the old one stays")
	h.run(0, "health")
	_, said := h.run(2, "check")
	if !strings.Contains(said, "vpngw.toml:") || !strings.Contains(said, "mut") {
		t.Errorf("check said %s", said)
	}

	h.write("vpngw.toml", strings.Replace(good, "[admin]", "[forward]\ndial_timeout = \"3s\"\n[admin]", 1))
	p.waitFor("configuration reloaded", "forward.dial_timeout")
	p.signal(syscall.SIGTERM)
	p.wait(0)
}

// TestPeerOfAnotherUser adds a peer as whoever runs the tests. If that is root, the gateway's user must be
// able to read what root has written, and to add the next peer.
func TestPeerOfAnotherUser(t *testing.T) {
	h := newHost(t)
	p := h.start("up", "--listen-port", "0")
	p.waitFor("The gateway runs")
	asSelf := h.command("peer", "add", "by-root")
	asSelf.SysProcAttr = nil
	if _, err := asSelf.Output(); err != nil {
		t.Errorf("peer add as another user: %v", err)
	}
	h.run(0, "peer", "add", "by-user")
	h.wantPeers("by-root", "by-user", "peer1")
	p.signal(syscall.SIGTERM)
	p.wait(0)
}

func TestKilledGatewayLeavesNothingInTheWay(t *testing.T) {
	h := newHost(t)
	p := h.start("up", "--listen-port", "0")
	p.waitFor("The gateway runs")
	p.signal(os.Kill)
	p.wait(-1)
	if _, err := os.Stat(h.path("vpngw.sock")); err != nil {
		t.Errorf("a killed process has removed its socket? %v", err)
	}
	_, said := h.run(1, "status")
	if !strings.Contains(said, "no gateway is running") {
		t.Errorf("status said %s", said)
	}
	again := h.start("up")
	again.waitFor("runs with 1 peer")
	again.signal(syscall.SIGTERM)
	again.wait(0)
}

func TestStartsThatFailSayOneSentence(t *testing.T) {
	h := newHost(t)
	taken, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := fmt.Sprint(taken.LocalAddr().(*net.UDPAddr).Port)
	h.wantSentence([]string{"up", "--listen-port", port}, port, "already in use")

	if err := os.Mkdir(filepath.Join(h.dir, "locked"), 0o500); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(filepath.Join(h.dir, "locked"), nobodyUID, nobodyUID); err != nil {
			t.Fatal(err)
		}
	}
	h.wantSentence([]string{"up", "--listen-port", "0", "--state", "locked/state"}, "cannot write the state directory", "--state")
	if err := os.WriteFile(filepath.Join(h.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.wantSentence([]string{"up", "--listen-port", "0", "--state", "file"}, "is no directory", "--state")

	p := h.start("up", "--listen-port", "0")
	p.waitFor("The gateway runs")
	p.signal(syscall.SIGTERM)
	p.wait(0)
	h.wantSentence([]string{"run", "--listen-port", port}, port, "already in use")
	if err := os.Chmod(h.path("private.key"), 0); err != nil {
		t.Fatal(err)
	}
	_, said := h.run(2, "run")
	if strings.Count(said, "\n") != 1 || !strings.Contains(said, "private") {
		t.Errorf("an unreadable key: %s", said)
	}
}

func TestConfigurationOfAnotherUserIsNotMissing(t *testing.T) {
	h := newHost(t)
	if err := os.Mkdir(filepath.Join(h.dir, "vpngw-state"), 0o000); err != nil {
		t.Fatal(err)
	}
	_, said := h.run(2, "peer", "list")
	if !strings.Contains(said, "not allowed to look at vpngw-state/vpngw.toml") || !strings.Contains(said, "as the gateway's user") {
		t.Errorf("it says %s", said)
	}
}

func TestVersionOfTheBuild(t *testing.T) {
	h := newHost(t)
	var v struct{ Version, Commit, Go, Platform string }
	out, _ := h.run(0, "version", "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Version != "v0.0.1-test" || v.Commit != "0123abcd" || v.Go == "" {
		t.Errorf("%s: %v", out, err)
	}
	h.run(2, "version", "--nonsense")
	h.run(2, "nonsense")
}

// path returns a path in the default state directory.
func (h *host) path(name string) string { return filepath.Join(h.dir, "vpngw-state", name) }

func (h *host) read(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// write changes a file of the state directory in place.
func (h *host) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) config() *config.Config {
	h.t.Helper()
	c, err := config.Load(h.path("vpngw.toml"))
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// wantPeers asks the running gateway for its peers.
func (h *host) wantPeers(want ...string) {
	h.t.Helper()
	out, _ := h.run(0, "status", "--json")
	var status struct{ Peers []struct{ Name string } }
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		h.t.Fatalf("%v in %s", err, out)
	}
	var got []string
	for _, p := range status.Peers {
		got = append(got, p.Name)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Errorf("the gateway has the peers %v, want %v", got, want)
	}
}

// wantSentence runs a command line that must fail with one line that has all of the words.
func (h *host) wantSentence(args []string, words ...string) {
	h.t.Helper()
	_, said := h.run(1, args...)
	lines := 0
	for line := range strings.Lines(said) {
		if !strings.HasPrefix(line, "time=") { // the log
			lines++
		}
	}
	if lines != 1 || !hasLine(said, words) {
		h.t.Errorf("vpngw %s said\n%s", strings.Join(args, " "), said)
	}
}

// wantNoSecretIn looks for the secrets of the configurations in a log.
func (h *host) wantNoSecretIn(log string, cfgs ...*config.Config) {
	h.t.Helper()
	for _, c := range cfgs {
		secrets := []string{c.Interface.PrivateKey.RevealBase64(), c.Interface.PrivateKey.RevealHex()}
		for _, p := range c.Peers {
			secrets = append(secrets, p.PrivateKey.RevealBase64(), p.PrivateKey.RevealHex(),
				p.PresharedKey.RevealBase64(), p.PresharedKey.RevealHex())
		}
		for _, s := range secrets {
			if strings.Contains(log, s) {
				h.t.Errorf("a secret is in the log:\n%s", log)
			}
		}
	}
}
