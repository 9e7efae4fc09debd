package dns

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func serversOf(r *resolvConf) string {
	var found []string
	for _, s := range r.servers() {
		found = append(found, s.String())
	}
	return strings.Join(found, " ")
}

func TestResolvConf(t *testing.T) {
	for text, want := range map[string]string{
		"nameserver 192.0.2.1\n":                                 "192.0.2.1",
		"# nameserver 192.0.2.9\n;nameserver 192.0.2.9\n":        "127.0.0.1",
		"search x\nnameserver\t192.0.2.1 \nnameserver fe80::1%1": "192.0.2.1 fe80::1%1",
		"nameserver\nnameserver x\noptions nameserver 1.1.1.1":   "127.0.0.1",
		"nameserver ::ffff:192.0.2.1\n":                          "192.0.2.1",
		strings.Repeat("nameserver 192.0.2.1\n", 9):              "192.0.2.1 192.0.2.1 192.0.2.1",
		"": "127.0.0.1",
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := serversOf(newResolvConf(path, new(counters))); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestResolvConfIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "resolv.conf")
	write := func(a string) {
		t.Helper()
		if err := os.WriteFile(path+".next", fmt.Appendf(nil, "nameserver %s\n", a), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".next", path); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		r := newResolvConf(path, new(counters))
		if got := serversOf(r); got != "127.0.0.1" { // no file
			t.Error(got)
		}
		write("192.0.2.1")
		time.Sleep(resolvConfCheck)
		first := r.servers()[0]
		if first.String() != "192.0.2.1" {
			t.Error(first)
		}
		time.Sleep(resolvConfCheck)
		if r.servers()[0] != first {
			t.Error("what is known of a server was forgotten, and nothing has changed")
		}
		write("192.0.2.2")
		if got := serversOf(r); got != "192.0.2.1" {
			t.Errorf("%s: the file is read for every question", got)
		}
		time.Sleep(resolvConfCheck)
		if got := serversOf(r); got != "192.0.2.2" {
			t.Error(got)
		}
	})
}
