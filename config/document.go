package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// document is one TOML file, read but not yet given a meaning.
type document struct {
	name    string         // as the user would name it
	dir     string         // what its relative paths start from
	mode    fs.FileMode    // permissions, 0 if unknown
	root    map[string]any // as the TOML library decodes it
	lines   positions
	partial bool // lines with syntax errors were left out: what seems missing may stand there
}

// parseDocument reads text as TOML. The library stops at the first syntax error, so the line it
// stopped at is blanked and the rest tried again, as long as that line is a "key = value", or was to be
// one: without a table's header, what follows would be read as something else.
func parseDocument(name, text string, mode fs.FileMode) (*document, Problems) {
	doc := &document{name: name, dir: filepath.Dir(name), mode: mode}
	var (
		deep     int
		problems Problems
	)
	for _, bom := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		text = strings.TrimPrefix(text, bom) // as the library does; see U+FEFF in Unicode §23.8
	}
	if doc.lines, deep = scanPositions(text); deep > 0 {
		return doc, Problems{{File: name, Line: deep, Message: "nested too deeply"}}
	}
	for len(problems) < syntaxMax {
		root := map[string]any{}
		_, err := toml.Decode(text, &root)
		if err == nil {
			doc.root = root
			break
		}
		p := syntaxProblem(name, err)
		problems = append(problems, p)
		doc.partial = true
		rest, ok := blankLine(text, p.Line)
		if !ok {
			break
		}
		text = rest
	}
	return doc, problems
}

func syntaxProblem(name string, err error) Problem {
	p := Problem{File: name, Message: err.Error()}
	var parse toml.ParseError
	if errors.As(err, &parse) {
		p.Line = max(parse.Position.Line, 1)
		p.Message = "not TOML: " + strings.TrimSuffix(parse.Message, ".")
		switch {
		case strings.HasPrefix(parse.Message, "expected value but found"):
			// The library goes on with what it found: it could be a key.
			p.Message, p.Fix = "not TOML: what follows the \"=\" is no value", "strings need quotes"
		case strings.HasPrefix(parse.Message, "expected '.' or '='"):
			p.Fix = `write key = value, and "#" before a comment`
		}
	}
	return p
}

// blankLine empties a line of text, from 1, if it is one that parsing can do without.
func blankLine(text string, line int) (string, bool) {
	start := 0
	for range line - 1 {
		n := strings.IndexByte(text[start:], '\n')
		if n < 0 {
			return "", false
		}
		start += n + 1
	}
	end := len(text)
	if n := strings.IndexByte(text[start:], '\n'); n >= 0 {
		end = start + n
	}
	content := strings.TrimSpace(text[start:end])
	if content == "" || content[0] == '[' || !strings.Contains(content, "=") && !startsBareKey(content) {
		return "", false
	}
	return text[:start] + text[end:], true
}

// startsBareKey reports whether a line begins as a key without quotes does: nothing else of TOML but a value
// in a list does, and one without quotes is no value that we know.
func startsBareKey(line string) bool {
	c := line[0]
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// complete reports whether nothing of the file was left out.
func (d *document) complete() bool { return d == nil || !d.partial }
