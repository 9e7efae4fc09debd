package traffic

import "fmt"

// What the DNS server of a Site knows. dnsmasq.conf, for the server, says the same.
const (
	// HostName has the address HostAddr.
	HostName, HostAddr = "host.test", "192.0.2.77"
	// RebindName has the address RebindAddr, a client's in the tunnel.
	RebindName, RebindAddr = "rebind.test", "10.8.0.2"
	// LongName has TXT records with LongText letters x in all: more than a UDP answer may hold, so
	// that the client is told to ask again over TCP.
	LongName, LongText = "long.test", 2000
)

// nameChecks ask the upstream's DNS server.
func nameChecks(s Site) []check {
	// On a bad path a datagram may be lost: dig asks again, and remarks on it in a line with ";;".
	dig := fmt.Sprintf("dig -r @%s +short +tries=5 +time=2", s.Upstream)
	return []check{
		{"DNS over UDP", dig + " " + HostName + " A | grep -v '^;;'", prints(HostAddr)},
		{"DNS over TCP", dig + " +tcp " + HostName + " A", prints(HostAddr)},
		{"DNS answer too long for UDP", dig + " " + LongName + " TXT | tr -cd x | wc -c", prints(fmt.Sprint(LongText))},
	}
}
