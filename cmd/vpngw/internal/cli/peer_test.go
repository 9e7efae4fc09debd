package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vpngw/config"
)

func TestPeerListShowsNoSecret(t *testing.T) {
	b := newBench(t)
	b.fixture()
	table, list := b.ok("peer", "list"), b.ok("peer", "list", "--json")
	golden(t, "peer_list.golden", table)
	golden(t, "peer_list_json.golden", list)
	for _, secret := range []string{gatewayKey, phoneKey, phonePSK} {
		if strings.Contains(table+list, secret) {
			t.Errorf("the list shows %s", secret)
		}
	}
}

func TestPeerShowPrintsTheClientConfigurationAlone(t *testing.T) {
	b := newBench(t)
	b.fixture()
	o := b.run("peer", "show", "phone")
	if o.status != exitDone || o.stderr != "" {
		t.Errorf("%+v", o)
	}
	golden(t, "peer_show.golden", o.stdout)
}

func TestPeerShowFlagsShapeTheConfiguration(t *testing.T) {
	b := newBench(t)
	b.fixture()
	got := b.ok("peer", "show", "phone", "--endpoint", "gw.example", "--allowed-ips", "192.168.10.5/24,10.0.0.1",
		"--dns", "10.0.0.53,10.0.0.54", "--keepalive", "0")
	for _, want := range []string{
		"Endpoint = gw.example:51820\n", "AllowedIPs = 192.168.10.0/24, 10.0.0.1/32\n", "DNS = 10.0.0.53, 10.0.0.54\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "PersistentKeepalive") {
		t.Errorf("--keepalive 0 leaves the line in\n%s", got)
	}
}

func TestPeerShowOfAClientWithItsOwnKey(t *testing.T) {
	b := newBench(t)
	b.fixture()
	got := b.ok("peer", "show", "server")
	if strings.Contains(got, "\nPrivateKey") || !strings.Contains(got, "# PrivateKey") {
		t.Errorf("want a comment in place of the private key:\n%s", got)
	}
	b.refused(exitUsage, []string{"its own key pair"}, "peer", "show", "server", "--qr")
	b.refused(exitFailed, []string{"there is no peer nobody", "phone"}, "peer", "show", "nobody")
}

func TestPeerAddWritesAFileAndPrintsTheConfiguration(t *testing.T) {
	b := newBench(t)
	b.fixture()
	o := b.run("peer", "add", "laptop")
	if o.status != exitDone || !strings.Contains(o.stderr, "No gateway runs here now") {
		t.Fatalf("%+v", o)
	}
	c, err := config.Load(configName)
	if err != nil {
		t.Fatal(err)
	}
	p := findPeer(c, "laptop")
	if p == nil {
		t.Fatal("no peer laptop in the configuration")
	}
	want, err := config.ClientConfig(c, p)
	if err != nil {
		t.Fatal(err)
	}
	if o.stdout != want {
		t.Errorf("standard output is not the client's configuration alone:\n%s\nwant\n%s", o.stdout, want)
	}
	if got := joinPrefixes(p.AllowedIPs); got != "10.8.0.3" {
		t.Errorf("address %s, want the next free one", got)
	}
	if p.PresharedKey.IsZero() {
		t.Error("no preshared key")
	}
	info, err := os.Stat("peers.d/laptop.toml")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("peer file: %v, %v", info.Mode(), err)
	}
	for _, secret := range []string{p.PrivateKey.RevealBase64(), p.PresharedKey.RevealBase64()} {
		if strings.Contains(o.stderr, secret) {
			t.Errorf("a secret is on standard error:\n%s", o.stderr)
		}
	}
}

func TestPeerAddFlags(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.ok("peer", "add", "a", "--ip", "10.8.0.77", "--routes", "172.16.5.9/24", "--no-psk", "--groups", "x,y",
		"--mtu", "1300")
	b.ok("peer", "add", "b", "--public-key", phonePublic(t))
	if shown := b.ok("peer", "show", "a"); !strings.Contains(shown, "\nMTU = 1300\n") {
		t.Errorf("a: its MTU is not in\n%s", shown)
	}
	gone := b.ok("peer", "add", "c", "--forget-key")
	c, err := config.Load(configName)
	if err != nil {
		t.Fatal(err)
	}
	first := findPeer(c, "a")
	if got := joinPrefixes(first.AllowedIPs); got != "10.8.0.77,172.16.5.0/24" {
		t.Errorf("a: allowed_ips %s", got)
	}
	if !first.PresharedKey.IsZero() || strings.Join(first.Groups, " ") != "x y" {
		t.Errorf("a: preshared key or groups %v", first.Groups)
	}
	if second := findPeer(c, "b"); second.PublicKey.String() != phonePublic(t) || !second.PrivateKey.IsZero() {
		t.Errorf("b: %+v", second)
	}
	if !strings.Contains(gone, "\nPrivateKey = ") {
		t.Errorf("c: its key was not shown even once:\n%s", gone)
	}
	if third := findPeer(c, "c"); !third.PrivateKey.IsZero() {
		t.Error("c: its private key was kept")
	}
}

// phonePublic returns a public key that no peer of the fixture has.
func phonePublic(t *testing.T) string {
	t.Helper()
	k, err := config.ParsePrivateKey("oHz8TNW8vNmVdFKj1mdWzrUlVk1YsmxF8fHP1ZkZs3M=")
	if err != nil {
		t.Fatal(err)
	}
	return k.Public().String()
}

func TestPeerAddRefusals(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.refused(exitFailed, []string{"there is a peer phone already"}, "peer", "add", "phone")
	b.refused(exitUsage, []string{"10.8.0.2"}, "peer", "add", "other", "--ip", "10.8.0.2")
	b.refused(exitUsage, []string{"public_key"}, "peer", "add", "other", "--public-key", serverPublic)
	if _, err := os.Stat("peers.d/other.toml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused peer left a file: %v", err)
	}
}

func TestPeerAddWithoutAnEndpointGuessesOne(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.write("vpngw.toml", "[interface]\nlisten_port = 4321\n")
	o := b.run("peer", "add", "laptop")
	if o.status != exitDone || !strings.Contains(o.stderr, "interface.endpoint is not set") || !strings.Contains(o.stdout, ":4321\n") {
		t.Errorf("%+v", o)
	}
}

func TestPeersDirInTheWay(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.write("file", "")
	b.write("vpngw.toml", "[interface]\nendpoint = \"a:1\"\npeers_dir = \"\"\n")
	b.refused(exitUsage, []string{"peers_dir is empty"}, "peer", "add", "laptop")
}

func TestTwoPeerAddsTakeTurns(t *testing.T) {
	b := newBench(t)
	b.fixture()
	const n = 8
	done := make(chan output, n)
	for i := range n {
		go func() {
			var stdout, stderr syncBuffer
			status := b.app(&stdout, &stderr).run(t.Context(), []string{"peer", "add", "p" + string(rune('a'+i))})
			done <- output{status, stdout.String(), stderr.String()}
		}()
	}
	for range n {
		if o := <-done; o.status != exitDone {
			t.Errorf("%+v", o)
		}
	}
	if _, err := config.Load(configName); err != nil { // it would name addresses used twice
		t.Error(err)
	}
}

func TestPeerRemove(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.refused(exitFailed, []string{"vpngw.toml:5"}, "peer", "remove", "server")
	b.refused(exitFailed, []string{"there is no peer nobody"}, "peer", "remove", "nobody")
	if o := b.run("peer", "remove", "phone"); o.status != exitDone || o.stdout != "" || !strings.Contains(o.stderr, "Removed the peer phone") {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat(filepath.Join("peers.d", "phone.toml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

func TestLastPeerRemovedLeavesAHint(t *testing.T) {
	b := newBench(t)
	b.fixture()
	b.write("vpngw.toml", "[interface]\nendpoint = \"a:1\"\n")
	b.ok("peer", "remove", "phone")
	b.refused(exitFailed, []string{"vpngw peer add phone"}, "peer", "show", "phone")
	if got := b.ok("peer", "list", "--json"); strings.TrimSpace(got) != "[]" {
		t.Errorf("an empty list is %s", got)
	}
}

func TestPeerListJSONIsJSON(t *testing.T) {
	b := newBench(t)
	b.fixture()
	var peers []map[string]any
	if err := json.Unmarshal([]byte(b.ok("peer", "list", "--json")), &peers); err != nil || len(peers) != 2 {
		t.Errorf("%v, %v", peers, err)
	}
}

func TestPeersDirErrorsSayWhatToDo(t *testing.T) {
	for cause, words := range map[error]string{
		fs.ErrPermission: "as the gateway's user", syscall.EROFS: "read-only file system, so peers change where that comes from",
	} {
		err := peersDirError("peers.d", fmt.Errorf("remove x: %w", cause))
		if !errors.Is(err, cause) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

func TestSecretsInAnOpenFileCauseAWarning(t *testing.T) {
	b := newBench(t)
	b.fixture()
	for mode, want := range map[os.FileMode]int{0o644: 1, 0o600: 0} {
		f, err := os.OpenFile(fmt.Sprintf("%o.conf", mode), os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Chmod(mode); err != nil {
			t.Fatal(err)
		}
		var stderr syncBuffer
		a := b.app(nil, &stderr)
		a.stdout = f
		if status := a.run(t.Context(), []string{"peer", "show", "phone"}); status != exitDone || f.Close() != nil {
			t.Errorf("status %d", status)
		}
		if strings.Count(stderr.String(), "open to other users (mode 0644)") != want {
			t.Errorf("mode %o: %s", mode, &stderr)
		}
	}
}
