package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"vpngw/config"
)

var (
	quoted   = regexp.MustCompile(`"[^"]*"|'[^']*'`)
	ourName  = regexp.MustCompile(`(?:^|\s)(?:\./|/)?vpngw\s+(.*)`)
	goRun    = regexp.MustCompile(`go run \./cmd/vpngw`)
	comment  = regexp.MustCompile(`(?:^|\s)#.*`)
	segments = regexp.MustCompile(`\|\||&&|[|;<>]`)
)

// commandLines returns the arguments of every call of the command in a shell text.
func commandLines(text string) [][]string {
	var calls [][]string
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = comment.ReplaceAllString(line, "")
		line = goRun.ReplaceAllString(quoted.ReplaceAllString(line, "X"), "vpngw")
		for _, s := range segments.Split(line, -1) {
			switch {
			case strings.Contains(s, "docker build"), strings.Contains(s, "go build"), strings.Contains(s, "docker logs"):
				continue
			case strings.Contains(s, "docker "): // the last word of that name is the image's or the binary's
				s = s[strings.LastIndex(s, "vpngw "):]
			}
			if m := ourName.FindStringSubmatch(s); m != nil {
				calls = append(calls, strings.Fields(m[1]))
			}
		}
	}
	return calls
}

// parse says whether the command takes these arguments. Nothing is executed.
func parse(root *cobra.Command, args []string) error {
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// wantParses fails unless the command takes these arguments.
func wantParses(t *testing.T, root *cobra.Command, args []string) {
	t.Helper()
	if err := parse(root, args); err != nil {
		t.Errorf("vpngw %s: %v", strings.Join(args, " "), err)
	}
}

func TestExamplesInHelpAreValid(t *testing.T) {
	everyVerb(t, func(t *testing.T, cmd *cobra.Command) {
		calls := commandLines(cmd.Example)
		if len(calls) == 0 && cmd.Name() != "health" {
			t.Error("no call of vpngw in the example")
		}
		for _, args := range calls {
			wantParses(t, cmd.Root(), args)
		}
	})
}

// fenced returns the blocks of a language in a Markdown text.
func fenced(text, language string) []string {
	var blocks []string
	for _, part := range strings.Split(text, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, block+"\n")
	}
	return blocks
}

func TestCommandsInREADMEAreValid(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(packageDir, "../../../../README.md"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	n := 0
	for _, block := range fenced(string(readme), "sh") {
		for _, args := range commandLines(block) {
			wantParses(t, b.app(new(syncBuffer), new(syncBuffer)).rootCommand(), args)
			n++
		}
	}
	if n < 5 {
		t.Errorf("only %d calls of vpngw found in README.md", n)
	}
}

func TestConfigurationInREADMEIsValid(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(packageDir, "../../../../README.md"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.write("private.key", gatewayKey+"\n")
	blocks := fenced(string(readme), "toml")
	if len(blocks) == 0 {
		t.Fatal("README.md has no configuration")
	}
	for _, block := range blocks {
		b.write("vpngw.toml", block)
		if c, err := config.Load("vpngw.toml"); err != nil || len(c.Warnings) > 0 {
			t.Errorf("%v, %v", err, c)
		}
	}
}

func TestREADMENamesEveryVerb(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(packageDir, "../../../../README.md"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	for _, cmd := range b.app(new(syncBuffer), new(syncBuffer)).rootCommand().Commands() {
		if !strings.Contains(string(readme), "`"+cmd.Name()) {
			t.Errorf("README.md does not mention %s", cmd.Name())
		}
	}
}

func TestBadDocumentedCommandsAreFound(t *testing.T) {
	b := newBench(t)
	root := b.app(new(syncBuffer), new(syncBuffer)).rootCommand()
	calls := commandLines("sudo x; ./vpngw peer ad laptop > laptop.conf # vpngw no\ngo run ./cmd/vpngw up --prot 1 && true\n" +
		"docker run -v vpngw:/x \\\n  vpngw status --jsn\n")
	if len(calls) != 3 {
		t.Fatalf("%d calls found: %q", len(calls), calls)
	}
	for _, args := range calls {
		if parse(root, args) == nil {
			t.Errorf("%q passes", args)
		}
	}
}
