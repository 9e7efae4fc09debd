package config

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// positionsText has a table, key or list element on nearly every line.
const positionsText = `# comment with [brackets] and "quotes"
top = 1
a.b.c = 2 # dotted

[interface] # comment
mtu=1420
"quoted key" = """
[not a table]
mtu = 3
"""
literal = 'C:\'
escaped = "a \" = [ # not a comment"
list = [ # comment
  "one", 2,
  [ 3,
    4 ],
  { x = 5, y = [6] },
]
after = '''
'''''

  [ spaced . "header" ]
x = 1
[[peer]]
name = "a"
[peer.sub]
k = 1
[[peer]]
name = "b"
[[peer.route]]
to = 1
[[peer.route]]
to = 2
[[peer]]
allowed_ips = [
  "10.8.0.2",

  "10.8.0.3",
]
last = 1`

func TestPositions(t *testing.T) {
	want := map[string]int{
		"top": 2, "a": 3, "a.b": 3, "a.b.c": 3,
		"interface": 5, "interface.mtu": 6, "interface.quoted key": 7, "interface.literal": 11,
		"interface.escaped": 12, "interface.list": 13, "interface.list[0]": 14, "interface.list[1]": 14,
		"interface.list[2]": 15, "interface.list[2][0]": 15, "interface.list[2][1]": 16,
		"interface.list[3]": 17, "interface.list[3].x": 17, "interface.list[3].y": 17,
		"interface.list[3].y[0]": 17, "interface.after": 19,
		"spaced": 22, "spaced.header": 22, "spaced.header.x": 23,
		"peer[0]": 24, "peer[0].name": 25, "peer[0].sub": 26, "peer[0].sub.k": 27,
		"peer[1]": 28, "peer[1].name": 29, "peer[1].route[0]": 30, "peer[1].route[0].to": 31,
		"peer[1].route[1]": 32, "peer[1].route[1].to": 33,
		"peer[2]": 34, "peer[2].allowed_ips": 35, "peer[2].allowed_ips[0]": 36,
		"peer[2].allowed_ips[1]": 38, "peer[2].last": 40,
	}
	if err := toml.Unmarshal([]byte(positionsText), &map[string]any{}); err != nil {
		t.Fatalf("the sample is not TOML: %v", err)
	}
	for _, ending := range []string{"\n", "\r\n"} {
		got, deep := scanPositions(strings.ReplaceAll(positionsText, "\n", ending))
		if deep != 0 {
			t.Errorf("line %d is said to be nested too deeply", deep)
		}
		if !maps.Equal(got, want) {
			for k, n := range want {
				if got[k] != n {
					t.Errorf("line end %q: %s at line %d, want %d", ending, k, got[k], n)
				}
				delete(got, k)
			}
			t.Errorf("line end %q: not expected: %v", ending, got)
		}
	}
}

func TestPositionsOfTextThatIsNotTOML(t *testing.T) {
	// What comes after the mistake is found all the same.
	for _, mistake := range []string{
		"[", "[[", "]", "=", "x", "x =", `x = "`, `x = "\`, "x = [", "x = [1 2", "x = {", "x = {a", "x = {]", "x = [}",
		`"`, `"x`, "'", ".", "..=", "[a", "[a.]", "[[a]", "x = 1 y = 2", "\x00", "\xff\xfe", "= = =", "[]", "[[]]",
	} {
		got, deep := scanPositions(mistake + "\n\n[after]\nkey = 1\n")
		closed := !strings.Contains(mistake, "= [") && !strings.Contains(mistake, "= {")
		if deep != 0 || closed && got["after.key"] != 4 {
			t.Errorf("after %q: key at line %d, want 4 (nested too deeply: %d)", mistake, got["after.key"], deep)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"lists":         "\nx = " + strings.Repeat("[", 1<<20),
		"tables":        "\nx = " + strings.Repeat("{a=", 1<<20),
		"dotted key":    "\n" + strings.Repeat("a.", 1<<20) + "a = 1",
		"dotted header": "\n[" + strings.Repeat("a.", 1<<20) + "a]",
	} {
		if _, deep := scanPositions(text); deep != 2 {
			t.Errorf("%s: too deep at line %d, want 2", name, deep)
		}
	}
}

// FuzzPositions holds the scanner against the library: where the library accepts a text, every
// table and key it finds must have a line.
func FuzzPositions(f *testing.F) {
	f.Add("a = 1\n[b]\nc = [1, 2]\n[[d]]\ne = {f = 1}\n[[d]]\n")
	f.Add("a = \"\"\"\n\"\"\"\nb = '''\n'''\n\"c\" = 1\n")
	f.Add("[a.d]")
	f.Add("a.b.c = [[1], [2,\n3]] # x\n[a.d]\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, deep := scanPositions(text)
		root := map[string]any{}
		if deep > 0 || strings.Contains(text, "\\") || toml.Unmarshal([]byte(text), &root) != nil {
			return // keys with escapes are not ours
		}
		last := 1 + strings.Count(text, "\n")
		var walk func(path string, v any)
		walk = func(path string, v any) {
			if n := lines.line(path); path != "" && (n < 1 || n > last) {
				t.Fatalf("%q is at line %d of %d", path, n, last)
			}
			switch v := v.(type) {
			case map[string]any:
				for k, e := range v {
					if !strings.ContainsAny(k, ".[]") {
						walk(joinPath(path, k), e)
					}
				}
			case []map[string]any:
				for i, e := range v {
					walk(indexPath(path, i), e)
				}
			case []any:
				for i, e := range v {
					walk(indexPath(path, i), e)
				}
			}
		}
		if !strings.HasPrefix(text, "\xef\xbb\xbf") && !strings.HasPrefix(text, "\xff\xfe") &&
			!strings.HasPrefix(text, "\xfe\xff") {
			walk("", root)
		}
	})
}

func ExampleProblem_String() {
	fmt.Println(Problem{
		File: "vpngw.toml", Line: 12, Key: "interface.mtu",
		Message: "1 is out of range", Fix: "use 576 to 65475",
	})
	// Output: vpngw.toml:12: interface.mtu: 1 is out of range; use 576 to 65475
}
