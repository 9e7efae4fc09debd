package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// writeTestConfig puts a configuration without peers into a new directory and returns its path.
func writeTestConfig(t *testing.T, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vpngw.toml")
	text := "[interface]\nprivate_key = \"" + testKey + "\"\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, path string) *Config {
	t.Helper()
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// onlyFiles fails if dir has other entries than these: a temporary file left behind, for one.
func onlyFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s has %v, want %v", dir, got, want)
	}
}

func isPrivate(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want && runtime.GOOS != "windows" {
		t.Errorf("%s has mode %o, want %o", path, got, want)
	}
}

func TestWrittenPeerIsReadBack(t *testing.T) {
	path := writeTestConfig(t, "")
	c := mustLoad(t, path)
	dir := c.Interface.PeersDir
	for _, o := range []PeerOptions{
		{},
		{OmitPresharedKey: true, PersistentKeepalive: 25, Groups: []string{"staff", "admins"}},
		{AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.8.0.9/32"), netip.MustParsePrefix("192.168.0.0/16")}},
	} {
		p, err := NewPeer(c, string(rune('a'+len(c.Peers))), o)
		if err != nil {
			t.Fatal(err)
		}
		file, err := WritePeer(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		isPrivate(t, file, 0o600)
		isPrivate(t, dir, 0o700)
		before := len(c.Peers)
		c = mustLoad(t, path)
		if len(c.Peers) != before+1 || len(c.Warnings) > 0 {
			t.Fatalf("%d peers, warnings %v", len(c.Peers), c.Warnings)
		}
		got := &c.Peers[before]
		if !samePeer(got, p) || !got.PrivateKey.Equal(p.PrivateKey) || got.File != file {
			t.Errorf("wrote %+v, read %+v", p, got)
		}
	}
	onlyFiles(t, dir, "a.toml", "b.toml", "c.toml")
}

func TestWrittenPeerWithoutItsPrivateKey(t *testing.T) {
	c := mustLoad(t, writeTestConfig(t, ""))
	p, err := NewPeer(c, "laptop", PeerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	secret := p.PrivateKey.RevealBase64()
	p.PrivateKey = PrivateKey{}
	file, err := WritePeer(c.Interface.PeersDir, p)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), secret) || strings.Contains(string(text), "private_key") {
		t.Errorf("%v:\n%s", err, text)
	}
	if got := mustLoad(t, c.Path).Peers[0]; !got.PrivateKey.IsZero() || got.PublicKey != p.PublicKey {
		t.Errorf("%+v", got)
	}
}

func TestWrittenPeerKeepsItsKeyFiles(t *testing.T) {
	path := writeTestConfig(t, "")
	keyFile := filepath.Join(filepath.Dir(path), "laptop.psk")
	if err := os.WriteFile(keyFile, []byte(testKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(path))
	p, err := NewPeer(mustLoad(t, path), "laptop", PeerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.PresharedKey, _ = ParsePresharedKey(testKey)
	p.PresharedKeyFile = "laptop.psk" // relative to here, not to the directory of the peer's file
	if _, err := WritePeer("peers.d", p); err != nil {
		t.Fatal(err)
	}
	if got := mustLoad(t, path).Peers[0]; !got.PresharedKey.Equal(p.PresharedKey) ||
		!filepath.IsAbs(got.PresharedKeyFile) {
		t.Errorf("%+v", got)
	}
}

func TestWritePeerNeverReplaces(t *testing.T) {
	dir := t.TempDir()
	c := testConfig(t)
	file, err := WritePeer(dir, &c.Peers[0])
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	other := c.Peers[1]
	other.Name = c.Peers[0].Name
	if _, err := WritePeer(dir, &other); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	after, err := os.ReadFile(file)
	if err != nil || string(after) != string(before) {
		t.Errorf("the file changed: %v\n%s", err, after)
	}
	onlyFiles(t, dir, "laptop.toml")
	for _, name := range []string{"", "../laptop", "a/b", ".laptop", "Laptop"} {
		other.Name = name
		if _, err := WritePeer(dir, &other); err == nil {
			t.Errorf("a file for the name %q was written", name)
		}
	}
	onlyFiles(t, dir, "laptop.toml")
}

// TestWritePeerOnce: of many that write the same name at once, one wins and the others are told.
func TestWritePeerOnce(t *testing.T) {
	dir := t.TempDir()
	c := testConfig(t)
	const writers = 16
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		p := c.Peers[i%2]
		p.Name = "same"
		wg.Go(func() { _, errs[i] = WritePeer(dir, &p) })
	}
	wg.Wait()
	wrote := 0
	for _, err := range errs {
		switch {
		case err == nil:
			wrote++
		case !errors.Is(err, fs.ErrExist):
			t.Error(err)
		}
	}
	if wrote != 1 {
		t.Errorf("%d of %d wrote the file", wrote, writers)
	}
	onlyFiles(t, dir, "same.toml")
}

func TestWritePeerWhereItCannot(t *testing.T) {
	c := testConfig(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := WritePeer(filepath.Join(file, "peers.d"), &c.Peers[0]); err == nil {
		t.Error("wrote into a file as if it were a directory")
	}
	// A directory in the file's place: neither a link nor a rename may replace it.
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "laptop.toml", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := WritePeer(dir, &c.Peers[0]); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	onlyFiles(t, dir, "laptop.toml")
}

func TestNewFileWithoutHardLinks(t *testing.T) {
	// A missing source fails the link as a file system without links does, and then the rename too.
	dir := t.TempDir()
	if err := nameNewFile(filepath.Join(dir, "missing"), filepath.Join(dir, "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "taken"), []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := nameNewFile(filepath.Join(dir, "missing"), filepath.Join(dir, "taken")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
}

func TestRemovePeer(t *testing.T) {
	key := "[[peer]]\nname = \"inline\"\npublic_key = \"Hd7y8mGHpe5A5ZTHBVs3/tI28RqN5MPPPKyTjXBoFgk=\"\nallowed_ips = [\"10.8.0.9\"]\n"
	path := writeTestConfig(t, key)
	c := mustLoad(t, path)
	p, err := NewPeer(c, "laptop", PeerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WritePeer(c.Interface.PeersDir, p); err != nil {
		t.Fatal(err)
	}
	c = mustLoad(t, path)
	if err := RemovePeer(c, "inline"); err == nil || !strings.Contains(err.Error(), path+":3") {
		t.Errorf("inline peer: %v, want its place", err)
	}
	if err := RemovePeer(c, "nobody"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown peer: %v", err)
	}
	if err := RemovePeer(c, "laptop"); err != nil {
		t.Error(err)
	}
	if err := RemovePeer(c, "laptop"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("peer removed twice: %v", err)
	}
	if c = mustLoad(t, path); len(c.Peers) != 1 || c.Peers[0].Name != "inline" {
		t.Errorf("peers %+v", c.Peers)
	}
	c.Peers[0].File = ""
	if err := RemovePeer(c, "inline"); err == nil {
		t.Error("a peer without a file was removed")
	}
}

func TestQuote(t *testing.T) {
	for _, s := range []string{
		"", "plain", `back\slash "quoted"`, "tab\tline\nreturn\rbell\a\x7f",
		"ümläut 🔑", "$ENV", `C:\Users\x`,
	} {
		doc, problems := parseDocument("x", "key = "+quote(s)+"\n", 0)
		if len(problems) > 0 || doc.root["key"] != s {
			t.Errorf("%q became %s: %v %v", s, quote(s), doc.root["key"], problems)
		}
	}
}
