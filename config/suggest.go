package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// foreignKeys are the spellings of wg-quick and of other gateways that are not ours with other
// letters or none of ours at all. Keys are folded (see fold).
var foreignKeys = map[string]string{
	"dns":                         "the resolvers that clients are told are interface.client_dns",
	"servers":                     "did you mean upstreams?",
	"table":                       "vpngw changes no routes of the host; remove it",
	"fwmark":                      "vpngw changes no routes of the host; remove it",
	"preup":                       "vpngw runs no commands; remove it",
	"postup":                      "vpngw runs no commands; remove it",
	"predown":                     "vpngw runs no commands; remove it",
	"postdown":                    "vpngw runs no commands; remove it",
	"saveconfig":                  "vpngw never writes this file; remove it",
	"port":                        "did you mean listen_port?",
	"secretkey":                   "did you mean private_key?",
	"psk":                         "did you mean preshared_key?",
	"keepalive":                   "did you mean persistent_keepalive?",
	"persistentkeepaliveinterval": "did you mean persistent_keepalive?",
	"ips":                         "did you mean allowed_ips?",
}

// unknownKey says what to do about a key that its table does not have.
func unknownKey(table reflect.Type, key string) (message, fix string) {
	keys := tableKeys(table)
	for _, k := range keys {
		if fold(k) == fold(key) {
			return "unknown key: keys are spelled in snake_case", "did you mean " + k + "?"
		}
	}
	if other := tableWith(key, table); other != "" {
		return "unknown key", fmt.Sprintf("%s is a key of %s", ourSpelling(key), other)
	}
	if hint := didYouMean(key, keys); hint != "" {
		return "unknown key", hint
	}
	return "unknown key", foreignKeys[fold(key)]
}

// unknownTable says what to do about a name at the top level that is no table of ours.
func unknownTable(key string, raw any) (message, fix string) {
	root := reflect.TypeFor[Config]()
	_, isTable := raw.(map[string]any)
	if _, isList := raw.([]map[string]any); !isTable && !isList {
		if other := tableWith(key, nil); other != "" {
			return "unknown key outside of any table", fmt.Sprintf("%s is a key of %s", ourSpelling(key), other)
		}
		if table, near := nearestInTables(key); near != "" {
			return "unknown key outside of any table", fmt.Sprintf("did you mean %s in %s?", near, table)
		}
		return "unknown key outside of any table", foreignKeys[fold(key)]
	}
	tables := tableKeys(root)
	for i, t := range tables {
		if fold(t) == fold(key) || fold(t)+"s" == fold(key) {
			return "unknown table", "did you mean " + brackets(tables[i]) + "?"
		}
	}
	if near := nearest(key, tables); near != "" {
		return "unknown table", "did you mean " + brackets(near) + "?"
	}
	return "unknown table", ""
}

// eachKey calls f with every key of every table, and the table's header, until f returns false.
func eachKey(f func(table reflect.Type, header, key string) bool) {
	root := reflect.TypeFor[Config]()
	for i := range root.NumField() {
		name, t := root.Field(i).Tag.Get("toml"), root.Field(i).Type
		if name == "-" {
			continue
		}
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		for _, key := range tableKeys(t) {
			if !f(t, brackets(name), key) {
				return
			}
		}
	}
}

// tableWith names the table, other than one, that has a key of that name.
func tableWith(key string, except reflect.Type) (found string) {
	eachKey(func(table reflect.Type, header, k string) bool {
		if table != except && fold(k) == fold(key) {
			found = header
		}
		return found == ""
	})
	return found
}

// ourSpelling returns our spelling of a key that is ours but for case and underscores.
func ourSpelling(key string) (ours string) {
	eachKey(func(_ reflect.Type, _, k string) bool {
		if fold(k) == fold(key) {
			ours = k
		}
		return ours == ""
	})
	return ours
}

// nearestInTables is nearest over the keys of all tables.
func nearestInTables(key string) (table, near string) {
	var all, headers []string
	eachKey(func(_ reflect.Type, header, k string) bool {
		all, headers = append(all, k), append(headers, header)
		return true
	})
	if near = nearest(key, all); near != "" {
		table = headers[slices.Index(all, near)]
	}
	return table, near
}

// brackets writes a table's name as its header.
func brackets(table string) string {
	if table == "peer" {
		return "[[peer]]"
	}
	return "[" + table + "]"
}

// fold makes the spellings private_key, privateKey and PrivateKey the same.
func fold(key string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(key))
}

// didYouMean suggests the word that s most likely should be, or returns "".
func didYouMean(s string, words []string) string {
	if near := nearest(s, words); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// nearest returns the word with the fewest edits to s, if few are enough: one in three letters.
func nearest(s string, words []string) string {
	best, bestDistance := "", 1+max(1, min(len(s), 24)/3)
	for _, w := range words {
		if d := editDistance(fold(s), fold(w)); d < bestDistance {
			best, bestDistance = w, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions, substitutions and swaps of neighbours that make a
// into b (optimal string alignment). Long words are not compared.
func editDistance(a, b string) int {
	const tooLong = 64
	if len(a) > tooLong || len(b) > tooLong {
		return tooLong
	}
	var rows [3][tooLong + 1]int
	two, one, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
