package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"vpngw/cmd/vpngw/internal/gateway"
	"vpngw/config"
)

// doctor runs the verb on a host where that was found, and returns the configuration that it looked at.
func (b *bench) doctor(found []gateway.HostCheck, args ...string) (output, *config.Config) {
	b.t.Helper()
	var (
		stdout, stderr syncBuffer
		cfg            *config.Config
	)
	a := b.app(&stdout, &stderr)
	a.checkHost = func(c *config.Config, _ bool) []gateway.HostCheck { cfg = c; return found }
	status := a.run(b.t.Context(), append([]string{"doctor"}, args...))
	return output{status, stdout.String(), stderr.String()}, cfg
}

var (
	wellHost    = gateway.HostCheck{Name: "open files", Has: "1048576"}
	limitedHost = gateway.HostCheck{Name: "UDP buffers", Has: "x", Finding: &gateway.Finding{Problem: "too small", Fix: "make them larger"}}
	deadHost    = gateway.HostCheck{Name: "UDP port 53", Has: "x", Finding: &gateway.Finding{Problem: "taken", Fix: "another one", Fatal: true}}
)

func TestDoctorTellsEachLimitWithItsFix(t *testing.T) {
	b := newBench(t)
	b.fixture()
	o, cfg := b.doctor([]gateway.HostCheck{wellHost, limitedHost})
	want := "ok       open files   1048576\n" +
		"limited  UDP buffers  too small\n" +
		"                      fix: make them larger\n"
	if o.status != exitDone || o.stdout != want || o.stderr != "" {
		t.Errorf("%+v, want\n%s", o, want)
	}
	if cfg == nil || cfg.Interface.Endpoint != "vpn.example.com:51820" {
		t.Error("it looked at another configuration")
	}
}

func TestDoctorFailsWhereTheGatewayCannotStart(t *testing.T) {
	b := newBench(t)
	b.fixture()
	o, _ := b.doctor([]gateway.HostCheck{wellHost, limitedHost, deadHost}, "--json")
	var got []struct{ Name, State, Detail, Fix string }
	if err := json.Unmarshal([]byte(o.stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, o.stdout)
	}
	if o.status != exitFailed || len(got) != 3 || got[0].State != "ok" || got[1].State != "limited" ||
		got[2].State != "fails" || got[2].Fix != "another one" || !strings.Contains(o.stderr, "cannot start") {
		t.Errorf("%+v: %+v", o, got)
	}
}

func TestDoctorNeedsNoConfiguration(t *testing.T) {
	b := newBench(t)
	o, cfg := b.doctor([]gateway.HostCheck{wellHost})
	if o.status != exitDone || cfg == nil || cfg.Interface.ListenPort != 51820 || !strings.Contains(o.stderr, "the defaults") {
		t.Errorf("%+v, configuration %+v", o, cfg)
	}
	if o, _ := b.doctor(nil, "-c", "missing.toml"); o.status != exitUsage || o.stdout != "" {
		t.Errorf("with a file that is not there: %+v", o)
	}
	b.broken()
	if o, _ := b.doctor(nil); o.status != exitUsage || !strings.Contains(o.stderr, "vpngw.toml:3:") {
		t.Errorf("with a broken one: %+v", o)
	}
}
