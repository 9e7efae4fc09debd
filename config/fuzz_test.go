package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fuzzHost is a machine with two files, the configuration and one peer's, and a key wherever else
// one looks.
func fuzzHost(main, peer string) *host {
	return &host{
		readFile: func(path string, _ int64) (string, fs.FileMode, error) {
			switch {
			case path == "vpngw.toml":
				return main, 0o644, nil
			case filepath.Base(path) == "peer.toml":
				return peer, 0o600, nil
			}
			return testKey, 0o640, nil
		},
		readDir:   func(string) ([]fs.DirEntry, error) { return []fs.DirEntry{fuzzEntry{}}, nil },
		isFile:    func(string) (bool, error) { return true, nil },
		lookupEnv: func(name string) (string, bool) { return testKey, name != "" },
		modes:     true,
	}
}

// fuzzEntry is the directory entry of the one peer file. Only its name is asked for.
type fuzzEntry struct{ fs.DirEntry }

func (fuzzEntry) Name() string { return "peer.toml" }
func (fuzzEntry) IsDir() bool  { return false }

// FuzzLoad loads any two files. Whatever they hold, there is no panic; an error says where; and a
// configuration that is accepted can be used in every way.
func FuzzLoad(f *testing.F) {
	for _, dir := range []string{"testdata/valid", "testdata/invalid"} {
		files, err := filepath.Glob(dir + "/*.toml")
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range append(files, "../conf.example.toml") {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text), laptopFile)
		}
	}
	f.Add("", "name = \"x\"\nprivate_key = \"$K\"\nallowed_ips = [\"10.8.0.0/25\"]\ngroups = [\"a\"]\n")
	f.Add("interface.private_key = \"$K\"\npeer = [{name = \"a\"}, {}]\n", "")
	f.Fuzz(func(t *testing.T, main, peer string) {
		c, err := load("vpngw.toml", fuzzHost(main, peer))
		if err != nil {
			failedWell(t, main, peer, err)
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("loaded, but not valid: %v", err)
		}
		if ch := Diff(c, c); !ch.Empty() {
			t.Errorf("differs from itself: %+v", ch)
		}
		added, err := NewPeer(c, "fuzz-new", PeerOptions{Random: bytes.NewReader(bytes.Repeat([]byte{7}, 64))})
		if err == nil {
			writtenWell(t, added)
		}
		for i := range c.Peers {
			_, _ = ClientConfig(c, &c.Peers[i])
			writtenWell(t, &c.Peers[i])
		}
		text := renderState(c)
		if _, problems := parseDocument("state", text, 0); len(problems) > 0 {
			t.Errorf("%v in\n%s", problems, text)
		}
	})
}

// failedWell holds an error to its promises.
func failedWell(t *testing.T, main, peer string, err error) {
	t.Helper()
	var ps Problems
	if !errors.As(err, &ps) || !ps.HasErrors() {
		t.Fatalf("%T %v without an error", err, err)
	}
	for _, p := range ps {
		last := 1 + max(strings.Count(main, "\n"), strings.Count(peer, "\n"))
		if p.File == "" || p.Message == "" || p.Line < 0 || p.Line > last {
			t.Errorf("problem %+v of %d lines", p, last)
		}
		if strings.Contains(p.String(), testKey) {
			t.Errorf("problem %q shows a key", p)
		}
	}
}

// writtenWell reads a peer's file back.
func writtenWell(t *testing.T, p *Peer) {
	t.Helper()
	text, err := renderPeer(p)
	if err != nil {
		t.Fatal(err)
	}
	main := "[interface]\nprivate_key = \"" + testKey + "\"\naddress = \"10.255.0.1/32\"\n"
	c, err := load("vpngw.toml", fuzzHost(main, text))
	if err != nil {
		return // what is no problem with one gateway may be with another: the same key
	}
	if got := &c.Peers[0]; !samePeer(got, p) || !got.PrivateKey.Equal(p.PrivateKey) {
		t.Errorf("wrote %+v, read %+v from\n%s", p, got, text)
	}
}
