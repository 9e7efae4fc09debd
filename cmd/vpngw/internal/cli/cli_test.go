package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// everyVerb calls f for all commands that are ours.
func everyVerb(t *testing.T, f func(t *testing.T, cmd *cobra.Command)) {
	t.Helper()
	b := newBench(t)
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) { f(t, cmd) })
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(b.app(new(syncBuffer), new(syncBuffer)).rootCommand())
}

func TestEveryVerbIsExplained(t *testing.T) {
	everyVerb(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Error("no short text, long text or example")
		}
		if !strings.Contains(cmd.Long, "gateway") {
			t.Error("the help does not say what the verb does to a running gateway")
		}
		for line := range strings.Lines(cmd.Long) {
			if len(line) > 81 {
				t.Errorf("line longer than 80 columns: %s", line)
			}
		}
	})
}

func TestHelpGoesToStandardOutput(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{{"--help"}, {"help", "up"}, {"peer", "add", "--help"}} {
		if out := b.ok(args...); !strings.Contains(out, "Usage:") {
			t.Errorf("%q: %s", args, out)
		}
	}
}

func TestWrongUsageIsStatus2(t *testing.T) {
	b := newBench(t)
	b.fixture()
	for _, tt := range []struct {
		args  []string
		words []string
	}{
		{nil, []string{"name a verb"}},
		{[]string{"peer"}, []string{"name a verb", "vpngw peer add phone"}},
		{[]string{"pear"}, []string{"no verb pear", "did you mean peer?"}},
		{[]string{"peer", "lst"}, []string{"no verb lst", "did you mean list?"}},
		{[]string{"status", "--frob"}, []string{"--frob", "vpngw status --help"}},
		{[]string{"status", "extra"}, []string{"vpngw status takes flags alone", "extra"}},
		{[]string{"status", "--interval", "0s"}, []string{"--interval"}},
		{[]string{"peer", "add"}, []string{"name the peer"}},
		{[]string{"peer", "add", "a", "b"}, []string{"one peer at a time"}},
		{[]string{"peer", "add", "No Name"}, []string{"not a name"}},
		{[]string{"peer", "add", "a", "--psk", "--no-psk"}, []string{"psk"}},
		{[]string{"peer", "add", "a", "--ip", "::1"}, []string{"--ip"}},
		{[]string{"peer", "add", "a", "--routes", "10.0.0.0/8"}, []string{"--ip"}},
		{[]string{"peer", "add", "a", "--ip", "10.8.0.7", "--routes", "x"}, []string{"--routes"}},
		{[]string{"peer", "add", "a", "--public-key", "x"}, []string{"--public-key"}},
		{[]string{"peer", "add", "a", "--public-key", serverPublic, "--qr"}, []string{"--qr"}},
		{[]string{"peer", "add", "a", "--endpoint", "::nope::"}, []string{"HOST:PORT"}},
		{[]string{"peer", "add", "a", "--endpoint", "host:0"}, []string{"HOST:PORT"}},
		{[]string{"peer", "add", "a", "--allowed-ips", "x"}, []string{"--allowed-ips"}},
		{[]string{"peer", "add", "a", "--dns", "dns.example"}, []string{"--dns"}},
		{[]string{"peer", "add", "a", "--dns", "fe80::1%x\nPostUp = x"}, []string{"--dns"}},
		{[]string{"peer", "add", "a", "--keepalive", "70000"}, []string{"--keepalive"}},
		{[]string{"run", "--log-level", "loud"}, []string{"--log-level"}},
		{[]string{"run", "--log-format", "xml"}, []string{"--log-format"}},
		{[]string{"run", "--listen-port", "70000"}, []string{"--listen-port"}},
		{[]string{"up", "--listen-port", "70000"}, []string{"--listen-port"}},
		{[]string{"up", "-c", "x.toml"}, []string{"vpngw run -c x.toml"}},
		{[]string{"up", "--address", "10.8.0.1"}, []string{"--address"}},
		{[]string{"up", "--listen-port", "0", "--endpoint", "a b"}, []string{"--endpoint"}},
	} {
		b.refused(exitUsage, tt.words, tt.args...)
	}
	if got := b.ok("peer", "list"); strings.Count(got, "\n") != 3 {
		t.Errorf("a refused command line left a peer:\n%s", got)
	}
}

func TestProgramNameForHints(t *testing.T) {
	// The test binary itself lies in a go-build directory, as one of "go run" does.
	if got := programName("x"); got != "go run ./cmd/vpngw" {
		t.Errorf("under go run: %q", got)
	}
}

func TestCompletionScripts(t *testing.T) {
	b := newBench(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := b.ok("completion", shell); !strings.Contains(out, "vpngw") {
			t.Errorf("%s: no script", shell)
		}
	}
}

func TestPeerNamesAreCompleted(t *testing.T) {
	b := newBench(t)
	b.fixture()
	out := b.ok(cobra.ShellCompRequestCmd, "peer", "show", "")
	for _, name := range []string{"server", "phone"} {
		if !strings.Contains(out, name+"\n") {
			t.Errorf("no %s in %q", name, out)
		}
	}
}
