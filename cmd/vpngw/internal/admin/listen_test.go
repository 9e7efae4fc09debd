package admin

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new-directory", "vpngw.sock")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	for name, want := range map[string]fs.FileMode{
		path:               0o600 | fs.ModeSocket,
		path + ".lock":     0o600,
		filepath.Dir(path): 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: mode %v, want %v", name, info.Mode(), want)
		}
	}
}

func TestSecondGatewayIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vpngw.sock")
	first, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); !errors.Is(err, ErrRunning) {
		t.Fatalf("second Listen: %v, want ErrRunning", err)
	}
	conn, err := net.Dial("unix", path) // the refused one must not have removed it
	if err != nil {
		t.Fatalf("the first socket is gone: %v", err)
	}
	_ = conn.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close left the socket: %v", err)
	}
	third, err := Listen(path)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	_ = third.Close()
}

// leaveSocket makes the socket of a process that was killed: nobody listens on it any more.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vpngw.sock")
	leaveSocket(t, path)
	ln, err := Listen(path)
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	_ = ln.Close()
}

func TestServedSocketIsNotReplacedWithoutItsLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vpngw.sock")
	other, err := net.Listen("unix", path) // holds no lock: the lock file was deleted
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := Listen(path); !errors.Is(err, ErrRunning) {
		t.Fatalf("%v, want ErrRunning", err)
	}
}

func TestOnlySocketsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, link} {
		_, err := Listen(path)
		if err == nil || !strings.Contains(err.Error(), "is not a socket") {
			t.Errorf("%s: %v, want an error that says so", path, err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}
}

func TestLongSocketPathIsExplained(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("x", socketPathMax))
	_, err := Listen(path)
	if err == nil || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("%v, want an error that names the fix", err)
	}
}

func TestTakenProbeAddressIsExplained(t *testing.T) {
	first, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	_, err = ListenTCP(first.Addr().String())
	if err == nil || !strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("%v, want an error that names the key", err)
	}
}
