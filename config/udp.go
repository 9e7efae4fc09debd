package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of Forward.UDPFiltering, by RFC 4787 §5.
const (
	FilterAddress             = "address-dependent"
	FilterAddressAndPort      = "address-and-port-dependent"
	FilterEndpointIndependent = "endpoint-independent"
)

// PortTimeouts say how long UDP mappings to certain ports may be silent. They are in ascending order and
// do not overlap.
type PortTimeouts []PortTimeout

// PortTimeout is for destination ports First to Last, 1–65535 but for 53, 1 s–24 h.
type PortTimeout struct {
	First, Last uint16
	Timeout     time.Duration
}

// UDPTimeout is the silence after which a UDP mapping ends that has sent to a port. Of one that has sent to
// several, the longest counts.
func (f *Forward) UDPTimeout(port uint16) time.Duration {
	if port == portDNS {
		return f.UDPDNSTimeout
	}
	i, found := slices.BinarySearchFunc(f.UDPPortTimeouts, port, func(t PortTimeout, port uint16) int {
		switch {
		case port < t.First:
			return 1
		case port > t.Last:
			return -1
		}
		return 0
	})
	if found {
		return f.UDPPortTimeouts[i].Timeout
	}
	return f.UDPIdleTimeout
}

// bindPortTimeouts reads a table of ports, or "first-last", and durations. Each entry can be a problem
// by itself.
func bindPortTimeouts(dst *PortTimeouts, raw any) (errs []valueError) {
	table, ok := raw.(map[string]any)
	if !ok {
		err := wrongType(raw, "a table of ports and durations", `like { 123 = "1m", 5060-5061 = "10m" }`)
		return []valueError{asValueError(err, "")}
	}
	*dst = nil
	for _, key := range slices.Sorted(maps.Keys(table)) {
		t, err := parsePortTimeout(key, table[key])
		if err != nil {
			errs = append(errs, asValueError(err, "."+key))
			continue
		}
		*dst = append(*dst, t)
	}
	slices.SortFunc(*dst, func(a, b PortTimeout) int { return int(a.First) - int(b.First) })
	for i := 1; i < len(*dst); i++ {
		if before, t := (*dst)[i-1], (*dst)[i]; t.First <= before.Last {
			errs = append(errs, valueError{"." + t.key(), "is in " + before.key() + " too", "name each port once"})
		}
	}
	return errs
}

func (t PortTimeout) key() string {
	if t.First == t.Last {
		return strconv.Itoa(int(t.First))
	}
	return fmt.Sprintf("%d-%d", t.First, t.Last)
}

func parsePortTimeout(key string, raw any) (t PortTimeout, err error) {
	first, last, isRange := strings.Cut(key, "-")
	if !isRange {
		last = first
	}
	low, errLow := strconv.ParseUint(first, 10, 16)
	high, errHigh := strconv.ParseUint(last, 10, 16)
	if errLow != nil || errHigh != nil || low == 0 || low > high {
		return t, &fixedError{"is not a port", `use 1 to 65535, or a range like "5060-5061"`}
	}
	if low <= portDNS && portDNS <= high {
		return t, &fixedError{"port 53 has a key of its own", "use udp_dns_timeout"}
	}
	t = PortTimeout{First: uint16(low), Last: uint16(high)}
	if err := bindDuration(&t.Timeout, raw); err != nil {
		return t, err
	}
	if t.Timeout < time.Second || t.Timeout > 24*time.Hour {
		return t, &fixedError{shortValue(t.Timeout) + " is out of range", "use 1s to 24h"}
	}
	return t, nil
}
