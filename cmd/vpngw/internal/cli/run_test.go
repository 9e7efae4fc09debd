package cli

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestRunTakesFlagsOverTheFile(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run", "--listen-port", "0", "--log-level", "debug", "--log-format", "json", "--socket", "other.sock")
	r.signals <- syscall.SIGHUP
	if o := b.run("health", "--socket", "other.sock"); o.status != exitDone {
		t.Errorf("health: %+v", o)
	}
	r.stop()
	if r.cfg.Interface.ListenPort != 0 || r.cfg.Log.Format != "json" || r.cfg.Admin.Socket != "other.sock" {
		t.Errorf("%+v %+v %+v", r.cfg.Interface.ListenPort, r.cfg.Log, r.cfg.Admin)
	}
	if r.cfg.Log.Level != slog.LevelDebug || !strings.HasPrefix(r.stderr.String(), `{"time":`) {
		t.Errorf("not JSON at level debug: %v\n%s", r.cfg.Log.Level, r.stderr)
	}
	if r.stdout.String() != "" {
		t.Errorf("standard output: %s", r.stdout)
	}
}

func TestSecondGatewayIsRefused(t *testing.T) {
	b := newBench(t)
	b.fixture()
	r := b.start("run")
	b.refused(exitFailed, []string{"already running", "--socket"}, "run")
	r.stop()
}

// TestTakenPortIsOneSentence runs the real gateway, which finds the port taken.
func TestTakenPortIsOneSentence(t *testing.T) {
	b := newBench(t)
	b.fixture()
	taken, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := fmt.Sprint(taken.LocalAddr().(*net.UDPAddr).Port)
	var stdout, stderr syncBuffer
	a := b.app(&stdout, &stderr)
	a.newGateway = newGateway
	status := a.run(t.Context(), []string{"run", "--listen-port", port, "--log-level", "error"})
	said := stderr.String()
	if status != exitFailed || strings.Count(said, "\n") != 1 || strings.Count(said, port) != 1 ||
		!strings.Contains(said, "UDP port "+port+" is already in use") || !strings.Contains(said, "listen_port") {
		t.Errorf("status %d, it says:\n%s", status, said)
	}
}
