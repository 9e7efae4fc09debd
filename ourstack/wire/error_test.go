package wire

import "testing"

func TestErrorNames(t *testing.T) {
	seen := make(map[string]Error)
	for e := OK; e < NumErrors; e++ {
		name := e.String()
		if name == "" || name == "unknown" {
			t.Errorf("reason %d has no name", e)
		}
		if before, twice := seen[name]; twice {
			t.Errorf("reasons %d and %d are both %q", before, e, name)
		}
		seen[name] = e
	}
	if NumErrors.String() != "unknown" || Error(255).String() != "unknown" {
		t.Error("a value that is no reason has a name")
	}
}
