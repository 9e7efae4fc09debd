package test

import (
	"bytes"
	"fmt"
	"go/format"
	"path"
	"regexp"
	"slices"
	"strings"
)

var fileNameRule = rule{
	name:  "file and folder names say what is inside",
	check: checkFileNames,
	bad: []badSample{
		{sample{"a/wire-format.go": "package a\n"}, "a/wire-format.go", 0, "lower case"},
		{sample{"a/wireFormat.go": "package a\n"}, "a/wireFormat.go", 0, "lower case"},
		{sample{"a/util.go": "package a\n"}, "a/util.go", 0, "util"},
		{sample{"a/tcp_helpers.go": "package a\n"}, "a/tcp_helpers.go", 0, "helpers"},
		{sample{"a/common_test.go": "package a\n"}, "a/common_test.go", 0, "common"},
		{sample{"a/tcp_legacy_test.go": "package a\n"}, "a/tcp_legacy_test.go", 0, "legacy"},
		{sample{"misc/a.go": "package misc\n"}, "misc/a.go", 0, "misc"},
	},
	good: []sample{
		{"a/tcp_options_test.go": "package a\n", "a/fd_linux.go": "package a\n", "a/new_peer.go": "package a\n"},
		{"README-first.md": "text", ".ci/run": "text"},
	},
}

// vagueWords name no concern.
var vagueWords = []string{"util", "utils", "helper", "helpers", "common", "misc", "stuff"}

// historyEndings name a time in the life of the code instead of what it does.
var historyEndings = []string{"legacy", "old", "new", "tmp", "bug", "fix"}

func checkFileNames(t *tree) (problems []problem) {
	legal := regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*\.go$`)
	for _, f := range t.files {
		if !f.isGo() {
			continue
		}
		if !legal.MatchString(path.Base(f.path)) {
			problems = append(problems, problem{f.path, 0, "not lower case with underscores"})
			continue
		}
		words := strings.FieldsFunc(strings.TrimSuffix(f.path, ".go"), func(r rune) bool { return r == '/' || r == '_' })
		for _, word := range words {
			if slices.Contains(vagueWords, word) {
				problems = append(problems, problem{f.path, 0, fmt.Sprintf("%q says nothing about the content", word)})
			}
		}
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		if last := stem[strings.LastIndexByte(stem, '_')+1:]; slices.Contains(historyEndings, last) {
			problems = append(problems, problem{f.path, 0, fmt.Sprintf("%q is history, which git keeps", last)})
		}
	}
	return problems
}

var gofmtRule = rule{
	name:  "Go files are formatted",
	check: checkFormat,
	bad: []badSample{
		{sample{"a/a.go": "package a\n\nfunc f() { return  }\n"}, "a/a.go", 3, "gofmt"},
		{sample{"a/a_test.go": "package a\n\nvar x = 1\n\n\n\nvar y = 1\n"}, "a/a_test.go", 5, "gofmt"},
		{sample{"a/a.go": "package a\n\nfunc {\n"}, "a/a.go", 0, "expected"},
	},
	good: []sample{{"a/a.go": "package a\n\nfunc f() { return }\n"}},
}

func checkFormat(t *tree) (problems []problem) {
	for _, f := range t.files {
		if !f.isGo() {
			continue
		}
		want, err := format.Source(f.text)
		if err != nil {
			problems = append(problems, problem{f.path, 0, err.Error()})
			continue
		}
		if !bytes.Equal(want, f.text) {
			problems = append(problems, problem{f.path, firstDifference(f.text, want), "gofmt writes it otherwise"})
		}
	}
	return problems
}

// firstDifference returns the first line, counted from 1, in which a and b differ.
func firstDifference(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return 1 + bytes.Count(a[:n], []byte("\n"))
}

// The words of the two rules below are put together so that this file does not break them.

var openWorkRule = rule{
	name:  "no work is left open in the text",
	check: func(t *tree) []problem { return checkLines(t, openWork, "open work belongs in an issue") },
	bad: []badSample{
		{sample{"a/a.go": "package a\n\n// TO" + "DO: later\n"}, "a/a.go", 3, "issue"},
		{sample{"Dockerfile": "FROM scratch\n# FIX" + "ME\n"}, "Dockerfile", 2, "issue"},
	},
	good: []sample{{"a/a.go": "package a\n\nfunc todo() {}\n", "a.md": "fixme"}},
}

var openWork = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

var machinePathRule = rule{
	name:  "no path of one machine is in the text",
	check: func(t *tree) []problem { return checkLines(t, machinePath, "a path of one machine") },
	bad: []badSample{
		{sample{"README.md": "run it\nin /wo" + "rk/main\n"}, "README.md", 2, "path"},
		{sample{"a/a.go": "package a\n\nconst dir = \"/ho" + "me/ann/src\"\n"}, "a/a.go", 3, "path"},
		{sample{"a.md": "see ../sha" + "red/NOTES.md\n"}, "a.md", 1, "path"},
		{sample{"a.sh": "cd /ro" + "ot/go/bin\n"}, "a.sh", 1, "path"},
	},
	good: []sample{
		{"a.md": "https://example.com/ho" + "me/x, ./work/x, /etc/vpngw/vpngw.toml, /rooted/x\n"},
		{"Dockerfile": "COPY id.pub /ro" + "ot/.ssh/authorized_keys\n"},
		{"a.sh": "rm \"$dir\"/ro" + "ot/x \"${dir}\"/ro" + "ot/x ${dir}/ro" + "ot/x\n"},
	},
}

var machinePath = regexp.MustCompile(`(^|[^\w./}"'-]|(^|[\s=(,:])["'])/(wo` + `rk/|ho` + `me/|ro` + `ot/(go|src|\.cache)\b|Us` + `ers/)|\.\./sha` + `red/`)

// checkLines reports the lines of all text files that match.
func checkLines(t *tree, forbidden *regexp.Regexp, text string) (problems []problem) {
	for _, f := range t.files {
		f.lines(func(line int, content string) {
			if found := forbidden.FindString(content); found != "" {
				problems = append(problems, problem{f.path, line, text + ": " + strings.TrimSpace(found)})
			}
		})
	}
	return problems
}
