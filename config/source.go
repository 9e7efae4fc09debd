package config

import (
	"fmt"
	"reflect"
	"strings"
)

// source says where a table stands, so that a problem in it can be located.
type source struct {
	doc    *document            // nil if it stands in no file
	path   string               // of the table, as in positions; "" is the top level
	label  string               // what a key is prefixed with for people
	set    map[string]bool      // keys that are there
	bad    map[string]bool      // keys whose value could not be read
	inline []string             // keys with a secret for a value
	nested map[string][]*source // the tables [[path.key]] by their key
}

func newSource(doc *document, path, label string) *source {
	return &source{
		doc: doc, path: path, label: label,
		set: map[string]bool{}, bad: map[string]bool{}, nested: map[string][]*source{},
	}
}

// tableSources returns a source for every table of the schema but [[peer]], there or not.
func tableSources(doc *document) map[string]*source {
	tables := map[string]*source{}
	for _, key := range tableKeys(reflect.TypeFor[Config]()) {
		tables[key] = newSource(doc, key, key)
	}
	return tables
}

// peerLabel names the peer at index i for people.
func peerLabel(i int, name string) string {
	if name == "" {
		return fmt.Sprintf("peer #%d", i+1)
	}
	return fmt.Sprintf("peer %q", name)
}

// problem locates a problem at a key of the table, at a list element ("groups[1]"), or at the
// table itself if the key is not there.
func (s *source) problem(name, message, fix string) Problem {
	p := Problem{Key: joinPath(s.label, name), Message: message, Fix: fix}
	if s.doc != nil {
		key, _, _ := strings.Cut(name, "[")
		p.File = s.doc.name
		p.Line = s.doc.lines.line(joinPath(s.path, name), joinPath(s.path, key), s.path)
	}
	return p
}

// warning is a problem that stops nothing.
func (s *source) warning(name, message, fix string) Problem {
	p := s.problem(name, message, fix)
	p.Severity = SeverityWarning
	return p
}

// element names one element of a list. If some could not be read they are not in the Config, and
// which is which is not known any more.
func (s *source) element(name string, i int) string {
	if s.bad[name] {
		return name
	}
	return indexPath(name, i)
}

// absent reports whether a key was left out, as far as one can know.
func (s *source) absent(name string) bool {
	return !s.set[name] && s.doc.complete()
}

// where names the place of the table for people: "vpngw.toml:12".
func (s *source) where() string {
	if s.doc == nil {
		return ""
	}
	if line := s.doc.lines.line(s.path); line > 0 {
		return fmt.Sprintf("%s:%d", s.doc.name, line)
	}
	return s.doc.name
}
