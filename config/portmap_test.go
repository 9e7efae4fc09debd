package config

import "testing"

func TestPortRange(t *testing.T) {
	r, err := parsePortRange("61000-61002")
	if err != nil || !r.Contains(61000) || !r.Contains(61002) || r.Contains(60999) || r.Contains(61003) {
		t.Errorf("%v, %v", r, err)
	}
	for _, s := range []string{"1", "65535", "1-65535"} {
		if r, err := parsePortRange(s); err != nil || r.String() != s {
			t.Errorf("%q reads as %q, %v", s, r, err)
		}
	}
}

// TestPortmapAllows: who may ask is named, in a named group, or anyone if nobody is.
func TestPortmapAllows(t *testing.T) {
	laptop := &Peer{Name: "laptop", Groups: []string{"staff"}}
	for _, c := range []struct {
		peers []string
		want  bool
	}{
		{nil, true},
		{[]string{"laptop"}, true},
		{[]string{"phone", "group:staff"}, true},
		{[]string{"phone"}, false},
		{[]string{"staff"}, false},
		{[]string{"group:laptop"}, false},
		{[]string{"group:"}, false},
	} {
		p := Portmap{Peers: c.peers}
		if got := p.Allows(laptop); got != c.want {
			t.Errorf("%q: %v", c.peers, got)
		}
	}
}
