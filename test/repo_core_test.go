package test

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// coreFolder is the part of the tree that runs on a time and a randomness handed down to it, so
// that a whole network of stacks is repeatable from one seed.
const coreFolder = "ourstack"

var clockRule = rule{
	name: "ourstack reads no clock",
	check: func(t *tree) []problem {
		return checkSelectors(t, "time", func(name string) bool { return slices.Contains(clockNames, name) })
	},
	bad: []badSample{
		{
			sample{"ourstack/tcp/a.go": "package tcp\n\nimport \"time\"\n\nvar x = time.Now()\n"},
			"ourstack/tcp/a.go", 5, "time.Now",
		},
		{
			sample{"ourstack/a.go": "package ourstack\n\nimport clock \"time\"\n\nvar f = clock.AfterFunc\n"},
			"ourstack/a.go", 5, "time.AfterFunc",
		},
		{
			sample{"ourstack/a.go": "package ourstack\n\nimport . \"time\"\n\nvar f = Now\n"},
			"ourstack/a.go", 3, "import of time with a dot",
		},
	},
	good: []sample{
		{"ourstack/a.go": "package ourstack\n\nimport \"time\"\n\nconst msl = 30 * time.Second\n"},
		{"ourstack/a_test.go": "package ourstack\n\nimport \"time\"\n\nvar x = time.Now()\n"},
		{"adapter/a.go": "package adapter\n\nimport \"time\"\n\nvar x = time.Now()\n"},
	},
}

var clockNames = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Timer", "Ticker",
}

var randomRule = rule{
	name: "ourstack draws no global randomness",
	check: func(t *tree) []problem {
		problems := checkSelectors(t, "math/rand/v2", func(name string) bool {
			return !slices.Contains(seededNames, name)
		})
		return append(problems, checkSelectors(t, "crypto/rand", func(string) bool { return true })...)
	},
	bad: []badSample{
		{
			sample{"ourstack/a.go": "package ourstack\n\nimport \"math/rand/v2\"\n\nvar x = rand.IntN(3)\n"},
			"ourstack/a.go", 5, "math/rand/v2.IntN",
		},
		{
			sample{"ourstack/tcp/a.go": "package tcp\n\nimport r \"crypto/rand\"\n\nvar x = r.Reader\n"},
			"ourstack/tcp/a.go", 5, "crypto/rand.Reader",
		},
	},
	good: []sample{
		{"ourstack/a.go": "package ourstack\n\nimport \"math/rand/v2\"\n\nvar x *rand.ChaCha8 = rand.NewChaCha8(seed)\n"},
	},
}

// seededNames are what math/rand/v2 has for a generator of one's own.
var seededNames = []string{"ChaCha8", "New", "NewChaCha8", "NewPCG", "NewZipf", "PCG", "Rand", "Source", "Zipf"}

// checkSelectors reports the forbidden names of a package, whatever it is imported as.
func checkSelectors(t *tree, pkg string, isForbidden func(name string) bool) (problems []problem) {
	t.inspect(coreFolder, func(f *file, n ast.Node) {
		switch n := n.(type) {
		case *ast.ImportSpec:
			if n.Path.Value == strconv.Quote(pkg) && n.Name != nil && n.Name.Name == "." {
				problems = append(problems, problem{f.path, t.line(n.Pos()), "import of " + pkg + " with a dot"})
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if ok && isForbidden(n.Sel.Name) && x.Name == importName(f.ast, pkg) {
				problems = append(problems, problem{f.path, t.line(n.Pos()), pkg + "." + n.Sel.Name})
			}
		}
	})
	return problems
}

// importName returns the name by which the file knows pkg, or "" when it does not import it.
func importName(f *ast.File, pkg string) string {
	for _, spec := range f.Imports {
		if spec.Path.Value != strconv.Quote(pkg) {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		name := strings.TrimSuffix(pkg, "/v2")
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	return ""
}

var goroutineRule = rule{
	name:  "ourstack starts no goroutine and never waits",
	check: checkGoroutines,
	bad: []badSample{
		{sample{"ourstack/tcp/a.go": "package tcp\n\nfunc f() {\n\tgo f()\n}\n"}, "ourstack/tcp/a.go", 4, "go statement"},
		{sample{"ourstack/a.go": "package ourstack\n\nfunc f() {\n\tselect {}\n}\n"}, "ourstack/a.go", 4, "select"},
		{sample{"ourstack/a.go": "package ourstack\n\nvar c chan int\n"}, "ourstack/a.go", 3, "channel"},
		{
			sample{"ourstack/a.go": "package ourstack\n\nimport \"sync\"\n\nvar c sync.Cond\n"},
			"ourstack/a.go", 5, "sync.Cond",
		},
	},
	good: []sample{
		{"ourstack/a.go": "package ourstack\n\nimport \"sync\"\n\nvar mu sync.Mutex\n"},
		{"ourstack/a_test.go": "package ourstack\n\nfunc f() {\n\tgo f()\n}\n"},
		{"adapter/a.go": "package adapter\n\nfunc f() {\n\tgo f()\n}\n"},
	},
}

func checkGoroutines(t *tree) (problems []problem) {
	t.inspect(coreFolder, func(f *file, n ast.Node) {
		text := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			text = "go statement"
		case *ast.SelectStmt:
			text = "select statement"
		case *ast.ChanType:
			text = "channel type"
		case *ast.SendStmt:
			text = "send on a channel"
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				text = "receive from a channel"
			}
		}
		if text != "" {
			problems = append(problems, problem{f.path, t.line(n.Pos()), text})
		}
	})
	waits := []string{"Cond", "NewCond", "WaitGroup"}
	return append(problems, checkSelectors(t, "sync", func(name string) bool { return slices.Contains(waits, name) })...)
}
