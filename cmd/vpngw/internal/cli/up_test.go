package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"vpngw/config"
)

func TestFirstUpMakesEverythingAndShowsThePeer(t *testing.T) {
	b := newBench(t)
	r := b.start("up", "--listen-port", "0", "--endpoint", "vpn.example.com")
	r.stop()
	c, err := config.Load("vpngw-state/vpngw.toml")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Peers) != 1 || c.Peers[0].Name != "peer1" || c.Interface.ListenPort == 0 {
		t.Fatalf("configuration: port %d, peers %v", c.Interface.ListenPort, c.Peers)
	}
	if want := fmt.Sprintf("vpn.example.com:%d", c.Interface.ListenPort); c.Interface.Endpoint != want {
		t.Errorf("endpoint %s, want %s", c.Interface.Endpoint, want)
	}
	client, err := config.ClientConfig(c, &c.Peers[0])
	if err != nil {
		t.Fatal(err)
	}
	code, ok := strings.CutPrefix(r.stdout.String(), client)
	if !ok || !strings.HasPrefix(code, "# █") {
		t.Errorf("standard output is not the configuration and its code:\n%s", r.stdout)
	}
	for _, want := range []string{
		"First run", "vpngw peer show peer1 > peer1.conf", "wg-quick up ./peer1.conf", "Scan from QR code",
		"ping 10.8.0.1", "vpngw peer add NAME --qr", c.Interface.Endpoint,
	} {
		if !strings.Contains(r.stderr.String(), want) {
			t.Errorf("no %q in the explanation:\n%s", want, r.stderr)
		}
	}
	for _, secret := range []string{
		c.Interface.PrivateKey.RevealBase64(), c.Peers[0].PrivateKey.RevealBase64(), c.Peers[0].PresharedKey.RevealBase64(),
	} {
		if strings.Contains(r.stderr.String(), secret) {
			t.Error("a secret is in the log or the explanation")
		}
	}
}

func TestStateDirectoryIsPrivate(t *testing.T) {
	b := newBench(t)
	b.start("up", "--listen-port", "0").stop()
	err := filepath.WalkDir(stateDefault, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSecondUpStartsWhatIsThere(t *testing.T) {
	b := newBench(t)
	first := b.start("up", "--listen-port", "0", "--state", "s", "--peer", "phone", "--dns", "10.0.0.53", "--mtu", "1380")
	first.stop()
	before := b.read("s/vpngw.toml") + b.read("s/private.key") + b.read("s/peers.d/phone.toml")
	second := b.start("up", "--state", "s")
	second.stop()
	if after := b.read("s/vpngw.toml") + b.read("s/private.key") + b.read("s/peers.d/phone.toml"); after != before {
		t.Error("a second run changed the state")
	}
	if second.stdout.String() != "" {
		t.Errorf("a second run printed\n%s", second.stdout)
	}
	for _, hint := range []string{"vpngw --state s peer add NAME", "vpngw --state s peer show phone --qr"} {
		if !strings.Contains(second.stderr.String(), hint) {
			t.Errorf("no hint %q:\n%s", hint, second.stderr)
		}
	}
	c := second.cfg
	if c.Interface.ListenPort != first.cfg.Interface.ListenPort || c.Interface.MTU != 1380 || len(c.Interface.ClientDNS) != 1 {
		t.Errorf("the second gateway is not the first: %+v", c.Interface)
	}
}

// A container is started with the same flags each time.
func TestFlagsOfTheFirstRunDoNotHinderLaterOnes(t *testing.T) {
	b := newBench(t)
	first := []string{"up", "--listen-port=0", "--endpoint=a.example", "--address=10.9.0.1/24", "--dns=10.0.0.1", "--mtu=1300", "--peer=x"}
	b.start(first...).stop()
	before := b.read("vpngw-state/vpngw.toml")
	again := b.start(append([]string{"up"}, first[2:]...)...)
	again.stop()
	if strings.Contains(again.stderr.String(), "Warning") {
		t.Errorf("the same as at the first run:\n%s", again.stderr)
	}
	for _, flag := range []string{"--endpoint=b:1", "--address=10.7.0.1/24", "--dns=10.0.0.2", "--mtu=1400", "--peer=y"} {
		other := b.start("up", flag)
		other.stop()
		name, _, _ := strings.Cut(flag, "=")
		if s := other.stderr.String(); strings.Count(s, "Warning: "+name+" ") != 1 {
			t.Errorf("%s does nothing, in silence:\n%s", flag, s)
		}
	}
	if after := b.read("vpngw-state/vpngw.toml"); after != before {
		t.Errorf("the configuration was changed:\n%s", after)
	}
}

// A container's environment goes on naming what a first run was told.
func TestVariablesOfTheFirstRunAreUnusedLater(t *testing.T) {
	b := newBench(t)
	b.env["VPNGW_ENDPOINT"], b.env["VPNGW_DNS"] = "vpn.example", "10.0.0.53,10.0.0.54"
	b.start("up", "--listen-port", "0").stop()
	again := b.start("up")
	again.stop()
	if strings.Contains(again.stderr.String(), "Warning") {
		t.Errorf("they say what the configuration does:\n%s", again.stderr)
	}
	b.env["VPNGW_ENDPOINT"] = "other.example:1"
	changed := b.start("up")
	changed.stop()
	if s := changed.stderr.String(); strings.Count(s, "Warning") != 1 ||
		!strings.Contains(s, "$VPNGW_ENDPOINT is for the first run alone. It says other.example:1, but interface.endpoint") {
		t.Errorf("a variable that was changed does nothing, in silence:\n%s", s)
	}
}

func TestHintsDoNotRepeatTheEnvironment(t *testing.T) {
	b := newBench(t)
	b.env["VPNGW_STATE"] = "s"
	r := b.start("up", "--listen-port", "0")
	r.stop()
	if s := r.stderr.String(); strings.Contains(s, "--state") || !strings.Contains(s, "vpngw peer add NAME --qr") {
		t.Errorf("hints with --state, which is not needed:\n%s", s)
	}
	if list := b.ok("peer", "list"); !strings.Contains(list, "peer1") {
		t.Errorf("a command as in the hint finds\n%s", list)
	}
}

func TestListenPortFromTheEnvironment(t *testing.T) {
	b := newBench(t)
	b.env["VPNGW_LISTEN_PORT"] = "0"
	first := b.start("up")
	first.stop()
	if first.cfg.Interface.ListenPort == 0 {
		t.Error("the first run does not use the port that it wrote down")
	}
	same := b.start("up")
	same.stop()
	if got, want := same.cfg.Interface.ListenPort, first.cfg.Interface.ListenPort; got != want {
		t.Errorf("port %d, and clients were told %d", got, want)
	}
	b.env["VPNGW_LISTEN_PORT"] = "4567"
	second := b.start("up")
	second.stop()
	if second.cfg.Interface.ListenPort != 4567 {
		t.Errorf("port %d: the environment goes before the file", second.cfg.Interface.ListenPort)
	}
}

func TestTakenPortLeavesNothingBehind(t *testing.T) {
	b := newBench(t)
	taken, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	port := fmt.Sprint(taken.LocalAddr().(*net.UDPAddr).Port)
	o := b.run("up", "--listen-port", port)
	if o.status != exitFailed || strings.Count(o.stderr, "\n") != 1 ||
		!strings.Contains(o.stderr, port+" is already in use") || !strings.Contains(o.stderr, "--listen-port") {
		t.Errorf("%+v", o)
	}
	if _, err := os.Stat(stateDefault); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a state directory was made: %v", err)
	}
}

func TestBadFirstRunLeavesNothingBehind(t *testing.T) {
	b := newBench(t)
	b.refused(exitUsage, []string{"--address", "room for peers"}, "up", "--listen-port", "0", "--address", "10.8.0.1/32")
	b.refused(exitUsage, []string{"name"}, "up", "--listen-port", "0", "--peer", "Not A Name")
	if _, err := os.Stat(stateDefault); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a state directory was made: %v", err)
	}
}

func TestUnusableStateDirectory(t *testing.T) {
	b := newBench(t)
	b.write("file", "x")
	o := b.run("up", "--listen-port", "0", "--state", "file/state")
	if o.status != exitFailed || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("%+v", o)
	}
	for _, cause := range []error{fs.ErrPermission, syscall.EROFS} {
		err := stateError("/state", fmt.Errorf("mkdir /state: %w", cause))
		if !strings.Contains(err.Error(), "--state") || !errors.Is(err, cause) {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

func TestPrivilegedPortIsExplained(t *testing.T) {
	if _, err := freePort(-1); err == nil {
		t.Error("port -1 was taken")
	}
	port, err := freePort(0)
	if err != nil || port == 0 {
		t.Errorf("any port: %d, %v", port, err)
	}
}

func TestFirstRunsAtOnceMakeOneState(t *testing.T) {
	b := newBench(t)
	made := make(chan string)
	const runs = 8
	for i := range runs {
		go func() {
			f := &upFlags{address: "10.8.0.1/24", peer: fmt.Sprintf("p%d", i), endpoint: "a:1", mtu: 1420}
			state, _, err := b.app(nil, nil).firstState(t.Context(), "s", f)
			if err != nil {
				t.Error(err)
				state = &config.State{}
			}
			made <- state.PeerName
		}()
	}
	first := ""
	for range runs {
		first += <-made
	}
	c, err := config.Load("s/vpngw.toml")
	if err != nil || len(c.Peers) != 1 || c.Peers[0].Name != first {
		t.Errorf("made %q; %v", first, err)
	}
}
