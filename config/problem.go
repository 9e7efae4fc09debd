package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Severity tells whether a [Problem] stops the gateway.
type Severity uint8

const (
	// SeverityError stops Load.
	SeverityError Severity = iota
	// SeverityWarning is worth a line in the log; the configuration is used all the same.
	SeverityWarning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == SeverityWarning {
		return "warning"
	}
	return "error"
}

// MarshalText makes a severity a word in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Problem is one thing wrong with a configuration. It never holds a secret.
type Problem struct {
	File     string   `json:"file,omitempty"` // as the user would name it; "" if there is no file
	Line     int      `json:"line,omitempty"` // from 1; 0 if the problem has no line
	Key      string   `json:"key,omitempty"`  // "interface.mtu", `peer "laptop".allowed_ips`; may be ""
	Message  string   `json:"message"`        // what is wrong
	Fix      string   `json:"fix,omitempty"`  // what to do about it; may be ""
	Severity Severity `json:"severity"`
}

// String returns the problem on one line:
//
//	vpngw.toml:12: interface.mtu: 70000 is out of range; use 576 to 65475
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteByte(':')
			b.WriteString(strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Severity == SeverityWarning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		b.WriteString(p.Key)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString("; ")
		b.WriteString(p.Fix)
	}
	return b.String()
}

// Problems are all that is wrong with a configuration, in the order of files and lines. As an
// error it holds at least one of SeverityError, and the warnings with it.
type Problems []Problem

// Error returns one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// HasErrors reports whether any problem is more than a warning.
func (ps Problems) HasErrors() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == SeverityError })
}

// sorted orders problems by line within each file, files by their place in order, and drops exact
// repetitions.
func (ps Problems) sorted(order []string) Problems {
	rank := make(map[string]int, len(order))
	for i, f := range order {
		rank[f] = i + 1
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(rank[a.File], rank[b.File]),
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Key, b.Key),
		)
	})
	return slices.Compact(ps)
}
