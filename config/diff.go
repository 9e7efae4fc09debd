package config

import (
	"reflect"
	"slices"
)

// Changes are what [Diff] found. Keys are spelled as in a Problem: "interface.mtu".
type Changes struct {
	// Added, Removed and Changed are peers of the new, old and new configuration. A peer is known
	// by its public key: one that got another key is Removed and Added, one that got another name
	// is Changed. Changed peers keep their session.
	Added, Removed, Changed []Peer
	// Live are the changed keys that a running gateway can take.
	Live []string
	// Restart are the changed keys that need the gateway to be started again.
	Restart []string
}

// Empty reports whether nothing changed.
func (c Changes) Empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Changed)+len(c.Live)+len(c.Restart) == 0
}

// Diff compares two configurations. What has no effect on a gateway does not count: where a peer
// is defined, and a client's private key.
func Diff(old, new *Config) Changes {
	var ch Changes
	diffTables(reflect.ValueOf(*old), reflect.ValueOf(*new), &ch)
	diffPeers(old.Peers, new.Peers, &ch)
	return ch
}

func diffTables(old, new reflect.Value, ch *Changes) {
	for i := range old.NumField() {
		table := old.Type().Field(i)
		if table.Tag.Get("toml") == "-" || table.Type.Kind() != reflect.Struct {
			continue
		}
		for j := range table.Type.NumField() {
			field := table.Type.Field(j)
			if sameValue(old.Field(i).Field(j), new.Field(i).Field(j)) {
				continue
			}
			key := table.Tag.Get("toml") + "." + field.Tag.Get("toml")
			if field.Tag.Get("reload") == "live" {
				ch.Live = append(ch.Live, key)
			} else {
				ch.Restart = append(ch.Restart, key)
			}
		}
	}
}

// sameValue is reflect.DeepEqual, but no list and an empty one are the same.
func sameValue(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func diffPeers(old, new []Peer, ch *Changes) {
	before := make(map[PublicKey]*Peer, len(old))
	for i := range old {
		before[old[i].PublicKey] = &old[i]
	}
	for i := range new {
		p := &new[i]
		was, known := before[p.PublicKey]
		delete(before, p.PublicKey)
		switch {
		case !known:
			ch.Added = append(ch.Added, *p)
		case !samePeer(was, p):
			ch.Changed = append(ch.Changed, *p)
		}
	}
	for i := range old {
		if _, gone := before[old[i].PublicKey]; gone {
			ch.Removed = append(ch.Removed, old[i])
		}
	}
}

func samePeer(a, b *Peer) bool {
	return a.Name == b.Name &&
		a.PublicKey == b.PublicKey &&
		a.PresharedKey.Equal(b.PresharedKey) &&
		a.PersistentKeepalive == b.PersistentKeepalive &&
		a.MTU == b.MTU &&
		slices.Equal(a.AllowedIPs, b.AllowedIPs) &&
		slices.Equal(a.Groups, b.Groups)
}
