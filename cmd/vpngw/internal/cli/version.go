package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// wireguardModule is the module whose version is part of ours.
const wireguardModule = "golang.zx2c4.com/wireguard"

// versionInfo says what a binary was made from.
type versionInfo struct {
	Version     string `json:"version"`
	Commit      string `json:"commit"` // "unknown" if the build knew no repository and was told none
	CommitTime  string `json:"commit_time,omitempty"`
	Modified    bool   `json:"modified,omitempty"` // the work tree had changes
	Go          string `json:"go"`
	WireGuardGo string `json:"wireguard_go"`
	Platform    string `json:"platform"`
}

// readVersion combines what the linker was told with what the build recorded.
func readVersion(linked, revision string, info *debug.BuildInfo) versionInfo {
	v := versionInfo{
		Version:     linked,
		Commit:      cmp.Or(revision, "unknown"),
		Go:          runtime.Version(),
		WireGuardGo: "unknown",
		Platform:    runtime.GOOS + "/" + runtime.GOARCH,
	}
	if info == nil {
		v.Version = cmp.Or(linked, "devel")
		return v
	}
	if main := info.Main.Version; main != "(devel)" {
		v.Version = cmp.Or(linked, main)
	}
	v.Version = cmp.Or(v.Version, "devel")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = cmp.Or(revision, s.Value)
		case "vcs.time":
			v.CommitTime = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Path == wireguardModule {
			v.WireGuardGo = m.Version
		}
	}
	return v
}

func (a *app) buildVersion() versionInfo {
	info, _ := debug.ReadBuildInfo()
	return readVersion(a.version, a.revision, info)
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of vpngw, Go and wireguard-go",
		Long: `Print what this binary was made from: its version and commit, and the versions
of Go and of wireguard-go. No running gateway is touched.`,
		Example: `  vpngw version --json`,
		Args:    noArgs,
		RunE: a.verb(func(*cobra.Command, []string) error {
			v := a.buildVersion()
			if asJSON {
				return a.printJSON(v)
			}
			modified := ""
			if v.Modified {
				modified = " (modified)"
			}
			_, err := fmt.Fprintf(a.stdout, "vpngw %s\ncommit %s%s\n%s %s\nwireguard-go %s\n",
				v.Version, v.Commit, modified, v.Go, v.Platform, v.WireGuardGo)
			return err
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printJSON writes v to standard output, indented.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
