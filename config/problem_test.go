package config

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestProblemsInWords(t *testing.T) {
	for _, v := range []struct {
		p    Problem
		want string
	}{
		{Problem{Message: "m"}, "m"},
		{Problem{File: "f", Message: "m"}, "f: m"},
		{Problem{File: "f", Line: 3, Message: "m", Fix: "x"}, "f:3: m; x"},
		{Problem{Key: "k", Line: 3, Message: "m"}, "k: m"},
		{Problem{File: "f", Line: 3, Key: "k", Message: "m", Fix: "x", Severity: SeverityWarning}, "f:3: warning: k: m; x"},
	} {
		if got := v.p.String(); got != v.want {
			t.Errorf("%q, want %q", got, v.want)
		}
	}
}

func TestProblemsInJSON(t *testing.T) {
	got, err := json.Marshal(Problems{
		{File: "f", Line: 3, Key: "k", Message: "m", Fix: "x"},
		{Message: "m", Severity: SeverityWarning},
	})
	want := `[{"file":"f","line":3,"key":"k","message":"m","fix":"x","severity":"error"},` +
		`{"message":"m","severity":"warning"}]`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestProblemsAreSortedByPlace(t *testing.T) {
	ps := Problems{
		{File: "b", Line: 1},
		{File: "a", Line: 10},
		{File: "main", Line: 7},
		{File: "a", Line: 2, Key: "z"},
		{File: "a", Line: 2, Key: "y"},
		{File: "main", Line: 7},
		{File: "main", Line: 7, Message: "another"},
	}
	want := Problems{
		{File: "main", Line: 7},
		{File: "main", Line: 7, Message: "another"},
		{File: "a", Line: 2, Key: "y"},
		{File: "a", Line: 2, Key: "z"},
		{File: "a", Line: 10},
		{File: "b", Line: 1},
	}
	if got := ps.sorted([]string{"main", "a", "b"}); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nwant\n%v", got, want)
	}
}

func TestWarningsAreNoErrors(t *testing.T) {
	warning := Problem{Message: "m", Severity: SeverityWarning}
	if (Problems{}).HasErrors() || (Problems{warning}).HasErrors() || !(Problems{warning, {Message: "m"}}).HasErrors() {
		t.Error("HasErrors is wrong")
	}
}
