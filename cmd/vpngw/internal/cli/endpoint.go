package cli

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"vpngw/config"
)

// probeAddress is where outwardAddress pretends to send to: TEST-NET-1 (RFC 5737), which is behind
// the default route of every host that has one. Nothing is sent.
const probeAddress = "192.0.2.1:9"

// resolvConf is where the system names its resolvers.
const resolvConf = "/etc/resolv.conf"

// publicResolvers are what a phone is told to ask when the host's own resolvers are of no use to
// it: those of Quad9 and Cloudflare.
var publicResolvers = []netip.Addr{netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("1.1.1.1")}

// outwardAddress returns the address that this host uses towards the internet, or the zero value
// if it has no default route.
func outwardAddress() netip.Addr {
	conn, err := net.Dial("udp4", probeAddress)
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = conn.Close() }()
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return local.Addr().Unmap()
}

// guessEndpoint returns what to tell clients if nobody says it, and a warning if that may not be
// what they can reach.
func guessEndpoint(outward netip.Addr, port int) (endpoint, warning string) {
	if !outward.IsValid() {
		endpoint = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		return endpoint, "this host has no route to the internet, so only clients on this host can use the endpoint " +
			endpoint + ": name the address that clients reach with --endpoint HOST:PORT"
	}
	endpoint = netip.AddrPortFrom(outward, uint16(port)).String()
	if outward.IsPrivate() || sharedSpace.Contains(outward) || outward.IsLoopback() || outward.IsLinkLocalUnicast() {
		warning = fmt.Sprintf("the endpoint %s is a private address: only clients in the same network reach it. "+
			"From elsewhere: forward UDP port %d to this host and name the public address with --endpoint HOST:%d",
			endpoint, port, port)
	}
	return endpoint, warning
}

// sharedSpace is what carriers put their customers behind (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// checkEndpoint adds the port to an endpoint given without one, and refuses what no client could
// use.
func checkEndpoint(s string, port int) (string, error) {
	wrong := usagef("--endpoint %q is not a HOST:PORT: name what clients connect to, such as vpn.example.com:51820", s)
	host, portText, err := net.SplitHostPort(s)
	if err != nil {
		host, portText = strings.Trim(s, "[]"), strconv.Itoa(port)
	}
	const inNames = "abcdefghijklmnopqrstuvwxyz0123456789-_."
	a, err := netip.ParseAddr(host)
	isName := host != "" && strings.Trim(strings.ToLower(host), inNames) == ""
	if err != nil && !isName || a.Zone() != "" { // a zone may hold anything, and means something here alone
		return "", wrong
	}
	if n, err := strconv.ParseUint(portText, 10, 16); err != nil || n == 0 {
		return "", wrong
	}
	return net.JoinHostPort(host, portText), nil
}

// phoneDNS returns the resolvers for a client that must be told some: those of this host that the
// gateway reaches for it, or public ones.
func phoneDNS() []netip.Addr {
	text, err := os.ReadFile(resolvConf)
	if err != nil {
		return publicResolvers
	}
	if found := usableResolvers(string(text), ownAddresses()); len(found) > 0 {
		return found
	}
	return publicResolvers
}

// azureHost is a resolver and Azure's metadata service at once, so it is guarded.
var azureHost = netip.MustParseAddr("168.63.129.16")

// ownAddresses returns the addresses of this host's interfaces.
func ownAddresses() []netip.Addr {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	own := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr())
		}
	}
	return own
}

// usableResolvers returns the resolvers of a resolv.conf that a peer can reach through the
// gateway: IPv4, and none that the gateway guards by default (loopback, link-local, metadata and
// this host's own addresses).
func usableResolvers(resolvConf string, own []netip.Addr) []netip.Addr {
	var found []netip.Addr
	for line := range strings.Lines(resolvConf) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" {
			continue
		}
		a, err := netip.ParseAddr(f[1])
		switch {
		case err != nil, !a.Is4(), a.IsLoopback(), a.IsLinkLocalUnicast(), a.IsUnspecified(), a == azureHost:
		case slices.Contains(own, a):
		default:
			found = append(found, a)
		}
	}
	return found
}

// forPhone returns c with resolvers for a QR code: the gateway, if it is one. A phone that sends
// everything through the tunnel sends its questions to the café's resolver there too, and gets no
// answer; a laptop keeps its route to the local network, and wg-quick with a DNS line fails where
// resolvconf is missing. So only the QR code gets them unless client_dns or --dns says otherwise.
func forPhone(c *config.Config) *config.Config {
	phone := *c
	phone.Interface.ClientDNS = c.ClientResolvers()
	if len(phone.Interface.ClientDNS) == 0 && routesEverything(c) {
		phone.Interface.ClientDNS = phoneDNS()
	}
	return &phone
}

func routesEverything(c *config.Config) bool {
	return slices.ContainsFunc(c.Interface.ClientAllowedIPs, func(p netip.Prefix) bool {
		return p.Addr().Is4() && p.Bits() == 0
	})
}
