package traffic

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vpngw/test/origin"
)

// check is one thing a client does and what it must see.
type check struct {
	name   string
	script string
	judge  func(stdout string, err error) error
}

// Run does everything a client does, each check as a subtest.
func Run(t *testing.T, s Site, l Load) {
	for _, group := range [][]check{
		bulkChecks(s, l),
		sessionChecks(s, l),
		halfCloseChecks(s, l),
		nameChecks(s),
		errorChecks(s),
	} {
		for _, c := range group {
			t.Run(c.name, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), l.Timeout)
				defer cancel()
				out, err := s.Client(ctx, c.script)
				if ctx.Err() != nil {
					t.Fatalf("not done within %v: %v\n%s", l.Timeout, err, tail(out))
				}
				if err := c.judge(out, err); err != nil {
					t.Errorf("%v\nscript: %s\nstdout: %s", err, c.script, tail(out))
				}
			})
		}
	}
}

// tail keeps a failure readable.
func tail(s string) string {
	const most = 2000
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}

// prints judges that the script succeeded and printed this, spaces at the ends aside.
func prints(want string) func(string, error) error {
	return func(out string, err error) error {
		switch {
		case err != nil:
			return err
		case strings.TrimSpace(out) != strings.TrimSpace(want):
			return fmt.Errorf("printed %q, want %q", tail(out), tail(want))
		}
		return nil
	}
}

// fails judges that the script failed and that its stderr has one of the texts.
func fails(texts ...string) func(string, error) error {
	return func(_ string, err error) error {
		if err == nil {
			return fmt.Errorf("succeeded, want a failure with one of %q", texts)
		}
		for _, text := range texts {
			if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(text)) {
				return nil
			}
		}
		return fmt.Errorf("failed with %w, want one of %q", err, texts)
	}
}

// contentSum is what sha256sum prints of the origin's content read from stdin.
func contentSum(seed, size uint64) string {
	d, _ := origin.DigestOf(origin.Content(seed, size)) // a generator does not fail
	return d.Sum + "  -"
}
