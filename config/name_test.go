package config

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for _, s := range []string{"a", "7", "laptop", "anna-s-laptop", "x--y", strings.Repeat("a", 63)} {
		if err := CheckName(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{
		"", "-a", "a-", "A", "a.b", "a_b", "a b", "ä", "a/b", "..", "a\x00",
		"a\n", strings.Repeat("a", 64),
	} {
		if err := CheckName(s); err == nil {
			t.Errorf("%q is taken for a name", s)
		}
	}
}

func TestNearestName(t *testing.T) {
	for s, want := range map[string]string{
		"Anna's Laptop": "anna-s-laptop", "phone_2": "phone-2", "-x-": "x", "Bücher": "bcher", "ß": "", "...": "", "": "",
		strings.Repeat("A", 70): strings.Repeat("a", 63),
	} {
		if got := nearestName(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
