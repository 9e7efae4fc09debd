package test

import (
	"fmt"
	"go/ast"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scenarioFile lists the bugs of other stacks with the tests that cover them.
const scenarioFile = "ourstack/SCENARIOS.md"

// scenarioCount is how many there are.
const scenarioCount = 40

var scenarioRule = rule{
	name:  "every scenario has its tests",
	check: checkScenarios,
	bad: []badSample{
		{sample{scenarioFile: "| 1 | x | y | `a.TestA` |\n"}, scenarioFile, 1, "there is no a.TestA"},
		{sample{scenarioFile: "\n| 1 | x | y |  |\n"}, scenarioFile, 2, "names no test"},
		{sample{scenarioFile: "| 2 | x | y | `a.TestA` |\n", "a/a_test.go": testOf("TestA")}, scenarioFile, 1, "row 2, want 1"},
		{
			sample{scenarioFile: "| 1 | x | y | `a.TestA` `b.TestA` |\n", "a/a_test.go": testOf("TestA")},
			scenarioFile, 1, "there is no b.TestA",
		},
		{
			sample{scenarioFile: "| 1 | x | y | `a.TestA` |\n", "a/a.go": testOf("TestA")}, // not a test file
			scenarioFile, 1, "there is no a.TestA",
		},
		{
			sample{
				scenarioFile:  "| 1 | x | y | `a.TestA` |\n",
				"a/a_test.go": "package a\n\n// Bug class 2 is in no row.\nfunc TestA(t *testing.T) {}\n",
			},
			"a/a_test.go", 3, "bug class 2",
		},
	},
	good: []sample{
		{
			scenarioFile:    "| # | x |\n|---|---|\n| 1 | x | y | `a/b.TestA` `a/b.FuzzB` |\n",
			"a/b/c_test.go": "package b\n\nfunc TestA(t *testing.T) {} // bug class 1\n\nfunc FuzzB(f *testing.F) {}\n",
		},
		{"a/a_test.go": testOf("TestA")},
	},
}

func testOf(name string) string { return "package a\n\nfunc " + name + "(t *testing.T) {}\n" }

var (
	scenarioRow  = regexp.MustCompile(`^\| *(\d+) *\|.*\|([^|]*)\|$`)
	scenarioTest = regexp.MustCompile("`([^`]+)`")
	scenarioTag  = regexp.MustCompile(`(?i)\bbug class (\d+)`)
)

func checkScenarios(t *tree) (problems []problem) {
	var list *file
	for _, f := range t.files {
		if f.path == scenarioFile {
			list = f
		}
	}
	if list == nil {
		return nil
	}
	tests := testNames(t)
	rows := 0
	list.lines(func(line int, text string) {
		row := scenarioRow.FindStringSubmatch(text)
		if row == nil {
			return
		}
		report := func(format string, args ...any) {
			problems = append(problems, problem{list.path, line, fmt.Sprintf(format, args...)})
		}
		if rows++; row[1] != strconv.Itoa(rows) {
			report("row %s, want %d", row[1], rows)
		}
		named := scenarioTest.FindAllStringSubmatch(row[2], -1)
		if len(named) == 0 {
			report("row %s names no test", row[1])
		}
		for _, name := range named {
			if !tests[name[1]] {
				report("there is no %s", name[1])
			}
		}
	})
	return append(problems, checkScenarioTags(t, rows)...)
}

// testNames are the tests of the tree as "folder.TestName".
func testNames(t *tree) map[string]bool {
	names := map[string]bool{}
	t.goFiles(true, func(f *file) {
		if !f.isTest() {
			return
		}
		for _, decl := range f.ast.Decls {
			d, ok := decl.(*ast.FuncDecl)
			if ok && d.Recv == nil && (strings.HasPrefix(d.Name.Name, "Test") || strings.HasPrefix(d.Name.Name, "Fuzz")) {
				names[f.dir()+"."+d.Name.Name] = true
			}
		}
	})
	return names
}

// checkScenarioTags looks for numbers in comments that no row has.
func checkScenarioTags(t *tree, rows int) (problems []problem) {
	t.goFiles(true, func(f *file) {
		for _, group := range f.ast.Comments {
			for _, tag := range scenarioTag.FindAllStringSubmatch(group.Text(), -1) {
				if n, err := strconv.Atoi(tag[1]); err != nil || n < 1 || n > rows {
					problems = append(problems, problem{f.path, t.line(group.Pos()), "there is no row for bug class " + tag[1]})
				}
			}
		}
	})
	return problems
}

func TestScenariosAreAllThere(t *testing.T) {
	rows := 0
	for _, f := range readTree(t, "..").files {
		if f.path == scenarioFile {
			f.lines(func(_ int, text string) {
				if scenarioRow.MatchString(text) {
					rows++
				}
			})
		}
	}
	if rows != scenarioCount {
		t.Errorf("%s has %d rows, want %d", scenarioFile, rows, scenarioCount)
	}
}
