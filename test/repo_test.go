package test

import (
	"slices"
	"strings"
	"testing"
)

// A rule holds for the whole repository.
type rule struct {
	name  string
	check func(*tree) []problem
	bad   []badSample
	good  []sample // near misses, which must pass
}

// A problem is one place that breaks a rule. Line is 0 when the file as a whole does.
type problem struct {
	path string
	line int
	text string
}

// A badSample breaks the rule in one place, and the rule must say so there.
type badSample struct {
	files sample
	path  string
	line  int
	text  string // part of the problem's text
}

// rules is the list; a rule that is not here is not checked.
var rules = []rule{
	importRule,
	clockRule,
	randomRule,
	goroutineRule,
	fileLengthRule,
	functionLengthRule,
	packageDocRule,
	exportedDocRule,
	fileNameRule,
	gofmtRule,
	openWorkRule,
	machinePathRule,
	skipRule,
	scenarioRule,
}

func TestRepositoryKeepsItsRules(t *testing.T) {
	repository := readTree(t, "..")
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range r.check(repository) {
				t.Errorf("%s:%d: %s", p.path, p.line, p.text)
			}
		})
	}
}

func TestEachRuleReportsItsBadSamples(t *testing.T) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			if len(r.bad) == 0 {
				t.Error("no bad sample: nothing shows that this rule can fail")
			}
			for _, s := range r.bad {
				if got := r.check(s.files.tree(t)); len(got) != 1 || !s.isReportedBy(got[0]) {
					t.Errorf("want %s:%d: …%s…, got %v", s.path, s.line, s.text, got)
				}
			}
			for _, s := range r.good {
				for _, p := range r.check(s.tree(t)) {
					t.Errorf("good sample: %s:%d: %s", p.path, p.line, p.text)
				}
			}
		})
	}
}

func (s badSample) isReportedBy(p problem) bool {
	return p.path == s.path && p.line == s.line && strings.Contains(p.text, s.text)
}

// TestRepositoryTreeIsNotEmpty keeps the rules from passing over nothing.
func TestRepositoryTreeIsNotEmpty(t *testing.T) {
	repository := readTree(t, "..")
	for _, path := range []string{"go.mod", "test/doc.go", "ourstack/wire/tcp.go", "ourstack/seqnum/seqnum.go"} {
		if !slices.ContainsFunc(repository.files, func(f *file) bool { return f.path == path }) {
			t.Errorf("%s is not in the tree", path)
		}
	}
}
