package config

import (
	"strconv"
	"strings"
)

// positions maps the path of every table, key and list element of a TOML file to its line, from 1:
// "interface", "interface.mtu", "peer[1]", "peer[1].allowed_ips[0]".
//
// The TOML library knows the lines too but keeps them to itself, and says only where it stopped. So
// this is a second, forgiving reading of the same text: it checks nothing, and on text that is not
// TOML it merely finds less.
type positions map[string]int

// line returns the line of the first of the paths that has one, or 0. The line of a list of tables
// is that of the first.
func (ps positions) line(paths ...string) int {
	for _, p := range paths {
		if n := ps[p]; n > 0 {
			return n
		}
		if n := ps[indexPath(p, 0)]; n > 0 {
			return n
		}
	}
	return 0
}

// scanner is one pass over a TOML text.
type scanner struct {
	text   string
	off    int
	at     int            // line of off, from 1
	table  string         // path of the table we are in
	arrays map[string]int // path of an array of tables → tables so far
	found  positions
	deep   int // line of something nested deeper than nestingMax, or 0
}

// scanPositions finds the lines of text. deep is the line where it is nested so deeply that
// parsing it would be unwise, or 0.
func scanPositions(text string) (found positions, deep int) {
	s := scanner{text: text, at: 1, arrays: map[string]int{}, found: positions{}}
	for s.deep == 0 {
		s.skipBlank()
		if s.off >= len(s.text) {
			break
		}
		before := s.off
		if s.text[s.off] == '[' {
			s.header()
		} else {
			s.keyValue(s.table, 0)
		}
		if s.off == before || !s.atLineEnd() {
			s.skipLine() // what stands there is a syntax error, reported elsewhere
		}
	}
	return s.found, s.deep
}

// header reads "[a.b]" or "[[a.b]]".
func (s *scanner) header() {
	line := s.at
	isArray := strings.HasPrefix(s.text[s.off:], "[[")
	s.off++
	if isArray {
		s.off++
	}
	path := ""
	parts := s.keyParts()
	for i, part := range parts {
		path = joinPath(path, part)
		if i == len(parts)-1 {
			break
		}
		if n := s.arrays[path]; n > 0 {
			path = indexPath(path, n-1) // a table inside the last one of an array
		}
		s.note(path, line)
	}
	if isArray {
		s.arrays[path]++
		path = indexPath(path, s.arrays[path]-1)
	}
	s.table = path
	s.note(path, line)
	for s.off < len(s.text) && s.text[s.off] == ']' {
		s.off++
	}
}

// keyValue reads "a.b = value" inside the table at path.
func (s *scanner) keyValue(path string, depth int) {
	line := s.at
	for _, part := range s.keyParts() {
		path = joinPath(path, part)
		s.note(path, line)
	}
	if s.off < len(s.text) && s.text[s.off] == '=' {
		s.off++
		s.skipSpace()
		s.value(path, depth)
	}
}

// value reads what stands to the right of "=", or one element of a list.
func (s *scanner) value(path string, depth int) {
	if depth > nestingMax {
		s.deep = s.at
		return
	}
	if s.off >= len(s.text) {
		return
	}
	switch s.text[s.off] {
	case '"', '\'':
		s.quoted()
	case '[':
		s.list(path, depth)
	case '{':
		s.inlineTable(path, depth)
	default:
		for s.off < len(s.text) && !strings.ContainsRune(",]}#\n", rune(s.text[s.off])) {
			s.off++
		}
	}
}

// list reads "[ value, … ]", which may span lines.
func (s *scanner) list(path string, depth int) {
	s.off++
	for i := 0; s.deep == 0; i++ {
		s.skipBlank()
		if s.off >= len(s.text) || s.text[s.off] == ']' {
			s.off = min(s.off+1, len(s.text))
			return
		}
		element := indexPath(path, i)
		s.note(element, s.at)
		before := s.off
		s.value(element, depth+1)
		if !s.nextElement(']') && s.off == before {
			return
		}
	}
}

// inlineTable reads "{ key = value, … }".
func (s *scanner) inlineTable(path string, depth int) {
	s.off++
	for s.deep == 0 {
		s.skipBlank()
		if s.off >= len(s.text) || s.text[s.off] == '}' {
			s.off = min(s.off+1, len(s.text))
			return
		}
		before := s.off
		s.keyValue(path, depth+1)
		if !s.nextElement('}') && s.off == before {
			return
		}
	}
}

// nextElement steps over a comma; false if there is none and the end is not there either.
func (s *scanner) nextElement(end byte) bool {
	s.skipBlank()
	if s.off >= len(s.text) {
		return false
	}
	if s.text[s.off] == ',' {
		s.off++
		return true
	}
	return s.text[s.off] == end
}

// keyParts reads a dotted key, whose parts may be quoted, and the space after it.
func (s *scanner) keyParts() []string {
	var parts []string
	for {
		s.skipSpace()
		start := s.off
		if s.off < len(s.text) && (s.text[s.off] == '"' || s.text[s.off] == '\'') {
			s.quoted()
			parts = append(parts, unquote(s.text[start:s.off]))
		} else {
			for s.off < len(s.text) && !strings.ContainsRune(".=]}[{,#\n\r\t ", rune(s.text[s.off])) {
				s.off++
			}
			parts = append(parts, s.text[start:s.off])
		}
		s.skipSpace()
		if s.off >= len(s.text) || s.text[s.off] != '.' {
			return parts
		}
		if len(parts) > nestingMax {
			s.deep = s.at
			return parts
		}
		s.off++
	}
}

// quoted steps over a string of any of the four kinds. Only the two with three quotes span lines.
func (s *scanner) quoted() {
	quote := s.text[s.off : s.off+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s.text[s.off:], triple) {
		quote = triple
	}
	s.off += len(quote)
	for s.off < len(s.text) {
		c := s.text[s.off]
		switch {
		case strings.HasPrefix(s.text[s.off:], quote):
			s.off += len(quote)
			for len(quote) == 3 && strings.HasPrefix(s.text[s.off:], quote[:1]) {
				s.off++ // up to two quotes may stand before the closing three
			}
			return
		case c == '\n' && len(quote) == 1:
			return
		case c == '\\' && quote[0] == '"' && s.off+1 < len(s.text) && s.text[s.off+1] != '\n':
			s.off++
		case c == '\n':
			s.at++
		}
		s.off++
	}
}

// note records the first line of path.
func (s *scanner) note(path string, line int) {
	if _, known := s.found[path]; !known {
		s.found[path] = line
	}
}

// skipSpace steps over blanks within a line.
func (s *scanner) skipSpace() {
	for s.off < len(s.text) && (s.text[s.off] == ' ' || s.text[s.off] == '\t' || s.text[s.off] == '\r') {
		s.off++
	}
}

// skipBlank steps over blanks, comments and ends of lines.
func (s *scanner) skipBlank() {
	for s.off < len(s.text) {
		switch s.text[s.off] {
		case ' ', '\t', '\r':
			s.off++
		case '\n':
			s.off++
			s.at++
		case '#':
			s.skipLine()
		default:
			return
		}
	}
}

// skipLine steps to the end of the line.
func (s *scanner) skipLine() {
	if n := strings.IndexByte(s.text[s.off:], '\n'); n >= 0 {
		s.off += n
	} else {
		s.off = len(s.text)
	}
}

// atLineEnd steps over blanks and reports whether nothing but a comment is left of the line.
func (s *scanner) atLineEnd() bool {
	s.skipSpace()
	return s.off >= len(s.text) || s.text[s.off] == '\n' || s.text[s.off] == '#'
}

func joinPath(path, part string) string {
	if path == "" {
		return part
	}
	return path + "." + part
}

func indexPath(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// unquote returns what a quoted key means; a malformed one stays as it is.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '\'' {
		return strings.Trim(s, "'")
	}
	if u, err := strconv.Unquote(s); err == nil {
		return u
	}
	return s
}
