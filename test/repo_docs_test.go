package test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

var packageDocRule = rule{
	name:  "every package has doc.go with a comment",
	check: checkPackageDoc,
	bad: []badSample{
		{sample{"a/a.go": "// Package a is in the wrong file.\npackage a\n"}, "a/doc.go", 0, "missing"},
		{sample{"a/doc.go": "package a\n"}, "a/doc.go", 1, "no package comment"},
		{sample{"a/doc.go": "// What is this?\npackage a\n"}, "a/doc.go", 1, "Package a "},
		{sample{"a/doc.go": "// Package a is cut off from its clause.\n\npackage a\n"}, "a/doc.go", 3, "no package comment"},
		{sample{"a/b/a_test.go": "package b\n"}, "a/b/doc.go", 0, "missing"},
	},
	good: []sample{
		{"a/doc.go": "// Package a does a.\npackage a\n", "a/a.go": "package a\n"},
		{"a/doc.go": "// Command a does a.\npackage main\n", "a/README.md": "text"},
	},
}

func checkPackageDoc(t *tree) (problems []problem) {
	var folders []string
	docs := make(map[string]*file)
	t.goFiles(true, func(f *file) {
		if !slices.Contains(folders, f.dir()) {
			folders = append(folders, f.dir())
		}
		if strings.HasSuffix(f.path, "/doc.go") {
			docs[f.dir()] = f
		}
	})
	for _, folder := range folders {
		f := docs[folder]
		if f == nil {
			problems = append(problems, problem{folder + "/doc.go", 0, "missing"})
			continue
		}
		start := "Package " + f.ast.Name.Name + " "
		if f.ast.Name.Name == "main" {
			start = "Command "
		}
		switch line := t.line(f.ast.Package); {
		case f.ast.Doc == nil:
			problems = append(problems, problem{f.path, line, "no package comment"})
		case !strings.HasPrefix(f.ast.Doc.Text(), start):
			line = t.line(f.ast.Doc.Pos())
			problems = append(problems, problem{f.path, line, "the comment does not start with " + start})
		}
	}
	return problems
}

var exportedDocRule = rule{
	name:  "exported names have comments",
	check: checkExportedDocs,
	bad: []badSample{
		{sample{"a/a.go": "package a\n\nfunc F() {}\n"}, "a/a.go", 3, "F has no comment"},
		{sample{"a/a.go": "package a\n\ntype T int\n"}, "a/a.go", 3, "T has no comment"},
		{sample{"a/a.go": "package a\n\nvar x, V int\n"}, "a/a.go", 3, "V has no comment"},
		{sample{"a/a.go": "package a\n\nconst (\n\tx = 1\n\tC = 2\n)\n"}, "a/a.go", 5, "C has no comment"},
		{
			sample{"a/a.go": "package a\n\n// T is a type.\ntype T int\n\nfunc (t *T) M() {}\n"},
			"a/a.go", 6, "T.M has no comment",
		},
		{
			sample{"a/a.go": "package a\n\n// T is a type.\ntype T[K any] struct{}\n\nfunc (t *T[K]) M() {}\n"},
			"a/a.go", 6, "T.M has no comment",
		},
		{sample{"a/a.go": "package a\n\n// Makes it.\nfunc F() {}\n"}, "a/a.go", 3, "does not start with F"},
	},
	good: []sample{
		{"a/a.go": "package a\n\n// Limits.\nconst (\n\tC = 1\n\tD = 2\n)\n\nvar V int // a variable\n"},
		{"a/a.go": "package a\n\ntype t int\n\nfunc (t) M() {}\n\nfunc f() {}\n"},
		{"a/a.go": "package a\n\n// A T is a type.\ntype T int\n\n// M is a method.\nfunc (T) M() {}\n"},
		{"a/a_test.go": "package a\n\nfunc TestF() {}\n"},
	},
}

func checkExportedDocs(t *tree) (problems []problem) {
	report := func(f *file, n ast.Node, text string) {
		problems = append(problems, problem{f.path, t.line(n.Pos()), text})
	}
	t.goFiles(false, func(f *file) {
		for _, decl := range f.ast.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				name, ok := exportedFunc(d)
				if ok && d.Doc == nil {
					report(f, d, name+" has no comment")
				} else if ok && !startsWithName(d.Doc, d.Name.Name) {
					report(f, d.Doc, "the comment does not start with "+d.Name.Name)
				}
			case *ast.GenDecl:
				for _, name := range uncommented(d) {
					report(f, name, name.Name+" has no comment")
				}
			}
		}
	})
	return problems
}

// exportedFunc returns the name of an exported function, or of an exported method of an exported
// type.
func exportedFunc(d *ast.FuncDecl) (name string, ok bool) {
	if !d.Name.IsExported() || d.Recv == nil {
		return d.Name.Name, d.Name.IsExported()
	}
	receiver := d.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.IndexExpr:
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.Name + "." + d.Name.Name, r.IsExported()
		default:
			return "", false
		}
	}
}

func startsWithName(doc *ast.CommentGroup, name string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(doc.Text()), " ")
	return strings.TrimRight(strings.TrimSpace(first), ",:") == name || first == "Deprecated:"
}

// uncommented returns the exported names of a declaration that neither it, nor their own line,
// explains.
func uncommented(d *ast.GenDecl) (names []*ast.Ident) {
	if d.Tok == token.IMPORT || d.Doc != nil {
		return nil
	}
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names
}
