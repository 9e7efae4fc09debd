package cli

import (
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
	if !strings.Contains(r.stderr.String(), `"level":"DEBUG"`) {
		t.Errorf("no debug line in JSON:\n%s", r.stderr)
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

func TestGatewayOnAnotherPortIsEnded(t *testing.T) {
	taken, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	port := taken.LocalAddr().(*net.UDPAddr).Port
	for _, tt := range []struct {
		name       string
		asked, got int
		word       string // of the error; "" for none
	}{
		{"any port", 0, 4242, ""},
		{"the port", 4242, 4242, ""},
		{"another, for it is taken", port, 4242, "already in use"},
	} {
		ended := false
		err := checkPort(tt.asked, tt.got, func() { ended = true })
		if (err == nil) != (tt.word == "") || ended != (err != nil) || err != nil && !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%s: %v, ended %v", tt.name, err, ended)
		}
	}
	_ = taken.Close()
	if err := checkPort(port, 4242, func() {}); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("another, though it is free now: %v", err)
	}
}
