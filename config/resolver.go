package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ResolverKind is how a [Resolver] is asked.
type ResolverKind string

// The kinds of resolvers.
const (
	ResolverSystem ResolverKind = "system" // those of this host's resolv.conf
	ResolverUDP    ResolverKind = "udp"    // UDP, and TCP for what does not fit
	ResolverTCP    ResolverKind = "tcp"    // TCP alone
	ResolverTLS    ResolverKind = "tls"    // DNS over TLS (RFC 7858)
)

// Ports that resolvers have unless told otherwise.
const (
	portDNS = 53
	portDoT = 853 // RFC 7858 §3.1
)

// Resolver is a DNS server that queries are sent on to. It is comparable.
type Resolver struct {
	Kind ResolverKind
	// Addr is its address and port; the zero value for ResolverSystem.
	Addr netip.AddrPort
	// ServerName is what the certificate of a ResolverTLS must be for: a host name, or its address.
	ServerName string
}

// String returns the form that the configuration has: "system", "1.1.1.1", "tcp://1.1.1.1",
// "tls://dns.example@192.0.2.1".
func (r Resolver) String() string {
	if r.Kind == ResolverSystem {
		return string(ResolverSystem)
	}
	port := uint16(portDNS)
	if r.Kind == ResolverTLS {
		port = portDoT
	}
	addr := r.Addr.String()
	if r.Addr.Port() == port {
		addr = r.Addr.Addr().String()
	}
	switch {
	case r.Kind == ResolverUDP:
		return addr
	case r.Kind == ResolverTLS && r.ServerName != r.Addr.Addr().String():
		addr = r.ServerName + "@" + addr
	}
	return string(r.Kind) + "://" + addr
}

// MarshalText is [Resolver.String].
func (r Resolver) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// resolverForms is said about what is none.
const resolverForms = `like "system", "9.9.9.9", "9.9.9.9:53", "tcp://9.9.9.9" or "tls://dns.quad9.net@9.9.9.9"`

// parseResolver reads one element of a list of upstreams.
func parseResolver(s string) (Resolver, error) {
	if s == string(ResolverSystem) {
		return Resolver{Kind: ResolverSystem}, nil
	}
	kind, rest, hasScheme := strings.Cut(s, "://")
	if !hasScheme {
		kind, rest = string(ResolverUDP), s
	}
	r := Resolver{Kind: ResolverKind(kind)}
	port := uint16(portDNS)
	switch r.Kind {
	case ResolverUDP, ResolverTCP:
	case ResolverTLS:
		port = portDoT
		if host, addr, ok := strings.Cut(rest, "@"); ok {
			if !isHostName(host) {
				return r, &fixedError{fmt.Sprintf("%q is not a host name", host), resolverForms}
			}
			r.ServerName, rest = strings.TrimSuffix(strings.ToLower(host), "."), addr
		}
	default:
		return r, &fixedError{fmt.Sprintf("%q is no way to ask a resolver", kind+"://"), resolverForms}
	}
	var err error
	if r.Addr, err = parseAddrPort(rest, port); err != nil {
		return r, notAnAddress(r, rest)
	}
	if r.Kind == ResolverTLS && r.ServerName == "" {
		r.ServerName = r.Addr.Addr().String()
	}
	return r, nil
}

// notAnAddress says what to write instead of rest, which should be the address of r.
func notAnAddress(r Resolver, rest string) error {
	host, _, _ := strings.Cut(rest, ":")
	switch {
	case !isHostName(host) || r.ServerName != "":
		return &fixedError{fmt.Sprintf("%q is not an IP address", rest), resolverForms}
	case r.Kind == ResolverTLS:
		return &fixedError{
			fmt.Sprintf("%q is a name, and who would resolve it?", rest),
			fmt.Sprintf("write its address too: tls://%s@ADDRESS", host),
		}
	}
	return &fixedError{fmt.Sprintf("%q is a name, and who would resolve it?", rest), "write its address"}
}

var errNotAddrPort = errors.New("not an address")

// parseAddrPort reads "ADDR", "ADDR:PORT", "V6ADDR" or "[V6ADDR]:PORT".
func parseAddrPort(s string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a.Unmap(), port), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil || ap.Port() == 0 {
		return netip.AddrPort{}, errNotAddrPort
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
