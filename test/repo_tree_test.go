package test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A tree is the text files of a repository.
type tree struct {
	fset  *token.FileSet
	files []*file
}

// A file is one of them. Paths are relative to the root and separated by slashes.
type file struct {
	path string
	text []byte
	ast  *ast.File // nil when it is not Go or does not parse, which gofmtRule reports
}

// A sample is a small tree, text by path.
type sample map[string]string

// dir returns the folder of the file; the root is ".".
func (f *file) dir() string { return path.Dir(f.path) }

func (f *file) isGo() bool { return strings.HasSuffix(f.path, ".go") }

func (f *file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// in reports whether the file lies in folder or below it.
func (f *file) in(folder string) bool { return strings.HasPrefix(f.path, folder+"/") }

// lines calls visit for each line, counted from 1.
func (f *file) lines(visit func(line int, text string)) {
	n := 0
	for text := range bytes.Lines(f.text) {
		n++
		visit(n, string(bytes.TrimRight(text, "\r\n")))
	}
}

// line returns the line of a position in a file of the tree.
func (t *tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// goFiles calls visit for the Go files that parse, tests only when asked for.
func (t *tree) goFiles(tests bool, visit func(*file)) {
	for _, f := range t.files {
		if f.ast != nil && (tests || !f.isTest()) {
			visit(f)
		}
	}
}

// inspect calls visit for every node of the Go files in folder that are not tests.
func (t *tree) inspect(folder string, visit func(*file, ast.Node)) {
	t.goFiles(false, func(f *file) {
		if !f.in(folder) {
			return
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if n != nil {
				visit(f, n)
			}
			return true
		})
	})
}

// add puts a file into the tree, in the order of calls.
func (t *tree) add(name string, text []byte) {
	f := &file{path: name, text: text}
	if f.isGo() {
		parsed, err := parser.ParseFile(t.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			f.ast = parsed
		}
	}
	t.files = append(t.files, f)
}

func (s sample) tree(t *testing.T) *tree {
	t.Helper()
	out := &tree{fset: token.NewFileSet()}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		out.add(name, []byte(s[name]))
	}
	return out
}

// readTree reads the text files below root, without what .gitignore names and without testdata,
// which may be broken on purpose.
func readTree(t *testing.T, root string) *tree {
	t.Helper()
	out := &tree{fset: token.NewFileSet()}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == ".git" || rel == "vpngw-state" || rel == "dist" || path.Base(rel) == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || isArtefact(rel) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if utf8.Valid(text) && bytes.IndexByte(text, 0) < 0 {
			out.add(rel, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// isArtefact tells what the go command leaves in the tree.
func isArtefact(rel string) bool {
	return rel == "vpngw" || strings.HasSuffix(rel, ".test") || strings.HasSuffix(rel, ".prof")
}
