package config

import (
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// eachField calls f with every field of every table, those in tables too: the table's and the
// field's key, and the default.
func eachField(t *testing.T, f func(*testing.T, string, string, reflect.StructField, reflect.Value)) {
	var tableOf func(name string, table reflect.Value)
	tableOf = func(name string, table reflect.Value) {
		if table.Kind() == reflect.Slice {
			table = reflect.Zero(table.Type().Elem())
		}
		for j := range table.NumField() {
			field := table.Type().Field(j)
			key := field.Tag.Get("toml")
			if key == "-" {
				continue
			}
			t.Run(name+"."+key, func(t *testing.T) { f(t, name, key, field, table.Field(j)) })
			if isTableList(field.Type) {
				tableOf(name+"."+key, table.Field(j))
			}
		}
	}
	root := reflect.ValueOf(*Default())
	for i := range root.NumField() {
		if name := root.Type().Field(i).Tag.Get("toml"); name != "-" {
			tableOf(name, root.Field(i))
		}
	}
}

// isList reports whether the tables of that name are written [[name]].
func isList(table string) bool { return table == "peer" || strings.Contains(table, ".") }

// TestSchemaIsComplete holds the struct tags to what the loader, the checks and Diff read from them.
func TestSchemaIsComplete(t *testing.T) {
	snake := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	eachField(t, func(t *testing.T, table, key string, field reflect.StructField, value reflect.Value) {
		if !snake.MatchString(key) {
			t.Errorf("%q is not snake_case", key)
		}
		if reload := field.Tag.Get("reload"); !isList(table) && reload != "live" && reload != "restart" {
			t.Errorf(`tag reload is %q, want "live" or "restart"`, reload)
		}
		if kind, ok := field.Tag.Lookup("kind"); ok && (kind != "path" || field.Type.Kind() != reflect.String) {
			t.Errorf("tag kind is %q on a %s", kind, field.Type)
		}
		if words, ok := field.Tag.Lookup("oneof"); ok &&
			!isList(table) && !slices.Contains(strings.Split(words, ","), value.String()) {
			t.Errorf("the default %q is not one of %s", value, words)
		}
		bounds, ranged := field.Tag.Lookup("range")
		if isNumber := value.CanInt() && field.Type.String() != "slog.Level"; ranged != isNumber {
			t.Fatalf("tag range %q on a %s", bounds, field.Type)
		}
		if !ranged {
			return
		}
		low, high, _ := strings.Cut(bounds, ",")
		unit := value.Interface()
		lowest, highest := bound(low, unit), bound(high, unit)
		if value.Int() < lowest || value.Int() > highest || lowest >= highest || highest == 0 {
			t.Errorf("the default %v is outside of %s = %d to %d", unit, bounds, lowest, highest)
		}
	})
}

// TestEveryFieldCanBeRead finds a field of a type that the loader cannot fill.
func TestEveryFieldCanBeRead(t *testing.T) {
	eachField(t, func(t *testing.T, _, _ string, field reflect.StructField, _ reflect.Value) {
		b := binder{lookupEnv: func(string) (string, bool) { return "", false }}
		for _, raw := range []any{"x", int64(1), 1.5, true, []any{"x"}, map[string]any{}, []map[string]any{{}}} {
			for _, e := range b.value(reflect.New(field.Type).Elem(), raw, "dir", false) {
				if strings.Contains(e.message, "no way") {
					t.Fatal(e.message)
				}
			}
		}
	})
}

// TestDefaultsAreValid: nothing but a private key is missing from the defaults.
func TestDefaultsAreValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "private_key") {
		t.Errorf("without a key: %v, want one problem with private_key", err)
	}
	c.Interface.PrivateKey, _ = ParsePrivateKey(testKey)
	if err := c.Validate(); err != nil {
		t.Errorf("with a key: %v", err)
	}
	if ps := check(c, nil, nil); len(ps) > 0 {
		t.Errorf("warnings: %v", ps)
	}
}

// exampleKeys returns the keys of conf.example.toml: those in force, and those that are only shown
// ("#key = value").
func exampleKeys(t *testing.T) (inForce, shown string) {
	t.Helper()
	b, err := os.ReadFile("../conf.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	hint := regexp.MustCompile(`(?m)^#(\[\[[a-z.]+\]\]|[a-z_]+ = )`)
	return string(b), hint.ReplaceAllString(string(b), "$1")
}

// TestExampleDocumentsEveryKey: conf.example.toml has every key of the schema, in its table.
func TestExampleDocumentsEveryKey(t *testing.T) {
	inForce, shown := exampleKeys(t)
	force, _ := parseDocument("conf.example.toml", inForce, 0)
	all, problems := parseDocument("conf.example.toml", shown, 0)
	if force.root == nil || all.root == nil || len(problems) > 0 {
		t.Fatalf("conf.example.toml is not TOML: %v", problems)
	}
	eachField(t, func(t *testing.T, table, key string, _ reflect.StructField, value reflect.Value) {
		if all.lines.line(table+"."+key, table+"[0]."+key) == 0 {
			t.Error("is not documented in conf.example.toml")
		}
		hasDefault := !isList(table) && !value.IsZero()
		if inForce := force.lines.line(table+"."+key) > 0; hasDefault && !inForce {
			t.Error("has a default, but does not stand in conf.example.toml with it")
		}
	})
	b := binder{lookupEnv: func(string) (string, bool) { return testKey, true }}
	if b.root(all, &Config{}); len(b.problems) > 0 {
		t.Errorf("conf.example.toml shows what is not accepted:\n%v", b.problems)
	}
}

// TestExampleShowsTheDefaults: conf.example.toml as it stands is what an empty file means.
func TestExampleShowsTheDefaults(t *testing.T) {
	inForce, _ := exampleKeys(t)
	read := func(name, text string) *Config {
		h := testHost()
		h.readFile = func(path string, _ int64) (string, fs.FileMode, error) {
			if path == "private.key" {
				return testKey, 0o600, nil
			}
			return text, 0o600, nil
		}
		c, err := load("vpngw.toml", h)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return c
	}
	example, empty := read("conf.example.toml", inForce), read("an empty file", "")
	if ch := Diff(empty, example); !ch.Empty() {
		t.Errorf("conf.example.toml differs from the defaults in %v", append(ch.Live, ch.Restart...))
	}
	if len(example.Warnings) > 0 {
		t.Errorf("warnings: %v", example.Warnings)
	}
}

// TestExampleChecksCanFail gives the two checks above a file that must not pass.
func TestExampleChecksCanFail(t *testing.T) {
	doc, _ := parseDocument("x.toml", "[interface]\nlisten_port = 51821\nno_such_key = 1\n", 0)
	if doc.lines.line("interface.mtu") != 0 {
		t.Error("a key that is not there has a line")
	}
	c := Default()
	b := binder{}
	if b.root(doc, c); len(b.problems) != 1 {
		t.Errorf("problems %v, want one about no_such_key", b.problems)
	}
	if ch := Diff(Default(), c); !slices.Equal(ch.Live, []string{"interface.listen_port"}) {
		t.Errorf("changes %+v, want interface.listen_port", ch)
	}
}
