package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// binder gives the values of documents to the fields of Config tables, and collects every value
// that does not fit instead of stopping at it.
type binder struct {
	lookupEnv func(string) (string, bool)
	problems  Problems
}

// root binds a whole configuration file. It returns where each table and each peer stands.
func (b *binder) root(doc *document, c *Config) (tables map[string]*source, peers []*source) {
	value := reflect.ValueOf(c).Elem()
	tables = tableSources(doc)
	top := newSource(doc, "", "")
	for _, key := range slices.Sorted(maps.Keys(doc.root)) {
		field, _, known := fieldByKey(value, key)
		switch {
		case !known:
			message, fix := unknownTable(key, doc.root[key])
			b.add(top.problem(key, message, fix))
		case key == "peer":
			peers = b.peers(doc, doc.root[key], c)
		default:
			table, ok := doc.root[key].(map[string]any)
			if !ok {
				b.add(top.problem(key, "is "+kindOf(doc.root[key])+", not a table",
					fmt.Sprintf("write [%s] once, and its keys below", key)))
			}
			if list, isList := doc.root[key].([]map[string]any); isList {
				table, tables[key].path = list[0], indexPath(key, 0)
			}
			b.table(tables[key], table, field)
		}
	}
	return tables, peers
}

// peers binds the [[peer]] tables.
func (b *binder) peers(doc *document, raw any, c *Config) (sources []*source) {
	top := newSource(doc, "", "")
	list, ok := raw.([]map[string]any)
	paths := func(i int) string { return indexPath("peer", i) }
	if !ok {
		single, isTable := raw.(map[string]any)
		if !isTable {
			b.add(top.problem("peer", "is "+kindOf(raw)+", not a list of tables", "write [[peer]] for each"))
			return nil
		}
		b.add(top.problem("peer", "is a single table", "write [[peer]], with two brackets"))
		list, paths = []map[string]any{single}, func(int) string { return "peer" }
	}
	for i, table := range list {
		name, _ := table["name"].(string)
		src := newSource(doc, paths(i), peerLabel(i, name))
		c.Peers = append(c.Peers, b.peer(src, table))
		sources = append(sources, src)
	}
	return sources
}

// peer binds one peer's table.
func (b *binder) peer(src *source, table map[string]any) Peer {
	p := Peer{File: src.doc.name, Line: max(src.doc.lines.line(src.path), 1)}
	b.table(src, table, reflect.ValueOf(&p).Elem())
	return p
}

// table binds the keys of one table to the fields of a struct.
func (b *binder) table(src *source, table map[string]any, dst reflect.Value) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		field, tag, known := fieldByKey(dst, key)
		if !known {
			message, fix := unknownKey(dst.Type(), key)
			b.add(src.problem(key, message, fix))
			continue
		}
		src.set[key] = true
		if list, ok := table[key].([]map[string]any); ok && isTableList(field.Type()) {
			b.tableList(src, key, list, field)
			continue
		}
		if isInlineSecret(field.Interface(), table[key]) {
			src.inline = append(src.inline, key)
		}
		for _, e := range b.value(field, table[key], src.doc.dir, tag.Get("kind") == "path") {
			src.bad[key] = true
			if low, high, ok := strings.Cut(tag.Get("range"), ","); ok && e.fix == "" {
				e.fix = "use " + low + " to " + high
			}
			b.add(src.problem(key+e.element, e.message, e.fix))
		}
	}
}

// isTableList says whether fields of type t hold the tables [[table.key]]: structs with keys.
func isTableList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct &&
		t.Elem().NumField() > 0 && t.Elem().Field(0).Tag.Get("toml") != ""
}

// tableList binds the tables [[path.key]] to a slice of structs.
func (b *binder) tableList(src *source, key string, list []map[string]any, dst reflect.Value) {
	for i, table := range list {
		inner := newSource(src.doc, indexPath(joinPath(src.path, key), i), indexPath(joinPath(src.label, key), i))
		src.nested[key] = append(src.nested[key], inner)
		element := reflect.New(dst.Type().Elem()).Elem()
		if r, ok := element.Addr().Interface().(*DNSRecord); ok {
			r.Type = "A"
		}
		b.table(inner, table, element)
		dst.Set(reflect.Append(dst, element))
	}
}

func (b *binder) add(p Problem) { b.problems = append(b.problems, p) }

// valueError is a value that does not fit its key.
type valueError struct {
	element      string // "[2]" if it is about one element of a list
	message, fix string
}

// fieldByKey finds the field of a struct for a key of its table.
func fieldByKey(v reflect.Value, key string) (reflect.Value, reflect.StructTag, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag; tag.Get("toml") == key && key != "-" {
			return v.Field(i), tag, true
		}
	}
	return reflect.Value{}, "", false
}

// tableKeys returns the keys that a table may have, in the order of the schema.
func tableKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("toml"); tag != "-" {
			keys = append(keys, tag)
		}
	}
	return keys
}

// kindOf names the type of a TOML value for people.
func kindOf(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	case []any:
		return "a list"
	}
	return "a date or time"
}

// quoteList returns words as a TOML list would show them: "a", "b" or "c".
func quoteList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
