package config

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// checker looks for what no single value can show.
type checker struct {
	cfg      *Config
	tables   map[string]*source
	peers    []*source // of cfg.Peers, same order
	problems Problems
}

// check returns all problems of c. The sources say where its tables stand; they may be nil.
func check(c *Config, tables map[string]*source, peers []*source) Problems {
	if tables == nil {
		tables = tableSources(nil)
		for i := range c.Peers {
			peers = append(peers, newSource(nil, "", peerLabel(i, c.Peers[i].Name)))
		}
	}
	ck := &checker{cfg: c, tables: tables, peers: peers}
	ck.tagged()
	ck.interfaceTable()
	ck.stackTable()
	ck.dnsTable()
	ck.portmapTable()
	ck.adminTable()
	ck.peerTables()
	return ck.problems
}

func (ck *checker) add(p Problem) { ck.problems = append(ck.problems, p) }

// tagged checks what the struct tags range and oneof say.
func (ck *checker) tagged() {
	root := reflect.ValueOf(*ck.cfg)
	for i := range root.NumField() {
		src := ck.tables[root.Type().Field(i).Tag.Get("toml")]
		if src != nil && root.Field(i).Kind() == reflect.Struct {
			ck.taggedFields(src, root.Field(i))
		}
	}
	for i := range ck.cfg.Peers {
		ck.taggedFields(ck.peers[i], reflect.ValueOf(ck.cfg.Peers[i]))
	}
}

func (ck *checker) taggedFields(src *source, table reflect.Value) {
	for i := range table.NumField() {
		field := table.Type().Field(i)
		key, value := field.Tag.Get("toml"), table.Field(i)
		if src.bad[key] {
			continue
		}
		if bounds, ok := field.Tag.Lookup("range"); ok {
			low, high, _ := strings.Cut(bounds, ",")
			v, unit := value.Int(), value.Interface()
			if v < bound(low, unit) || v > bound(high, unit) {
				ck.add(src.problem(key, fmt.Sprintf("%s is out of range", shortValue(unit)),
					fmt.Sprintf("use %s to %s", low, high)))
			}
		}
		if words, ok := field.Tag.Lookup("oneof"); ok {
			if list := strings.Split(words, ","); !slices.Contains(list, value.String()) {
				ck.add(src.problem(key, fmt.Sprintf("%q is not %s", value.String(), quoteList(list)),
					didYouMean(value.String(), list)))
			}
		}
	}
}

// shortValue prints a number, and a duration as people write it: 25h, not 25h0m0s.
func shortValue(v any) string {
	s := fmt.Sprint(v)
	if _, ok := v.(time.Duration); ok && strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
	}
	return s
}

// bound reads a number of a range tag in the type of what it bounds.
func bound(s string, unit any) int64 {
	switch unit.(type) {
	case time.Duration:
		d, _ := time.ParseDuration(s)
		return int64(d)
	case Size:
		size, _ := parseSize(s)
		return int64(size)
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// mtuQUIC is the smallest MTU that lets through what expects an Internet path: IPv6's minimum
// (RFC 8200 §5), and QUIC's 1200-byte datagrams (RFC 9000 §14).
const mtuQUIC = 1280

// mtuMin is the least MTU of a tunnel: what every host must take in one piece or several (RFC 791 §3.1).
const mtuMin = 576

func (ck *checker) interfaceTable() {
	in, src := &ck.cfg.Interface, ck.tables["interface"]
	if in.PrivateKey.IsZero() && !src.bad["private_key"] && !src.bad["private_key_file"] && src.doc.complete() {
		ck.add(src.problem("private_key", "there is none",
			"set private_key or private_key_file; vpngw genkey makes a key"))
	}
	if !src.bad["address"] {
		if message, fix := gatewayAddress(in.Address); message != "" {
			ck.add(src.problem("address", message, fix))
		}
	}
	if in.MTU >= mtuMin && in.MTU < mtuQUIC && !src.bad["mtu"] {
		ck.add(src.warning("mtu",
			fmt.Sprintf("%d is less than %d, which QUIC and others need", in.MTU, mtuQUIC), ""))
	}
	if in.Endpoint != "" {
		if message, fix := hostPort(in.Endpoint, in.ListenPort); message != "" {
			ck.add(src.problem("endpoint", message, fix))
		}
	}
	if len(in.ClientAllowedIPs) == 0 && !src.bad["client_allowed_ips"] {
		ck.add(src.problem("client_allowed_ips", "is empty: clients would send nothing into the tunnel",
			`the default is ["0.0.0.0/0"]`))
	}
}

// gatewayAddress says why p cannot be the gateway's address in the tunnel, or "".
func gatewayAddress(p netip.Prefix) (message, fix string) {
	a := p.Addr()
	switch {
	case !p.IsValid():
		return "there is none", `write an address with its network's length, like "10.8.0.1/24"`
	case !a.Is4():
		return fmt.Sprintf("%s is not an IPv4 address", p), "the tunnel carries IPv4"
	case a.IsLoopback(), a.IsMulticast(), a.IsLinkLocalUnicast(), a.As4()[0] == 0, a.As4()[0] >= 240:
		return fmt.Sprintf("%s is not an address that a host can have", a),
			"use a private network, like 10.8.0.1/24"
	}
	if first, last, ok := hostRange(p.Masked()); ok {
		if v := addrValue(a); v < first || v > last {
			return fmt.Sprintf("%s is the network's or the broadcast address of %s, not a host's",
					a, p.Masked()),
				fmt.Sprintf(`write "%s/%d"`, addrFrom(first), p.Bits())
		}
	}
	return "", ""
}

// hostPort says why s is no "host:port", or "". The port is what a missing one could be.
func hostPort(s string, port int) (message, fix string) {
	if strings.Contains(s, "/") {
		return fmt.Sprintf(`%q is a URL or a path, not "host:port"`, s), ""
	}
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		if a, aErr := netip.ParseAddr(strings.Trim(s, "[]")); aErr == nil {
			return fmt.Sprintf("%q has no port", s),
				fmt.Sprintf(`write %q`, netip.AddrPortFrom(a, uint16(port)))
		}
		if isHostName(s) {
			return fmt.Sprintf("%q has no port", s), fmt.Sprintf(`write "%s:%d"`, s, port)
		}
		return fmt.Sprintf(`%q is not "host:port"`, s), ""
	}
	a, err := netip.ParseAddr(host)
	if err != nil && !isHostName(host) || a.Zone() != "" {
		return fmt.Sprintf("%q is neither a host name nor an IP address", host), ""
	}
	if n, err := strconv.ParseUint(portText, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("%q is not a port", portText), "use 1 to 65535"
	}
	return "", ""
}

// isHostName reports whether s is a host name by RFC 1123 §2.1, as far as its form goes. One whose
// last label is a number would be a mistyped IPv4 address.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	labels := strings.Split(strings.ToLower(s), ".")
	for _, label := range labels {
		// Underscores are no part of host names, but of names that resolve.
		if CheckName(strings.ReplaceAll(label, "_", "x")) != nil {
			return false
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1])
	return err != nil
}

// keepAliveIdleMin keeps probes from being traffic of their own.
const keepAliveIdleMin = 10 * time.Second

func (ck *checker) stackTable() {
	st, src := &ck.cfg.Stack, ck.tables["stack"]
	if idle := st.KeepAliveIdle; idle > 0 && idle < keepAliveIdleMin {
		ck.add(src.problem("keepalive_idle", fmt.Sprintf("%v is too short", idle),
			`use "0s" for never, or 10s to 24h`))
	}
}

func (ck *checker) adminTable() {
	ad, src := &ck.cfg.Admin, ck.tables["admin"]
	if len(ad.Socket) > socketPathMax {
		ck.add(src.problem("socket",
			fmt.Sprintf("the path has %d bytes, and a unix socket's at most %d", len(ad.Socket), socketPathMax),
			"use a shorter one"))
	}
	if ad.Listen == "" {
		return
	}
	host, port, err := net.SplitHostPort(ad.Listen)
	if err != nil {
		ck.add(src.problem("listen", fmt.Sprintf("%q is not \"host:port\"", ad.Listen),
			`like "127.0.0.1:51821"`))
		return
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		ck.add(src.problem("listen", fmt.Sprintf("%q is not a port", port), "use 0 to 65535"))
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		ck.add(src.warning("listen", "is reachable from other hosts, and asks nobody who they are",
			`like "127.0.0.1:51821"`))
	}
}
