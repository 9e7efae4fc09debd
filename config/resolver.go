package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
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
	ResolverHTTPS  ResolverKind = "https"  // DNS over HTTPS (RFC 8484)
)

// Ports that resolvers have unless told otherwise.
const (
	portDNS = 53
	portDoT = 853 // RFC 7858 §3.1
	portDoH = 443
)

// defaultPath is where a resolver answers over HTTPS unless told otherwise: the one of RFC 8484's
// examples, and of every large provider.
const defaultPath = "/dns-query"

// Resolver is a DNS server that queries are sent on to. It is comparable.
type Resolver struct {
	Kind ResolverKind
	// Addr is its address and port; the zero value for ResolverSystem.
	Addr netip.AddrPort
	// ServerName is what the certificate of a ResolverTLS or ResolverHTTPS must be for: a host name, or
	// its address.
	ServerName string
	// Path is where a ResolverHTTPS answers, from its first slash on; "" for the others.
	Path string
}

// String returns the form that the configuration has: "system", "1.1.1.1", "tcp://1.1.1.1",
// "tls://dns.example@192.0.2.1", "https://dns.example@192.0.2.1/dns-query".
func (r Resolver) String() string {
	if r.Kind == ResolverSystem {
		return string(ResolverSystem)
	}
	addr := r.Addr.String()
	if r.Addr.Port() == r.Kind.port() {
		addr = r.Addr.Addr().String()
	}
	switch {
	case r.Kind == ResolverUDP:
		return addr
	case r.ServerName != "" && r.ServerName != r.Addr.Addr().String():
		addr = r.ServerName + "@" + addr
	}
	return string(r.Kind) + "://" + addr + r.Path
}

// port is the port that resolvers of the kind have unless told otherwise.
func (k ResolverKind) port() uint16 {
	switch k {
	case ResolverTLS:
		return portDoT
	case ResolverHTTPS:
		return portDoH
	}
	return portDNS
}

// MarshalText is [Resolver.String].
func (r Resolver) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// resolverForms is said about what is none.
const resolverForms = `like "system", "9.9.9.9", "9.9.9.9:53", "tcp://9.9.9.9", "tls://dns.quad9.net@9.9.9.9" or "https://dns.quad9.net@9.9.9.9/dns-query"`

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
	switch r.Kind {
	case ResolverUDP, ResolverTCP:
	case ResolverTLS, ResolverHTTPS:
		if r.Kind == ResolverHTTPS {
			var err error
			if rest, r.Path, err = cutPath(rest); err != nil {
				return r, err
			}
		}
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
	if r.Addr, err = parseAddrPort(rest, r.Kind.port()); err != nil {
		return r, notAnAddress(r, rest)
	}
	if (r.Kind == ResolverTLS || r.Kind == ResolverHTTPS) && r.ServerName == "" {
		r.ServerName = r.Addr.Addr().String()
	}
	return r, nil
}

// cutPath cuts the path off what follows "https://".
func cutPath(s string) (host, path string, err error) {
	host, path, _ = strings.Cut(s, "/")
	if path == "" {
		return host, defaultPath, nil
	}
	path = "/" + path
	// No query: messages go in the body. No escapes: what is written here is what is asked for.
	if u, err := url.Parse(path); err != nil || u.Path != path || u.EscapedPath() != path {
		return "", "", &fixedError{fmt.Sprintf("%q is not a path", path), resolverForms}
	}
	return host, path, nil
}

// notAnAddress says what to write instead of rest, which should be the address of r.
func notAnAddress(r Resolver, rest string) error {
	host, _, _ := strings.Cut(rest, ":")
	switch {
	case !isHostName(host) || r.ServerName != "":
		return &fixedError{fmt.Sprintf("%q is not an IP address", rest), resolverForms}
	case r.Kind == ResolverTLS, r.Kind == ResolverHTTPS:
		return &fixedError{
			fmt.Sprintf("%q is a name, which would itself have to be resolved", rest),
			fmt.Sprintf("write its address too: %s://%s@ADDRESS%s", r.Kind, host, r.Path),
		}
	}
	return &fixedError{fmt.Sprintf("%q is a name, which would itself have to be resolved", rest), "write its address"}
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
