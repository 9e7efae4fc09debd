package test

import (
	"go/ast"
	"maps"
	"slices"
	"testing"
)

// maySkip lists the test functions that may skip, "path function", with the reason. A test that
// skips everywhere tests nothing, so the reason names where it does not.
var maySkip = map[string]string{
	"test/lab/require.go Require": "needs root and changes network set-up; .ci/run sets its variable and runs it",
}

var skipRule = rule{
	name:  "tests do not skip",
	check: func(t *tree) []problem { return checkSkips(t, maySkip) },
	bad: []badSample{
		{
			sample{"a/a_test.go": "package a\n\nfunc TestA(t *testing.T) {\n\tt.Skip(\"flaky\")\n}\n"},
			"a/a_test.go", 4, "TestA",
		},
		{
			sample{"a/a.go": "package a\n\nfunc Need(tb testing.TB) {\n\ttb.Skipf(\"no %s\", \"root\")\n}\n"},
			"a/a.go", 4, "Need",
		},
		{
			sample{"a/a_test.go": "package a\n\nfunc BenchmarkA(b *testing.B) {\n\tfunc() { b.SkipNow() }()\n}\n"},
			"a/a_test.go", 4, "BenchmarkA",
		},
	},
	good: []sample{{"a/a_test.go": "package a\n\nfunc f() {\n\tparser.Skip(3)\n\tfs.SkipDir()\n}\n"}},
}

func checkSkips(t *tree, allowed map[string]string) (problems []problem) {
	eachSkip(t, func(f *file, function string, call ast.Node) {
		if allowed[f.path+" "+function] == "" {
			problems = append(problems, problem{f.path, t.line(call.Pos()), function + " skips without a listed reason"})
		}
	})
	return problems
}

// eachSkip calls visit for each call that skips, with the function that it stands in.
func eachSkip(t *tree, visit func(f *file, function string, call ast.Node)) {
	t.goFiles(true, func(f *file) {
		for _, decl := range f.ast.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(function, func(n ast.Node) bool {
				if isSkip(n) {
					visit(f, function.Name.Name, n)
				}
				return true
			})
		}
	})
}

// isSkip reports a call of Skip, Skipf or SkipNow of a testing.TB, by the names these have.
func isSkip(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) &&
		slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name)
}

func TestListOfSkipsHoldsNothingElse(t *testing.T) {
	needless := func(repository *tree, allowed map[string]string) []string {
		left := maps.Clone(allowed)
		eachSkip(repository, func(f *file, function string, _ ast.Node) { delete(left, f.path+" "+function) })
		return slices.Sorted(maps.Keys(left))
	}
	for _, key := range needless(readTree(t, ".."), maySkip) {
		t.Errorf("%s does not skip: take it off the list", key)
	}
	skips := sample{"a/a_test.go": "package a\n\nfunc TestA(t *testing.T) {\n\tt.Skip()\n}\n"}
	got := needless(skips.tree(t), map[string]string{"a/a_test.go TestA": "why", "a/a_test.go TestB": "why"})
	if len(got) != 1 || got[0] != "a/a_test.go TestB" {
		t.Errorf("the bad sample is reported as %q", got)
	}
}
