package netns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// raceSwitch builds the command with the race detector: slower, and worth a run now and then.
const raceSwitch = "VPNGW_TEST_RACE"

// command is the built vpngw, readable for every user.
var command string

// TestMain builds the command once for all tests.
func TestMain(m *testing.M) {
	if os.Getenv(netnsSwitch) != "1" {
		os.Exit(m.Run()) // every test says that it was not run
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "vpngw-netns-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	command = filepath.Join(dir, "vpngw")
	args := []string{"build", "-o", command}
	if os.Getenv(raceSwitch) == "1" {
		args = append(args, "-race")
	}
	build := exec.Command("go", append(args, "vpngw/cmd/vpngw")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the command:", err)
		return 1
	}
	return m.Run()
}
