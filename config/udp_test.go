package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestUDPTimeouts: ports, ranges, DNS's own key and all others.
func TestUDPTimeouts(t *testing.T) {
	var got PortTimeouts
	if errs := bindPortTimeouts(&got, map[string]any{"5060-5061": "10m", "123": "1m", "65535": "1s"}); errs != nil {
		t.Fatal(errs)
	}
	want := PortTimeouts{
		{123, 123, time.Minute}, {5060, 5061, 10 * time.Minute}, {65535, 65535, time.Second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	f := Default().Forward
	f.UDPPortTimeouts = got
	for port, want := range map[uint16]time.Duration{
		53: f.UDPDNSTimeout, 123: time.Minute, 5059: f.UDPIdleTimeout, 5060: 10 * time.Minute, 5061: 10 * time.Minute,
		5062: f.UDPIdleTimeout, 0: f.UDPIdleTimeout, 65534: f.UDPIdleTimeout, 65535: time.Second,
	} {
		if got := f.UDPTimeout(port); got != want {
			t.Errorf("port %d: %v, want %v", port, got, want)
		}
	}
}

// TestUDPTimeoutProblems: each names its entry and what to do.
func TestUDPTimeoutProblems(t *testing.T) {
	for _, c := range []struct {
		raw           any
		element, want string
	}{
		{"1m", "", "a table"},
		{map[string]any{"0": "1m"}, ".0", "1 to 65535"},
		{map[string]any{"65536": "1m"}, ".65536", "1 to 65535"},
		{map[string]any{"9-8": "1m"}, ".9-8", "1 to 65535"},
		{map[string]any{"-8": "1m"}, ".-8", "1 to 65535"},
		{map[string]any{"ntp": "1m"}, ".ntp", "1 to 65535"},
		{map[string]any{"53": "1m"}, ".53", "udp_dns_timeout"},
		{map[string]any{"1-100": "1m"}, ".1-100", "udp_dns_timeout"},
		{map[string]any{"123": int64(60)}, ".123", "60s"},
		{map[string]any{"123": "1"}, ".123", "duration"},
		{map[string]any{"123": "999ms"}, ".123", "1s to 24h"},
		{map[string]any{"123": "25h"}, ".123", "1s to 24h"},
		{map[string]any{"100-200": "1m", "123": "1m"}, ".123", "100-200"},
	} {
		var got PortTimeouts
		errs := bindPortTimeouts(&got, c.raw)
		if len(errs) != 1 || errs[0].element != c.element || !strings.Contains(errs[0].message+" "+errs[0].fix, c.want) {
			t.Errorf("%v: %+v, want %q about %q", c.raw, errs, c.want, c.element)
		}
	}
}
