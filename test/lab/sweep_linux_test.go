package lab

import (
	"os"
	"testing"
)

func TestOwnerTag(t *testing.T) {
	for _, c := range []struct {
		name, tag string
		pid       int
		ok        bool
	}{
		{"vpngw-123-4567-1-client", "123-4567", 123, true},
		{"vpngw-123-4567-1-with-dash", "123-4567", 123, true},
		{"vpngw-0-4567-1-client", "", 0, false},
		{"vpngw--1-4567-1-client", "", 0, false},
		{"vpngw-x-4567-1-client", "", 0, false},
		{"vpngw-123-4567", "", 0, false},
		{"vpngw-mine", "", 0, false},
		{"other-123-4567-1-client", "", 0, false},
		{"", "", 0, false},
	} {
		if tag, pid, ok := ownerTag(c.name); tag != c.tag || pid != c.pid || ok != c.ok {
			t.Errorf("ownerTag(%q) = %q, %d, %v; want %q, %d, %v", c.name, tag, pid, ok, c.tag, c.pid, c.ok)
		}
	}
}

func TestStartTime(t *testing.T) {
	const tail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 987654 20 21"
	for stat, want := range map[string]string{
		"42 (sh)" + tail:            "987654",
		"42 (odd ) name (x)" + tail: "987654",
		"42 (sh) S 1 2":             "",
		"":                          "",
	} {
		got, err := startTime(stat)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("startTime(%q) = %q, %v; want %q", stat, got, err, want)
		}
	}
}

func TestProcessTagTellsProcessesApart(t *testing.T) {
	self, err := processTag(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := processTag(os.Getppid())
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := processTag(os.Getpid()); again != self || self == parent {
		t.Errorf("tags: %q, again %q, parent %q", self, again, parent)
	}
	if tag, err := processTag(1 << 30); err == nil {
		t.Errorf("a process that cannot be has the tag %q", tag)
	}
}
