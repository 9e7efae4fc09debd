package config

import (
	"errors"
	"testing"
)

func TestSizes(t *testing.T) {
	for s, want := range map[string]Size{
		"0": 0, "1": 1, "7B": 7, "8KiB": 8 << 10, "64MiB": 64 << 20, "1 GiB": 1 << 30, "8191": 8191,
		"9223372036854775807": 1<<63 - 1, "8589934591GiB": 8589934591 << 30,
	} {
		if got, err := parseSize(s); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "B", "KiB", "-1", "+1", "1.5MiB", "1MB", "1mib", "1 000", "0x10",
		"1KiBKiB", "GiB1",
		"9223372036854775808", "8589934592GiB", "999999999999999999999",
	} {
		if got, err := parseSize(s); !errors.Is(err, errSize) {
			t.Errorf("%q: %d, %v, want an error", s, got, err)
		}
	}
}

func TestSizesSurviveTheirText(t *testing.T) {
	for size, want := range map[Size]string{
		0: "0B", 1: "1B", 1023: "1023B", 1024: "1KiB", 1536: "1536B", 3 << 20: "3MiB", 5 << 30: "5GiB", 1<<63 - 1: "9223372036854775807B",
	} {
		if got := size.String(); got != want {
			t.Errorf("%d: %s, want %s", int64(size), got, want)
		}
		if again, err := parseSize(size.String()); err != nil || again != size {
			t.Errorf("%d: read back as %d, %v", int64(size), int64(again), err)
		}
	}
}
