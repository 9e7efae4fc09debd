package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// where returns the configuration that "check" finds valid.
func (b *bench) where(args ...string) string {
	b.t.Helper()
	path, _, _ := strings.Cut(b.ok(append([]string{"check"}, args...)...), ":")
	return path
}

func TestConfigurationIsFoundInOrder(t *testing.T) {
	b := newBench(t)
	b.refused(exitUsage, []string{"no configuration found", "vpngw up"}, "check")

	b.fixture()
	base := t.TempDir()
	source := filepath.Join(base, "source")
	at := func(dir string) string {
		t.Helper()
		from := source
		if dir == source {
			from = "."
		}
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, configName)
	}
	at(source)
	inFlag, inEnv, inState := at(filepath.Join(base, "flag")), at(filepath.Join(base, "env")), at(filepath.Join(base, "state"))
	inDefault := at(stateDefault)

	if got := b.where(); got != configName {
		t.Errorf("./vpngw.toml and a state directory: %s", got)
	}
	if err := os.Remove(configName); err != nil {
		t.Fatal(err)
	}
	if got := b.where(); got != inDefault {
		t.Errorf("a state directory: %s", got)
	}
	b.env["VPNGW_STATE"] = filepath.Dir(inState)
	if got := b.where(); got != inState {
		t.Errorf("$VPNGW_STATE: %s", got)
	}
	b.env["VPNGW_CONFIG"] = inEnv
	if got := b.where(); got != inEnv {
		t.Errorf("$VPNGW_CONFIG: %s", got)
	}
	if got := b.where("--state", filepath.Dir(inState)); got != inState {
		t.Errorf("--state over $VPNGW_CONFIG: %s", got)
	}
	if got := b.where("--state", filepath.Dir(inState), "-c", inFlag); got != inFlag {
		t.Errorf("-c over all: %s", got)
	}
}

func TestMissingNamedConfigurationIsStatus2(t *testing.T) {
	b := newBench(t)
	for _, verb := range []string{"check", "run", "status", "health"} {
		b.refused(exitUsage, []string{"missing.toml"}, verb, "-c", "missing.toml")
	}
}

func TestSocketOfAConfiguration(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct{ text, want string }{
		{"", "d/vpngw.sock"},
		{"[admin]\nsocket = \"run/x.sock\"", "d/run/x.sock"},
		{"[admin]\nsocket = \"/run/x.sock\"", "/run/x.sock"},
		{"[interface]\nmtu = \"wrong\"\n[admin]\nsocket = \"x\"", "d/x"}, // invalid, but not here
		{"[admin\nsocket = \"x\"", "d/vpngw.sock"},                       // being edited
	} {
		b.write("d/vpngw.toml", tt.text)
		if got, err := socketOf("d/vpngw.toml"); err != nil || got != tt.want {
			t.Errorf("%q: %q, %v; want %q", tt.text, got, err, tt.want)
		}
	}
	b.write("d/vpngw.toml", "[admin]\nsocket = \"\"")
	b.refused(exitFailed, []string{"admin.socket is empty"}, "status", "-c", "d/vpngw.toml")
}

func TestEnvironmentGoesBeforeTheFileAndAfterFlags(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.env["VPNGW_ENDPOINT"] = "env.example:1"
	if got := b.ok("peer", "show", "phone"); !strings.Contains(got, "Endpoint = env.example:1\n") {
		t.Errorf("environment over file:\n%s", got)
	}
	if got := b.ok("peer", "show", "phone", "--endpoint", "flag.example:2"); !strings.Contains(got, "Endpoint = flag.example:2\n") {
		t.Errorf("flag over environment:\n%s", got)
	}
	b.env = map[string]string{"VPNGW_LISTEN_PORT": "many"}
	b.refused(exitUsage, []string{"$VPNGW_LISTEN_PORT"}, "run")
}
