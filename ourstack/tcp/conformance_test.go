package tcp

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write RFC9293.md anew")

// conformanceFile is generated from requirements and from the tags in comments: MUST-1, SHLD-1, MAY-1
// and REC-1 next to the code that does it and in the test that proves it.
const conformanceFile = "RFC9293.md"

var tag = regexp.MustCompile(`\b(?:MUST|SHLD|MAY|REC)-\d+\b`)

// evidence is where tags were found: "file: function" for code, the name for tests.
type evidence struct {
	code, tests map[string][]string
	funcs       map[string]bool // "file: function"
	testNames   map[string]bool
}

func TestConformance(t *testing.T) {
	ev := collectEvidence(t)
	if len(requirements) != 119 {
		t.Errorf("%d requirements, RFC 9293 has 119", len(requirements))
	}
	known := map[string]bool{}
	for i := range requirements {
		r := &requirements[i]
		if known[r.id] {
			t.Errorf("%s is there twice", r.id)
		}
		known[r.id] = true
		for _, problem := range ev.judge(r) {
			t.Errorf("%s: %s", r.id, problem)
		}
	}
	for _, found := range []map[string][]string{ev.code, ev.tests} {
		for id, where := range found {
			if !known[id] {
				t.Errorf("%s in %v is no requirement", id, where)
			}
		}
	}
	got := ev.document()
	if *update {
		if err := os.WriteFile(conformanceFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(conformanceFile)
	if err != nil || string(want) != got {
		t.Errorf("%s is stale (%v): go test ./ourstack/tcp -run TestConformance -update", conformanceFile, err)
	}
}

// TestConformanceSeesGaps proves that the checks above can fail.
func TestConformanceSeesGaps(t *testing.T) {
	ev := &evidence{
		code: map[string][]string{"MUST-1": {"a.go: f"}}, tests: map[string][]string{"MUST-2": {"TestA"}},
		funcs: map[string]bool{"a.go: f": true}, testNames: map[string]bool{"TestA": true},
	}
	for _, tc := range []struct {
		r    requirement
		want string
	}{
		{requirement{id: "MUST-1"}, "no test"},
		{requirement{id: "MUST-2"}, "no code"},
		{requirement{id: "MUST-1", tests: "TestGone"}, "there is no TestGone"},
		{requirement{id: "MUST-2", code: "a.go: g"}, "there is no a.go: g"},
		{requirement{id: "SHLD-9"}, "no code"},
		{requirement{id: "MUST-1", tests: "TestA"}, ""},
		{requirement{id: "MUST-3", reason: "because"}, "no test shows"},
		{requirement{id: "MUST-3", reason: "because", tests: "TestA"}, ""},
		{requirement{id: "MAY-3", reason: "because"}, ""},
	} {
		if got := strings.Join(ev.judge(&tc.r), ", "); tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.r, got, tc.want)
		}
	}
}

// judge returns what a requirement lacks.
func (ev *evidence) judge(r *requirement) (problems []string) {
	for _, f := range split(r.code) {
		if !ev.funcs[f] {
			problems = append(problems, "there is no "+f)
		}
	}
	for _, name := range split(r.tests) {
		if !ev.testNames[name] {
			problems = append(problems, "there is no "+name)
		}
	}
	tested := len(ev.tests[r.id]) > 0 || r.tests != ""
	if r.reason != "" {
		if strings.HasPrefix(r.id, "MUST") && !tested {
			problems = append(problems, "no test shows what happens instead")
		}
		return problems
	}
	if len(ev.code[r.id]) == 0 && r.code == "" {
		problems = append(problems, "no code is tagged with it")
	}
	if !tested {
		problems = append(problems, "no test is tagged with it")
	}
	return problems
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, "; ")
}

// collectEvidence reads the packages that make up the stack.
func collectEvidence(t *testing.T) *evidence {
	t.Helper()
	ev := &evidence{code: map[string][]string{}, tests: map[string][]string{}, funcs: map[string]bool{}, testNames: map[string]bool{}}
	for _, dir := range []string{".", "..", "../wire"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			if !strings.HasPrefix(filepath.Base(file), "conformance") {
				ev.readFile(t, file)
			}
		}
	}
	for _, found := range []map[string][]string{ev.code, ev.tests} {
		for id := range found {
			slices.Sort(found[id])
			found[id] = slices.Compact(found[id])
		}
	}
	return ev
}

// readFile finds the tags in the comments of one file and the declarations they belong to.
func (ev *evidence) readFile(t *testing.T, file string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.ToSlash(filepath.Join("tcp", file)) // relative to ourstack
	isTest := strings.HasSuffix(file, "_test.go")
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			ev.funcs[name+": "+fn.Name.Name] = true
			if isTest && fn.Recv == nil {
				ev.testNames[fn.Name.Name] = true
			}
		}
	}
	for _, group := range f.Comments {
		for _, id := range tag.FindAllString(group.Text(), -1) {
			switch where := enclosing(f, group); {
			case !isTest && where == "":
				ev.code[id] = append(ev.code[id], name)
			case !isTest:
				ev.code[id] = append(ev.code[id], name+": "+where)
			case strings.HasPrefix(where, "Test") || strings.HasPrefix(where, "Fuzz"):
				ev.tests[id] = append(ev.tests[id], where)
			}
		}
	}
}

// enclosing is the name of the declaration that a comment documents, is in, or ends the first line of.
func enclosing(f *ast.File, group *ast.CommentGroup) string {
	for _, d := range f.Decls {
		from, name := d.Pos(), ""
		switch d := d.(type) {
		case *ast.FuncDecl:
			name = d.Name.Name
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
		case *ast.GenDecl:
			if d.Doc != nil {
				from = d.Doc.Pos()
			}
			if ts, ok := d.Specs[0].(*ast.TypeSpec); ok {
				name = ts.Name.Name
			}
		}
		if from <= group.Pos() && group.End() <= d.End() {
			return name
		}
	}
	return ""
}

// document is the text of RFC9293.md.
func (ev *evidence) document() string {
	var b strings.Builder
	b.WriteString("# RFC 9293, requirement by requirement\n\n")
	b.WriteString("Generated from the tags in code and tests: `go test ./ourstack/tcp -run TestConformance -update`.\n")
	b.WriteString("Files are relative to `ourstack`. Wording is ours; the numbers are those of appendix B.\n\n")
	b.WriteString("| | § | Requirement | Code | Tests |\n|---|---|---|---|---|\n")
	for i := range requirements {
		r := &requirements[i]
		code := append(slices.Clone(ev.code[r.id]), split(r.code)...)
		tests := append(slices.Clone(ev.tests[r.id]), split(r.tests)...)
		slices.Sort(tests)
		tests = slices.Compact(tests)
		if r.reason != "" {
			fmt.Fprintf(&b, "| %s | %s | %s | *%s* | %s |\n", r.id, r.section, r.text, r.reason, strings.Join(tests, ", "))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.id, r.section, r.text, strings.Join(code, "<br>"), strings.Join(tests, ", "))
	}
	return b.String()
}
