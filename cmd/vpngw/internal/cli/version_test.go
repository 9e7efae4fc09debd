package cli

import (
	"encoding/json"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionSources(t *testing.T) {
	built := &debug.BuildInfo{
		Main: debug.Module{Version: "v0.3.0"},
		Deps: []*debug.Module{{Path: "other", Version: "v9"}, {Path: wireguardModule, Version: "v0.0.1"}},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	v := readVersion("", "", built)
	if v.Version != "v0.3.0" || v.Commit != "abc" || !v.Modified || v.WireGuardGo != "v0.0.1" || v.CommitTime == "" {
		t.Errorf("%+v", v)
	}
	if v := readVersion("v1.0.0", "def", built); v.Version != "v1.0.0" || v.Commit != "def" {
		t.Errorf("the linker's word: %+v", v)
	}
	if v := readVersion("", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}); v.Version != "devel" || v.Commit != "unknown" {
		t.Errorf("a build without anything: %+v", v)
	}
	if v := readVersion("", "", nil); v.Version != "devel" || v.WireGuardGo != "unknown" {
		t.Errorf("no build information: %+v", v)
	}
}

func TestVersionVerb(t *testing.T) {
	b := newBench(t)
	if got := b.ok("version"); !strings.HasPrefix(got, "vpngw devel\ncommit ") || strings.Count(got, "\n") != 4 {
		t.Errorf("%s", got)
	}
	var v versionInfo
	if err := json.Unmarshal([]byte(b.ok("version", "--json")), &v); err != nil || v.Go == "" {
		t.Errorf("%+v, %v", v, err)
	}
}
