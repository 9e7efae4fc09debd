package traffic

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// A judgement that cannot fail proves nothing: each is shown good and bad.
func TestJudgements(t *testing.T) {
	boom := errors.New("exit status 1: nc: connect failed: Connection refused")
	for _, c := range []struct {
		name  string
		judge func(string, error) error
		out   string
		err   error
		ok    bool
	}{
		{"prints, same", prints("a\nb"), "a\nb\n", nil, true},
		{"prints, other", prints("a\nb"), "a\n", nil, false},
		{"prints, failed", prints("a"), "a\n", boom, false},
		{"fails, so", fails("no route", "connection refused"), "", boom, true},
		{"fails, otherwise", fails("no route"), "", boom, false},
		{"fails, did not", fails("no route"), "", nil, false},
	} {
		if err := c.judge(c.out, c.err); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The scripts of every check must at least be read by sh.
func TestScriptsAreShell(t *testing.T) {
	s := Site{
		Gateway: "10.8.0.1", Upstream: "10.99.0.2", SSHUser: "root", SSHKey: "/key",
		Forbidden: []string{"169.254.169.254"}, NoRoute: "203.0.113.5",
	}
	l := Load{Bulk: 1, Small: 1, Session: 1}
	seen := make(map[string]bool)
	for _, group := range [][]check{
		bulkChecks(s, l), sessionChecks(s, l), halfCloseChecks(s, l), nameChecks(s), errorChecks(s),
	} {
		for _, c := range group {
			if seen[c.name] {
				t.Errorf("two checks are called %q", c.name)
			}
			seen[c.name] = true
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			out, err := exec.CommandContext(ctx, "sh", "-n", "-c", c.script).CombinedOutput()
			cancel()
			if err != nil || strings.Contains(c.script, "%!") {
				t.Errorf("%s: %v\n%s\n%s", c.name, err, out, c.script)
			}
		}
	}
}

func TestServerKnowsTheNames(t *testing.T) {
	b, err := os.ReadFile("dnsmasq.conf")
	if err != nil {
		t.Fatal(err)
	}
	host := fmt.Sprintf("\nhost-record=%s,%s\n", HostName, HostAddr)
	rebind := fmt.Sprintf("\nhost-record=%s,%s\n", RebindName, RebindAddr)
	line := "\ntxt-record=" + LongName + "," + strings.Repeat("x", 250)
	if !strings.Contains(string(b), host) || !strings.Contains(string(b), rebind) || 250*strings.Count(string(b), line) != LongText {
		t.Errorf("dnsmasq.conf does not say what names.go does")
	}
}
