package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	laptopFile = "public_key = \"Hd7y8mGHpe5A5ZTHBVs3/tI28RqN5MPPPKyTjXBoFgk=\"\nallowed_ips = [\"10.8.0.2\"]\n"
	phoneFile  = "public_key = \"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\"\nallowed_ips = [\"10.8.0.3\"]\n"
)

// writeTree writes files by their paths below dir. A content "-> x" is a symbolic link to x.
func writeTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(target, path); err != nil {
				t.Fatalf("this test needs symbolic links (on Windows: developer mode): %v", err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func peerNames(c *Config) string {
	var names []string
	for _, p := range c.Peers {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

func TestLoadFollowsAConfigMap(t *testing.T) {
	// How the kubelet lays out a volume: names lead over ..data into a directory that a swap of that
	// one link replaces as a whole.
	dir := t.TempDir()
	path := filepath.Join(dir, "vpngw.toml")
	writeTree(t, dir, map[string]string{
		"vpngw.toml":                       "[interface]\npeers_dir = \"peers\"\n",
		"private.key":                      testKey + "\n",
		"peers/..2026_01_01/laptop.toml":   laptopFile + "preshared_key_file = \"../laptop.psk\"\n",
		"laptop.psk":                       testKey,
		"peers/..data":                     "-> ..2026_01_01",
		"peers/laptop.toml":                "-> ..data/laptop.toml",
		"peers/..2026_01_02/phone.toml":    phoneFile,
		"peers/.phone.toml.tmp123.toml":    "not read",
		"peers/README":                     "not read",
		"peers/old.toml.bak":               "not read",
		"peers/directory.toml/inside.toml": "not read",
	})
	c := mustLoad(t, path)
	if got := peerNames(c); got != "laptop" {
		t.Fatalf("peers %q, want laptop", got)
	}
	p := c.Peers[0]
	if want := filepath.Join(dir, "laptop.psk"); p.PresharedKeyFile != want || p.PresharedKey.IsZero() {
		t.Errorf("preshared_key_file %s, want %s", p.PresharedKeyFile, want)
	}
	// The swap.
	for _, name := range []string{"..data", "laptop.toml"} {
		if err := os.Remove(filepath.Join(dir, "peers", name)); err != nil {
			t.Fatal(err)
		}
	}
	writeTree(t, dir, map[string]string{
		"peers/..data":     "-> ..2026_01_02",
		"peers/phone.toml": "-> ..data/phone.toml",
	})
	if got := peerNames(mustLoad(t, path)); got != "phone" {
		t.Errorf("peers %q after the swap, want phone", got)
	}
}

func TestLoadResolvesPaths(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"etc/vpngw.toml":            "[interface]\nprivate_key_file = \"../run/gw.key\"\npeers_dir = \"more/peers\"\n[admin]\nsocket = \"/abs/vpngw.sock\"\n",
		"etc/defaults.toml":         "[interface]\nprivate_key = \"" + testKey + "\"\n",
		"run/gw.key":                testKey,
		"etc/more/peers/a.toml":     laptopFile + "preshared_key_file = \"keys/a.psk\"\n",
		"etc/more/peers/keys/a.psk": testKey,
	})
	c := mustLoad(t, filepath.Join(dir, "etc/vpngw.toml"))
	for what, v := range map[string][2]string{
		"private_key_file":   {c.Interface.PrivateKeyFile, filepath.Join(dir, "run/gw.key")},
		"peers_dir":          {c.Interface.PeersDir, filepath.Join(dir, "etc/more/peers")},
		"socket":             {c.Admin.Socket, "/abs/vpngw.sock"},
		"preshared_key_file": {c.Peers[0].PresharedKeyFile, filepath.Join(dir, "etc/more/peers/keys/a.psk")},
		"peer's file":        {c.Peers[0].File, filepath.Join(dir, "etc/more/peers/a.toml")},
	} {
		if v[0] != v[1] {
			t.Errorf("%s is %s, want %s", what, v[0], v[1])
		}
	}
	c = mustLoad(t, filepath.Join(dir, "etc/defaults.toml"))
	if got, want := c.Interface.PeersDir, filepath.Join(dir, "etc/peers.d"); got != want {
		t.Errorf("default peers_dir is %s, want %s", got, want)
	}
	if got, want := c.Admin.Socket, filepath.Join(dir, "etc/vpngw.sock"); got != want {
		t.Errorf("default socket is %s, want %s", got, want)
	}
	// From where one stands, too.
	t.Chdir(filepath.Join(dir, "etc"))
	if c = mustLoad(t, "vpngw.toml"); peerNames(c) != "a" {
		t.Errorf("peers %q", peerNames(c))
	}
}

func TestLoadReadsTheEnvironment(t *testing.T) {
	t.Setenv("VPNGW_TEST_KEY", "  "+testKey+"\n")
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"vpngw.toml": "[interface]\nprivate_key = \"$VPNGW_TEST_KEY\"\n"})
	c := mustLoad(t, filepath.Join(dir, "vpngw.toml"))
	if got := c.Interface.PrivateKey.Public().String(); got != "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=" {
		t.Errorf("public key %s", got)
	}
	t.Setenv("VPNGW_TEST_KEY", "")
	if _, err := Load(c.Path); err == nil || !strings.Contains(err.Error(), "VPNGW_TEST_KEY is not set") {
		t.Errorf("with an empty variable: %v", err)
	}
}

func TestLoadOfFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{
		"large.toml":          "# " + strings.Repeat("x", configFileMax),
		"large-key.toml":      "[interface]\nprivate_key_file = \"large.key\"\n",
		"large.key":           strings.Repeat(testKey, 100),
		"dir.toml/x":          "",
		"large-peer.toml":     "[interface]\nprivate_key = \"" + testKey + "\"\npeers_dir = \"large-peer.d\"\n",
		"large-peer.d/a.toml": strings.Repeat("#\n", peerFileMax),
	})
	for name, want := range map[string]string{
		"missing.toml":    "missing.toml: does not exist",
		"dir.toml":        "dir.toml: is not a regular file",
		"large.toml":      "large.toml: is too large",
		"large-key.toml":  "large.key is too large",
		"large-peer.toml": "a.toml: is too large",
	} {
		c, err := Load(filepath.Join(dir, name))
		var ps Problems
		if c != nil || !errors.As(err, &ps) || len(ps) != 1 || !strings.Contains(ps.Error(), want) {
			t.Errorf("%s: %v, want one problem with %q", name, err, want)
		}
	}
}

func TestLoadOfBrokenFiles(t *testing.T) {
	h := testHost()
	h.readFile = func(path string, _ int64) (string, fs.FileMode, error) {
		return "", 0, &fs.PathError{Op: "read", Path: path, Err: errors.New("input/output error")}
	}
	if _, err := load("vpngw.toml", h); err == nil ||
		err.Error() != "vpngw.toml: cannot be read: input/output error" {
		t.Errorf("%v", err)
	}
	h = testHost()
	h.lookupEnv = func(string) (string, bool) { return testKey, true }
	h.readFile = func(string, int64) (string, fs.FileMode, error) {
		return "[interface]\nprivate_key = \"$K\"\n", 0o600, nil
	}
	h.readDir = func(path string) ([]fs.DirEntry, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	if _, err := load("vpngw.toml", h); err == nil ||
		err.Error() != "vpngw.toml:1: interface.peers_dir: may not be read by this user" {
		t.Errorf("%v", err)
	}
}

func TestLoadWhileAPeerIsRemoved(t *testing.T) {
	path := writeTestConfig(t, "")
	writeTree(t, filepath.Dir(path), map[string]string{"peers.d/laptop.toml": laptopFile, "peers.d/phone.toml": phoneFile})
	h := osHost()
	h.readDir = func(dir string) ([]fs.DirEntry, error) {
		entries, err := os.ReadDir(dir)
		if err := os.Remove(filepath.Join(dir, "laptop.toml")); err != nil {
			t.Error(err)
		}
		return entries, err
	}
	c, err := load(path, h)
	if err != nil || peerNames(c) != "phone" {
		t.Errorf("%v, want the peer that is left", err)
	}
}

func TestModesMeanNothingElsewhere(t *testing.T) {
	h := testHost()
	h.modes = false
	t.Chdir("testdata/valid")
	c, err := load("warnings_exposed.toml", h)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Warnings {
		if strings.Contains(p.Message, "open to other users") {
			t.Errorf("warning %v", p)
		}
	}
}

func TestTooManyPeers(t *testing.T) {
	c := testConfig(t)
	for i := len(c.Peers); i <= peersMax; i++ {
		c.Peers = append(c.Peers, Peer{Name: "x", PublicKey: PublicKey{byte(i), byte(i >> 8), byte(i >> 16), 1}})
	}
	if err := c.Validate(); err == nil ||
		!strings.Contains(err.Error(), "65537 peers are more than WireGuard carries; use at most 65536") {
		t.Error("65537 peers are accepted")
	}
}

// TestSyntaxErrorsEnd: a file that is something else altogether does not fill the screen.
func TestSyntaxErrorsEnd(t *testing.T) {
	doc, problems := parseDocument("x", strings.Repeat("a = = 1\n", 1000), 0)
	if len(problems) != syntaxMax || doc.root != nil {
		t.Errorf("%d problems, want %d", len(problems), syntaxMax)
	}
}

// TestSyntaxErrorHidesNothingElse: what stands on a line with a syntax error is not missed.
func TestSyntaxErrorHidesNothingElse(t *testing.T) {
	h := testHost()
	h.readFile = func(path string, _ int64) (string, fs.FileMode, error) {
		return "[interface]\nprivate_key = x y\n[[peer]]\nname = x y\npublic_key = x y\nallowed_ips = x y\n[log]\nlevel = 1\n", 0o600, nil
	}
	_, err := load("x.toml", h)
	var ps Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range ps {
		lines = append(lines, p.Line)
	}
	if len(ps) != 5 || lines[0] != 2 || lines[4] != 8 {
		t.Errorf("problems:\n%v", ps)
	}
}
