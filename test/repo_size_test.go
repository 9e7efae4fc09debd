package test

import (
	"bytes"
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Limits on code that is not a test, in lines, comments included: a file is one concern that is
// read in one sitting, a function fits two screens. The targets are 150 and 70.
const (
	maxFileLines     = 500
	maxFunctionLines = 100
)

// tooLong lists what is over a limit, "path" or "path function", with its length. It may only
// shrink: a length above its entry is a problem, and so is one below.
var tooLong = map[string]int{}

var fileLengthRule = rule{
	name:  "files are short",
	check: func(t *tree) []problem { return checkFileLength(t, tooLong) },
	bad: []badSample{
		{sample{"a/a.go": "package a\n" + strings.Repeat("\n", maxFileLines)}, "a/a.go", 0, "501 lines"},
	},
	good: []sample{
		{"a/a.go": "package a\n" + strings.Repeat("\n", maxFileLines-1)},
		{"a/a_test.go": "package a\n" + strings.Repeat("\n", maxFileLines)},
	},
}

func checkFileLength(t *tree, allowed map[string]int) (problems []problem) {
	eachFileLength(t, func(f *file, n int) {
		if n > max(maxFileLines, allowed[f.path]) {
			problems = append(problems, problem{f.path, 0, fmt.Sprintf("%d lines", n)})
		}
	})
	return problems
}

func eachFileLength(t *tree, visit func(f *file, n int)) {
	t.goFiles(false, func(f *file) { visit(f, bytes.Count(f.text, []byte("\n"))) })
}

var functionLengthRule = rule{
	name:  "functions are short",
	check: func(t *tree) []problem { return checkFunctionLength(t, tooLong) },
	bad: []badSample{
		{
			sample{"a/a.go": "package a\n\nfunc f() {\n" + strings.Repeat("\n", maxFunctionLines-1) + "}\n"},
			"a/a.go", 3, "101 lines",
		},
		{
			sample{"a/a.go": "package a\n\nvar f = func() {\n" + strings.Repeat("\n", maxFunctionLines-1) + "}\n"},
			"a/a.go", 3, "101 lines",
		},
	},
	good: []sample{
		{"a/a.go": "package a\n\n// f is long enough.\nfunc f() {\n" + strings.Repeat("\n", maxFunctionLines-2) + "}\n"},
		{"a/a_test.go": "package a\n\nfunc f() {\n" + strings.Repeat("\n", maxFunctionLines) + "}\n"},
	},
}

func checkFunctionLength(t *tree, allowed map[string]int) (problems []problem) {
	eachFunctionLength(t, func(f *file, name string, line, n int) {
		if n > max(maxFunctionLines, allowed[f.path+" "+name]) {
			problems = append(problems, problem{f.path, line, fmt.Sprintf("%s: %d lines", name, n)})
		}
	})
	return problems
}

// eachFunctionLength calls visit for each declared function, and each literal outside of one.
func eachFunctionLength(t *tree, visit func(f *file, name string, line, n int)) {
	t.goFiles(false, func(f *file) {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			name := ""
			switch n := n.(type) {
			case *ast.FuncDecl:
				name = n.Name.Name
			case *ast.FuncLit:
				name = "func"
			default:
				return true
			}
			first := t.line(n.Pos())
			visit(f, name, first, t.line(n.End())-first+1)
			return false
		})
	})
}

func TestListOfTooLongOnlyShrinks(t *testing.T) {
	check := func(repository *tree, allowed map[string]int) []string {
		left := maps.Clone(allowed)
		needed := func(key string, n, limit int) {
			if n > limit && n == allowed[key] {
				delete(left, key)
			}
		}
		eachFileLength(repository, func(f *file, n int) { needed(f.path, n, maxFileLines) })
		eachFunctionLength(repository, func(f *file, name string, _, n int) {
			needed(f.path+" "+name, n, maxFunctionLines)
		})
		return slices.Sorted(maps.Keys(left))
	}
	for _, key := range check(readTree(t, ".."), tooLong) {
		t.Errorf("%s is not as long as the list says: correct or remove the entry", key)
	}
	long := sample{"a/a.go": "package a\n" + strings.Repeat("\n", maxFileLines+9)}
	for entry, want := range map[int]int{maxFileLines + 10: 0, maxFileLines + 11: 1, maxFileLines: 1} {
		if got := check(long.tree(t), map[string]int{"a/a.go": entry}); len(got) != want {
			t.Errorf("entry of %d lines is reported as %q", entry, got)
		}
	}
	if got := check(long.tree(t), map[string]int{"a/gone.go": 501}); len(got) != 1 {
		t.Errorf("entry of a file that is gone is reported as %q", got)
	}
}
