package cli

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"vpngw/config"
)

func TestCheckOfAValidConfiguration(t *testing.T) {
	b := newBench(t)
	b.fixture()
	if o := b.run("check"); o.status != exitDone || o.stdout != "vpngw.toml: valid, 2 peers\n" || o.stderr != "" {
		t.Errorf("%+v", o)
	}
	if got := b.ok("check", "--json"); strings.TrimSpace(got) != "[]" {
		t.Errorf("--json: %s", got)
	}
}

// broken writes a configuration with several problems, in two files.
func (b *bench) broken() {
	b.fixture()
	b.write("vpngw.toml", `[interface]
private_key_file = "private.key"
listen_prot = 51820
mtu = 70000

[[peer]]
name = "server"
public_key = "not a key"
allowed_ips = ["10.8.0.9/32"]
`)
	b.write("peers.d/phone.toml", `private_key = "`+phoneKey+`"
allowed_ips = ["10.8.0.9/32"]
groups = 7
`)
}

func TestCheckNamesEveryProblem(t *testing.T) {
	b := newBench(t)
	b.broken()
	o := b.run("check")
	if o.status != exitUsage || o.stdout != "" {
		t.Errorf("status %d, stdout %q", o.status, o.stdout)
	}
	for _, want := range []string{"vpngw.toml:3:", "vpngw.toml:4:", "vpngw.toml:8:", "phone.toml:3:"} {
		if !strings.Contains(o.stderr, want) {
			t.Errorf("no problem at %s in\n%s", want, o.stderr)
		}
	}
	if strings.Contains(o.stderr, phoneKey) {
		t.Error("a secret is in the output")
	}
}

func TestCheckJSON(t *testing.T) {
	b := newBench(t)
	b.broken()
	o := b.run("check", "--json")
	var problems []struct{ File, Key, Message string }
	if err := json.Unmarshal([]byte(o.stdout), &problems); err != nil {
		t.Fatalf("%v in %s", err, o.stdout)
	}
	if o.status != exitUsage || len(problems) < 4 || problems[0].File != "vpngw.toml" || o.stderr != "" {
		t.Errorf("status %d, stderr %q, problems %+v", o.status, o.stderr, problems)
	}
}

func TestWarningsDoNotFailTheCheck(t *testing.T) {
	b := newBench(t)
	b.fixture()
	if err := os.Chmod("private.key", 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load("vpngw.toml")
	if err != nil || len(c.Warnings) == 0 {
		t.Fatalf("a key that others can read is no warning: %v", err)
	}
	if o := b.run("check"); o.status != exitDone || !strings.Contains(o.stderr, "private.key") {
		t.Errorf("%+v", o)
	}
}

func TestRunRefusesAnInvalidConfiguration(t *testing.T) {
	b := newBench(t)
	b.broken()
	b.refused(exitUsage, []string{"vpngw.toml:3:", "phone.toml:3:"}, "run")
}
