package admin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// socketName is the Host that requests over the socket carry.
const socketName = "vpngw"

// socketHost passes requests that a command of ours (or curl) makes over the socket. A unix socket
// cannot be reached from a web page; the check costs nothing and holds if somebody puts a TCP
// relay before it.
func socketHost(next http.Handler) http.Handler {
	return checkHost(next, func(host string) bool { return host == socketName || host == "localhost" })
}

// tcpHost passes requests that name an address, localhost or the configured host. Any other name
// was pointed here by somebody else's DNS.
func tcpHost(configured string, next http.Handler) http.Handler {
	return checkHost(next, func(host string) bool {
		if _, err := netip.ParseAddr(host); err == nil {
			return true
		}
		return host == "localhost" || configured != "" && strings.EqualFold(host, configured)
	})
}

func checkHost(next http.Handler, allowed func(host string) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !allowed(hostname(r.Host)):
			answer(w, http.StatusMisdirectedRequest,
				&Error{Message: "this listener does not answer to that host name: use its address"})
		case r.Header.Get("Origin") != "":
			answer(w, http.StatusForbidden, &Error{Message: "requests from web pages are refused"})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// hostname returns a Host header without its port and without the brackets of IPv6.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}
