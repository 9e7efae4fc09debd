package portmap

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"vpngw/config"
)

// web is a request of alice: TCP 80 as 61000 for an hour.
var web = mapRequest{from: alice, lifetime: 3600, nonce: 1, protocol: 6, internal: 80, suggested: 61000}

// with is r with changes.
func (r mapRequest) with(change func(*mapRequest)) mapRequest {
	change(&r)
	return r
}

func TestMapOpensThePortForTheClient(t *testing.T) {
	w := newWorld(t)
	defer w.Close()
	tcp := w.mustMap(web)
	if tcp.lifetime != 3600 || tcp.externalPort != 61000 || tcp.external != outside {
		t.Errorf("%+v", tcp)
	}
	udp := w.mustMap(mapRequest{from: bob, lifetime: 60, nonce: 2, protocol: 17, internal: 5060})
	if udp.lifetime != 120 { // RFC 6887 §15: no less than two minutes
		t.Errorf("lifetime %d", udp.lifetime)
	}
	w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80", "udp "+netip.AddrPortFrom(netip.IPv4Unspecified(), udp.externalPort).String()+" 10.8.0.3:5060")
	if got := w.Mappings(); len(got) != 2 || w.Counters().Mapped != 2 {
		t.Errorf("%+v, %+v", got, w.Counters())
	}
}

func TestSuggestionsAreHints(t *testing.T) {
	for name, r := range map[string]mapRequest{
		"a port that is not given":     web.with(func(r *mapRequest) { r.suggested = 80 }),
		"a port of PCP itself":         web.with(func(r *mapRequest) { r.suggested = 5351 }),
		"a port that others have":      web.with(func(r *mapRequest) { r.suggested = 61009 }),
		"a port of the host":           web.with(func(r *mapRequest) { r.suggested = 61008 }),
		"an address that is not ours":  web.with(func(r *mapRequest) { r.external = netip.MustParseAddr("203.0.113.1") }),
		"an address that is no host's": web.with(func(r *mapRequest) { r.external = netip.MustParseAddr("224.0.0.1") }),
		"the IPv6 all-zeros address":   web.with(func(r *mapRequest) { r.external = netip.IPv6Unspecified() }),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			defer w.Close()
			w.mustMap(mapRequest{from: bob, lifetime: 600, protocol: 6, internal: 1, suggested: 61009})
			w.taken[61008] = true
			if a := w.mustMap(r); a.external != outside || !w.mayGive(a.externalPort) {
				t.Errorf("%+v", a)
			}
			w.check()
		})
	}
}

func TestPreferFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		only := []byte{optionPreferFailure, 0, 0, 0}
		first := w.mustMap(web.with(func(r *mapRequest) { r.options = only; r.external = outside }))
		if first.externalPort != 61000 || string(first.options) != string(only) {
			t.Errorf("%+v", first)
		}
		for name, c := range map[string]struct {
			r    mapRequest
			want pcpResult
		}{
			"its own again":      {web, pcpSuccess},
			"another port of it": {web.with(func(r *mapRequest) { r.suggested = 61001 }), pcpCannotProvideExternal},
			"another address":    {web.with(func(r *mapRequest) { r.external = bob }), pcpCannotProvideExternal},
			"without a port":     {web.with(func(r *mapRequest) { r.suggested = 0 }), pcpMalformedOption},
			"to delete":          {web.with(func(r *mapRequest) { r.lifetime = 0 }), pcpMalformedOption},
			"not given":          {web.with(func(r *mapRequest) { r.internal = 81; r.suggested = 81 }), pcpCannotProvideExternal},
		} {
			c.r.options = only
			if a := w.mapping(c.r); a.result != c.want {
				t.Errorf("%s: %d, want %d", name, a.result, c.want)
			}
		}
		a := w.mapping(mapRequest{from: bob, lifetime: 600, protocol: 6, internal: 80, suggested: 61000, options: only})
		if a.result != pcpCannotProvideExternal || a.lifetime != 3600+120 {
			t.Errorf("another's port: %+v, want the rest of its lifetime and of its rest", a)
		}
		w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80")
	})
}

func TestLifetimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		if a := w.mustMap(web.with(func(r *mapRequest) { r.lifetime = 1<<32 - 1 })); a.lifetime != 7200 {
			t.Errorf("lifetime %d, want max_lifetime", a.lifetime)
		}
		if a := w.mustMap(web); a.lifetime != 3600 || a.externalPort != 61000 {
			t.Errorf("a shorter one: %+v", a)
		}
		time.Sleep(59 * time.Minute)
		w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80")
		// Renewed, whatever is suggested now. RFC 6887 §11.3
		if a := w.mustMap(web.with(func(r *mapRequest) { r.suggested = 61005 })); a.externalPort != 61000 || a.epoch != 3540 {
			t.Errorf("renewed as %+v", a)
		}
		time.Sleep(time.Hour - time.Second)
		w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80")
		time.Sleep(time.Second)
		synctest.Wait()
		w.wantOpen()
		if c := w.Counters(); c.Expired != 1 || c.Renewed != 2 || c.Mapped != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestPortsRest: the port of a mapping that has ended is its client's alone for two minutes. RFC 6887 §15
func TestPortsRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		w.mustMap(web)
		if a := w.mustMap(web.with(func(r *mapRequest) { r.lifetime, r.suggested = 0, 7 })); a.lifetime != 0 || a.externalPort != 7 {
			t.Errorf("deleted: %+v", a) // "these fields MUST be copied" RFC 6887 §15.1
		}
		w.wantOpen()
		other := mapRequest{from: bob, lifetime: 600, protocol: 6, internal: 80, suggested: 61000}
		if a := w.mustMap(other); a.externalPort == 61000 {
			t.Error("another client has the port at once")
		}
		if a := w.mapping(other.with(func(r *mapRequest) {
			r.internal, r.options = 81, []byte{optionPreferFailure, 0, 0, 0}
		})); a.result != pcpCannotProvideExternal || a.lifetime != 120 {
			t.Errorf("and if it wants no other: %+v", a)
		}
		if a := w.mustMap(web.with(func(r *mapRequest) { r.nonce = 9 })); a.externalPort == 61000 {
			t.Error("the same client without its nonce has the port at once")
		}
		if a := w.mustMap(web.with(func(r *mapRequest) { r.lifetime, r.nonce = 0, 9 })); a.result != pcpSuccess {
			t.Errorf("%+v", a)
		}
		if a := w.mustMap(web); a.externalPort != 61000 {
			t.Error("the same client does not get its port again")
		}
		w.mustMap(web.with(func(r *mapRequest) { r.lifetime = 0 }))
		time.Sleep(portRest)
		if a := w.mustMap(other.with(func(r *mapRequest) { r.internal = 82 })); a.externalPort != 61000 {
			t.Error("after its rest the port is not given")
		}
	})
}

// TestNonce: without its nonce a mapping is not renewed, nor deleted. RFC 6887 §11.3
func TestNonce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.Close()
		w.mustMap(web)
		time.Sleep(time.Minute)
		for _, lifetime := range []uint32{0, 600} {
			a := w.mapping(web.with(func(r *mapRequest) { r.nonce, r.lifetime = 2, lifetime }))
			if a.result != pcpNotAuthorized || a.lifetime != 3540 {
				t.Errorf("lifetime %d: %+v", lifetime, a)
			}
		}
		w.wantOpen("tcp 0.0.0.0:61000 10.8.0.2:80")
	})
}

func TestMapErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		r        mapRequest
		want     pcpResult
		lifetime uint32
	}{
		{"SCTP", web.with(func(r *mapRequest) { r.protocol = 132 }), pcpUnsuppProtocol, 1800},
		{"all ports", web.with(func(r *mapRequest) { r.internal = 0 }), pcpUnsuppProtocol, 1800},
		{"all protocols", web.with(func(r *mapRequest) { r.internal, r.protocol = 0, 0 }), pcpUnsuppProtocol, 1800},
		{"a port of all protocols", web.with(func(r *mapRequest) { r.protocol = 0 }), pcpMalformedRequest, 1800},
		{"the same, to delete", web.with(func(r *mapRequest) { r.protocol, r.lifetime = 0, 0 }), pcpMalformedRequest, 1800},
		{"all ports, to delete", web.with(func(r *mapRequest) { r.internal, r.lifetime = 0, 0 }), pcpSuccess, 0},
		{"nothing, to delete", web.with(func(r *mapRequest) { r.lifetime = 0 }), pcpSuccess, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			defer w.Close()
			if a := w.mapping(c.r); a.result != c.want || a.lifetime != c.lifetime {
				t.Errorf("%+v", a)
			}
			w.wantOpen()
		})
	}
}

func TestMapLimits(t *testing.T) {
	w := newWorld(t, func(cfg *config.Config) { cfg.Portmap.Ports = []config.PortRange{{First: 61000, Last: 61003}} })
	defer w.Close()
	ask := func(from netip.Addr, internal uint16) mapAnswer {
		return w.mapping(mapRequest{from: from, lifetime: 600, protocol: 6, internal: internal})
	}
	for port := range uint16(2) {
		ask(alice, port+1)
	}
	if a := ask(printer, 1); a.result != pcpSuccess { // the same peer's
		t.Errorf("%+v", a)
	}
	if a := ask(printer, 2); a.result != pcpUserExQuota || a.lifetime != 30 {
		t.Errorf("above the peer's quota: %+v", a)
	}
	if a := ask(alice, 1); a.result != pcpSuccess {
		t.Errorf("renewal at the quota: %+v", a)
	}
	if a := ask(bob, 1); a.result != pcpSuccess {
		t.Errorf("the last port: %+v", a)
	}
	if a := ask(bob, 2); a.result != pcpNoResources || a.lifetime != 30 {
		t.Errorf("without a port: %+v", a)
	}
	w.check()
}

func TestOpenFails(t *testing.T) {
	w := newWorld(t)
	defer w.Close()
	w.failing = errors.New("too many open files")
	if a := w.mapping(web); a.result != pcpNoResources {
		t.Errorf("%+v", a)
	}
	w.failing = nil
	for port := uint16(61000); port < 61010; port++ {
		w.taken[port] = port != 61007
	}
	if a := w.mustMap(web); a.externalPort != 61007 {
		t.Errorf("%+v, want the one port that the host has free", a)
	}
	w.external = netip.Addr{}
	w.reconfigure(func(*config.Config) {}) // looks again
	if a := w.mapping(web.with(func(r *mapRequest) { r.internal = 81 })); a.result != pcpNetworkFailure || a.lifetime != 30 {
		t.Errorf("without an address: %+v", a)
	}
}

// filterOption is a FILTER. RFC 6887 §13.3, Figure 15
func filterOption(bits uint8, port uint16, addr string) []byte {
	b := []byte{optionFilter, 0, 0, filterLen, 0, bits}
	return appendPCPAddr(binary.BigEndian.AppendUint16(b, port), netip.MustParseAddr(addr))
}

func TestFilters(t *testing.T) {
	w := newWorld(t)
	defer w.Close()
	ask := func(options ...[]byte) pcpResult {
		t.Helper()
		r := web
		for _, o := range options {
			r.options = append(r.options, o...)
		}
		a := w.mapping(r)
		if a.result == pcpSuccess && string(a.options) != string(r.options) {
			t.Errorf("options %x come back as %x", r.options, a.options)
		}
		return a.result
	}
	want := func(what string, filters ...Filter) {
		t.Helper()
		got := w.open[outer{TCP, 61000}].filters
		if len(got) != len(filters) {
			t.Fatalf("%s: %v, want %v", what, got, filters)
		}
		for i := range got {
			if got[i] != filters[i] {
				t.Errorf("%s: %v, want %v", what, got, filters)
			}
		}
	}
	one := Filter{netip.MustParsePrefix("203.0.113.0/24"), 443}
	two := Filter{netip.MustParsePrefix("203.0.113.9/32"), 0}
	ask(filterOption(96+24, 443, "203.0.113.77"))
	want("at the start", one)
	ask()
	want("renewed without", one)
	ask(filterOption(128, 0, "203.0.113.9"))
	want("one more", one, two)
	ask(filterOption(0, 0, "::"), filterOption(128, 0, "203.0.113.9"))
	want("replaced", two)
	ask(filterOption(0, 0, "0.0.0.0"))
	want("none")
	var many [][]byte
	for range filtersMax {
		many = append(many, filterOption(128, 0, "203.0.113.9"))
	}
	if got := ask(many...); got != pcpSuccess {
		t.Errorf("%d filters: %d", len(many), got)
	}
	if got := ask(many[0]); got != pcpExcessiveRemotePeers {
		t.Errorf("one more than may be: %d", got)
	}
	if got := ask(append(many, many[0])...); got != pcpExcessiveRemotePeers {
		t.Errorf("one more than may be in one request: %d", got)
	}
	for name, bad := range map[string][]byte{
		"a prefix that is too short": filterOption(95, 0, "203.0.113.9"),
		"one that is too long":       filterOption(129, 0, "203.0.113.9"),
		"an IPv6 address":            filterOption(128, 0, "2001:db8::1"),
		"a length that is wrong":     {optionFilter, 0, 0, 4, 0, 0, 0, 0},
	} {
		if got := ask(bad); got != pcpMalformedOption {
			t.Errorf("%s: %d", name, got)
		}
	}
	r := web
	r.lifetime, r.options = 0, many[0]
	if a := w.mapping(r); a.result != pcpMalformedOption {
		t.Errorf("to delete: %d", a.result)
	}
	for src, want := range map[string]bool{"203.0.113.1:443": true, "203.0.113.1:80": false, "203.0.114.1:443": false} {
		if one.Admits(netip.MustParseAddrPort(src)) != want {
			t.Errorf("%s: want %v", src, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, c := range map[string]struct {
		options []byte
		want    pcpResult
		back    string
	}{
		"none":                          {nil, pcpSuccess, ""},
		"one that may be ignored":       {[]byte{200, 0, 0, 1, 7, 0, 0, 0}, pcpSuccess, ""},
		"unknown":                       {[]byte{99, 0, 0, 0}, pcpUnsuppOption, ""},
		"longer than the message":       {[]byte{200, 0, 0, 5, 0, 0, 0, 0}, pcpMalformedOption, ""},
		"the same after an unknown one": {[]byte{99, 0, 0, 0, 200, 0, 0xff, 0xff}, pcpMalformedOption, ""},
		"PREFER_FAILURE twice":          {[]byte{2, 0, 0, 0, 2, 0, 0, 0}, pcpMalformedOption, ""},
		"PREFER_FAILURE with data":      {[]byte{2, 0, 0, 4, 0, 0, 0, 0}, pcpMalformedOption, ""},
		"THIRD_PARTY of a wrong length": {[]byte{1, 0, 0, 4, 0, 0, 0, 0}, pcpMalformedOption, ""},
		"THIRD_PARTY for itself":        {appendPCPAddr([]byte{1, 0, 0, 16}, alice), pcpMalformedRequest, ""},
		"THIRD_PARTY":                   {appendPCPAddr([]byte{1, 0, 0, 16}, bob), pcpUnsuppOption, ""},
		"the known among the ignored":   {[]byte{200, 0, 0, 0, 2, 0, 0, 0, 201, 0, 0, 0}, pcpSuccess, "\x02\x00\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			defer w.Close()
			r := web
			r.options = c.options
			if a := w.mapping(r); a.result != c.want || a.result == pcpSuccess && string(a.options) != c.back {
				t.Errorf("%+v, want %d", a, c.want)
			}
			if c.want != pcpSuccess {
				w.wantOpen() // "the PCP request MUST cause no state change" RFC 6887 §7.3
			}
		})
	}
}

// TestAnnounceOptions: no option is valid for ANNOUNCE yet. RFC 6887 §14.1.1
func TestAnnounceOptions(t *testing.T) {
	w := newWorld(t)
	header := mapRequest{from: alice}.message()[:pcpHeaderLen]
	header[1] = opAnnounce
	for option, want := range map[string]pcpResult{
		"":                 pcpSuccess,
		"\xc8\x00\x00\x00": pcpSuccess,
		"\x02\x00\x00\x00": pcpUnsuppOption,
		"\x02\x00\x00\x01": pcpMalformedOption,
	} {
		if got := w.ask(alice, append(header[:pcpHeaderLen:pcpHeaderLen], option...)); pcpResult(got[3]) != want {
			t.Errorf("%x: %d, want %d", option, got[3], want)
		}
	}
}
