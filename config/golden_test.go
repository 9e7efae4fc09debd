package config

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the .golden files of testdata")

// testKey is the private key that test files share (RFC 7748 §6.1, Alice's).
const testKey = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="

// testHost is this machine, but for what differs between checkouts: every file is private unless
// its name says "exposed" or "forbidden", and the environment is two variables.
func testHost() *host {
	h := osHost()
	h.modes = true
	h.readFile = func(path string, limit int64) (string, fs.FileMode, error) {
		if strings.Contains(path, "forbidden") {
			return "", 0, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
		}
		mode := fs.FileMode(0o600)
		if strings.Contains(path, "exposed") {
			mode = 0o644
		}
		text, _, err := readFileLimited(path, limit)
		return text, mode, err
	}
	h.lookupEnv = func(name string) (string, bool) {
		value, ok := map[string]string{"GOOD_KEY": testKey + "\n", "BAD_KEY": "hunter2"}[name]
		return value, ok
	}
	return h
}

// TestInvalidFiles compares what is said about each file of testdata/invalid with the .golden file
// beside it.
func TestInvalidFiles(t *testing.T) {
	for _, name := range testFiles(t, "testdata/invalid") {
		t.Run(name, func(t *testing.T) {
			_, err := load(name, testHost())
			var ps Problems
			if !errors.As(err, &ps) || !ps.HasErrors() {
				t.Fatalf("error %v, want Problems with an error among them", err)
			}
			if strings.Contains(ps.Error(), "hunter2") {
				t.Error("a message repeats a secret")
			}
			golden(t, name, ps.Error()+"\n")
		})
	}
}

// TestValidFiles compares the warnings and the meaning of each file of testdata/valid with the
// .golden file beside it.
func TestValidFiles(t *testing.T) {
	for _, name := range testFiles(t, "testdata/valid") {
		t.Run(name, func(t *testing.T) {
			c, err := load(name, testHost())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err != nil {
				t.Errorf("Validate: %v", err)
			}
			warnings := c.Warnings
			c.Warnings = nil
			text, err := json.MarshalIndent(c, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, warnings.Error()+"\n"+string(text)+"\n")
		})
	}
}

// testFiles changes to dir and returns the configurations in it.
func testFiles(t *testing.T, dir string) []string {
	t.Helper()
	t.Chdir(dir)
	names, err := filepath.Glob("*.toml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	return names
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := strings.TrimSuffix(name, ".toml") + ".golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(go test ./config -update rewrites it)", path, got, want)
	}
}
