package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

func TestNewStateIsAllThatAFirstRunNeeds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "vpngw-state")
	st, err := NewState(dir, StateOptions{
		Endpoint:  "vpn.example.com:51820",
		ClientDNS: []netip.Addr{netip.MustParseAddr("9.9.9.9")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !st.Created || st.PeerName != "peer1" || st.ConfigPath != filepath.Join(dir, "vpngw.toml") {
		t.Errorf("%+v", st)
	}
	isPrivate(t, dir, 0o700)
	isPrivate(t, filepath.Join(dir, "private.key"), 0o600)
	isPrivate(t, filepath.Join(dir, "vpngw.toml"), 0o600)
	isPrivate(t, filepath.Join(dir, "peers.d"), 0o700)
	isPrivate(t, filepath.Join(dir, "peers.d", "peer1.toml"), 0o600)
	onlyFiles(t, dir, "peers.d", "private.key", "vpngw.toml")

	c := mustLoad(t, st.ConfigPath)
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	want := Default()
	want.Interface.Endpoint = "vpn.example.com:51820"
	if ch := Diff(want, c); strings.Join(ch.Live, " ") != "interface.private_key interface.private_key_file interface.peers_dir interface.client_dns" ||
		strings.Join(ch.Restart, " ") != "admin.socket" {
		t.Errorf("differs from the defaults in %v and %v", ch.Live, ch.Restart)
	}
	text, err := ClientConfig(c, &c.Peers[0])
	if err != nil || !strings.Contains(text, "Address = 10.8.0.2/32\nDNS = 9.9.9.9\n") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestNewStateTakesOptions(t *testing.T) {
	dir := t.TempDir()
	st, err := NewState(dir, StateOptions{
		ListenPort: 443,
		Address:    netip.MustParsePrefix("172.16.5.9/28"), MTU: 1280, PeerName: "laptop",
	})
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, st.ConfigPath)
	in := c.Interface
	if in.ListenPort != 443 || in.Address.String() != "172.16.5.9/28" || in.MTU != 1280 || in.Endpoint != "" {
		t.Errorf("%+v", in)
	}
	if st.PeerName != "laptop" || c.Peers[0].Name != "laptop" || join(c.Peers[0].AllowedIPs) != "172.16.5.1/32" {
		t.Errorf("%+v, %+v", st, c.Peers)
	}
}

// snapshot returns the content of every file below dir.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestNewStateChangesNothingThatIsThere(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewState(dir, StateOptions{Endpoint: "a.example:1"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "peers.d", "peer1.toml")); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	st, err := NewState(dir, StateOptions{Endpoint: "b.example:2", ListenPort: 1, PeerName: "other"})
	if err != nil || st.Created || st.PeerName != "" {
		t.Errorf("%+v, %v", st, err)
	}
	after := snapshot(t, dir)
	for path := range after {
		if before[path] != after[path] {
			t.Errorf("%s was written", path)
		}
	}
}

// TestNewStateAfterAnInterruption removes what a first run makes last, one after the other, and
// holds the second run to keeping what was left.
func TestNewStateAfterAnInterruption(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewState(dir, StateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, last := range []string{"vpngw.toml", "peers.d/peer1.toml", "peers.d"} {
		for _, gone := range []string{"vpngw.toml", last} {
			if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
				t.Fatal(err)
			}
		}
		before := snapshot(t, dir)
		st, err := NewState(dir, StateOptions{PeerName: "peer1"})
		if err != nil || !st.Created || st.PeerName != "peer1" {
			t.Fatalf("without %s: %+v, %v", last, st, err)
		}
		after := snapshot(t, dir)
		for path := range before {
			if before[path] != after[path] {
				t.Errorf("without %s: %s was written again", last, path)
			}
		}
		if c := mustLoad(t, st.ConfigPath); len(c.Peers) != 1 {
			t.Errorf("without %s: peers %+v", last, c.Peers)
		}
	}
	// A peer that is there under another name is taken for the first one.
	if err := os.Remove(filepath.Join(dir, "vpngw.toml")); err != nil {
		t.Fatal(err)
	}
	st, err := NewState(dir, StateOptions{PeerName: "other"})
	if err != nil || st.PeerName != "peer1" {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestNewStateThatCannotBe(t *testing.T) {
	parent := t.TempDir()
	file := filepath.Join(parent, "file")
	if err := os.WriteFile(file, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	badKey := filepath.Join(parent, "bad-key")
	if err := os.Mkdir(badKey, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(badKey, "private.key"), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		dir  string
		o    StateOptions
		want string
	}{
		"a file in the way": {file, StateOptions{}, "not a directory"},
		"bad endpoint":      {filepath.Join(parent, "a"), StateOptions{Endpoint: "x"}, `write "x:51820"`},
		"bad address": {
			filepath.Join(parent, "b"),
			StateOptions{Address: netip.MustParsePrefix("10.8.0.0/24")},
			"not a host's",
		},
		"no room": {
			filepath.Join(parent, "c"),
			StateOptions{Address: netip.MustParsePrefix("10.8.0.1/32")},
			"no address for a peer",
		},
		"bad port":      {filepath.Join(parent, "d"), StateOptions{ListenPort: 70000}, "use 0 to 65535"},
		"bad peer name": {filepath.Join(parent, "e"), StateOptions{PeerName: "Me"}, `did you mean "me"?`},
		"no randomness": {
			filepath.Join(parent, "f"),
			StateOptions{Random: iotest.ErrReader(errors.New("no entropy"))},
			"no entropy",
		},
		"bad key": {badKey, StateOptions{}, "private.key: not a WireGuard key"},
	} {
		t.Run(name, func(t *testing.T) {
			st, err := NewState(v.dir, v.o)
			if st != nil || err == nil || !strings.Contains(err.Error(), v.want) {
				t.Errorf("%+v, %v, want an error with %q", st, err, v.want)
			}
		})
	}
	onlyFiles(t, parent, "bad-key", "file")
}

func TestNewStateFindsWhatAFasterCallMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "s")
	unlocked := false
	st, err := NewState(dir, StateOptions{PeerName: "slow", Lock: func() (func(), error) {
		if faster, err := NewState(dir, StateOptions{PeerName: "fast"}); err != nil || !faster.Created {
			t.Errorf("the faster call: %+v, %v", faster, err)
		}
		return func() { unlocked = true }, nil
	}})
	if err != nil || st.Created || !unlocked {
		t.Errorf("%+v, %v, unlocked: %v", st, err, unlocked)
	}
	if c := mustLoad(t, filepath.Join(dir, "vpngw.toml")); len(c.Peers) != 1 || c.Peers[0].Name != "fast" {
		t.Errorf("peers: %+v", c.Peers)
	}
}
