package dns

import (
	"net/netip"
	"slices"
	"testing"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// zoneConfig has something of everything.
func zoneConfig(t testing.TB) *config.Config {
	cfg := testConfig(t)
	cfg.Peers[1].AllowedIPs = append(cfg.Peers[1].AllowedIPs, netip.MustParsePrefix("192.168.50.0/24"))
	cfg.DNS.Records = []config.DNSRecord{
		{Name: "printer", Type: "A", Value: "192.168.50.7"},
		{Name: "printer", Type: "A", Value: "10.8.0.77"},
		{Name: "www", Type: "CNAME", Value: "printer.vpn.internal"},
		{Name: "elsewhere", Type: "CNAME", Value: "host.invalid"},
		{Name: "a.b.vpn.internal", Type: "TXT", Value: `say "hi" \o/`},
		{Name: "six.corp.example", Type: "AAAA", Value: "2001:db8::6"},
		{Name: "loop1", Type: "CNAME", Value: "loop2.vpn.internal"},
		{Name: "loop2", Type: "CNAME", Value: "loop1.vpn.internal"},
	}
	return cfg
}

func TestNamesKnownHere(t *testing.T) {
	s := newTestServer(t, zoneConfig(t))
	const ok, none = miekg.RcodeSuccess, miekg.RcodeNameError
	for _, v := range []struct {
		name  string
		qtype uint16
		rcode int
		want  []string
		soa   string // owner of the SOA record, "" for none
	}{
		{"laptop.vpn.internal.", miekg.TypeA, ok, []string{"laptop.vpn.internal. 60 IN A 10.8.0.2"}, ""},
		{"LapTop.VPN.internal.", miekg.TypeA, ok, []string{"laptop.vpn.internal. 60 IN A 10.8.0.2"}, ""},
		{"laptop.", miekg.TypeA, ok, []string{"laptop. 60 IN A 10.8.0.2"}, ""},
		{"phone.vpn.internal.", miekg.TypeA, ok, []string{"phone.vpn.internal. 60 IN A 10.8.0.3"}, ""},
		{"laptop.vpn.internal.", miekg.TypeAAAA, ok, nil, "vpn.internal."},
		{"laptop.", miekg.TypeAAAA, ok, nil, "laptop."},
		{"laptop.", miekg.TypeHTTPS, ok, nil, "laptop."},
		{"laptop.vpn.internal.", miekg.TypeHTTPS, ok, nil, "vpn.internal."},
		{"nobody.vpn.internal.", miekg.TypeA, none, nil, "vpn.internal."},
		{"x.laptop.vpn.internal.", miekg.TypeA, none, nil, "vpn.internal."},
		{"vpn.internal.", miekg.TypeA, ok, []string{"vpn.internal. 60 IN A 10.8.0.1"}, ""},
		{"vpn.internal.", miekg.TypeNS, ok, []string{"vpn.internal. 60 IN NS gateway.vpn.internal."}, ""},
		{"gateway.vpn.internal.", miekg.TypeA, ok, []string{"gateway.vpn.internal. 60 IN A 10.8.0.1"}, ""},
		{"b.vpn.internal.", miekg.TypeA, ok, nil, "vpn.internal."}, // something is below it
		{"a.b.vpn.internal.", miekg.TypeTXT, ok, []string{`a.b.vpn.internal. 60 IN TXT "say \"hi\" \\o/"`}, ""},
		{"printer.vpn.internal.", miekg.TypeA, ok, []string{
			"printer.vpn.internal. 60 IN A 192.168.50.7", "printer.vpn.internal. 60 IN A 10.8.0.77",
		}, ""},
		{"www.vpn.internal.", miekg.TypeA, ok, []string{
			"www.vpn.internal. 60 IN CNAME printer.vpn.internal.",
			"printer.vpn.internal. 60 IN A 192.168.50.7", "printer.vpn.internal. 60 IN A 10.8.0.77",
		}, ""},
		{"www.vpn.internal.", miekg.TypeCNAME, ok, []string{"www.vpn.internal. 60 IN CNAME printer.vpn.internal."}, ""},
		{"elsewhere.vpn.internal.", miekg.TypeA, none, []string{"elsewhere.vpn.internal. 60 IN CNAME host.invalid."}, "invalid."},
		{"six.corp.example.", miekg.TypeAAAA, ok, []string{"six.corp.example. 60 IN AAAA 2001:db8::6"}, ""},
		{"six.corp.example.", miekg.TypeA, ok, nil, "six.corp.example."},
		{"loop1.vpn.internal.", miekg.TypeA, miekg.RcodeServerFailure, nil, ""},

		{"2.0.8.10.in-addr.arpa.", miekg.TypePTR, ok, []string{"2.0.8.10.in-addr.arpa. 60 IN PTR laptop.vpn.internal."}, ""},
		{"1.0.8.10.in-addr.arpa.", miekg.TypePTR, ok, []string{"1.0.8.10.in-addr.arpa. 60 IN PTR gateway.vpn.internal."}, ""},
		{"77.0.8.10.in-addr.arpa.", miekg.TypePTR, ok, []string{"77.0.8.10.in-addr.arpa. 60 IN PTR printer.vpn.internal."}, ""},
		{"99.0.8.10.in-addr.arpa.", miekg.TypePTR, none, nil, "0.8.10.in-addr.arpa."},
		{"0.8.10.in-addr.arpa.", miekg.TypeSOA, ok, nil, "0.8.10.in-addr.arpa."},
		{"b._dns-sd._udp.0.0.8.10.in-addr.arpa.", miekg.TypePTR, none, nil, "0.8.10.in-addr.arpa."},

		{"localhost.", miekg.TypeA, ok, []string{"localhost. 60 IN A 127.0.0.1"}, ""},
		{"x.localhost.", miekg.TypeAAAA, ok, []string{"x.localhost. 60 IN AAAA ::1"}, ""},
		{"localhost.", miekg.TypeMX, ok, nil, "localhost."},
		{"1.0.0.127.in-addr.arpa.", miekg.TypePTR, ok, []string{"1.0.0.127.in-addr.arpa. 60 IN PTR localhost."}, ""},
		{"9.9.9.127.in-addr.arpa.", miekg.TypePTR, none, nil, "127.in-addr.arpa."},
		{"x.invalid.", miekg.TypeA, none, nil, "invalid."},
		{"invalid.", miekg.TypeA, none, nil, "invalid."},
		{"facebookcorewwwi.onion.", miekg.TypeA, none, nil, "onion."},
		{"x.alt.", miekg.TypeA, none, nil, "alt."},
		{"use-application-dns.net.", miekg.TypeA, none, nil, "use-application-dns.net."},
		{"_dns.resolver.arpa.", miekg.TypeSVCB, ok, nil, "resolver.arpa."},
	} {
		m := s.ask(t, v.name, v.qtype)
		if m.Rcode != v.rcode || !slices.Equal(texts(m.Answer), v.want) && v.rcode != miekg.RcodeServerFailure {
			t.Errorf("%s %s: %v, want %v", v.name, miekg.Type(v.qtype), m, v.want)
		}
		owner := ""
		if len(m.Ns) > 0 {
			owner = m.Ns[0].Header().Name
		}
		if owner != v.soa {
			t.Errorf("%s %s: SOA of %q, want %q", v.name, miekg.Type(v.qtype), owner, v.soa)
		}
		if !m.RecursionAvailable || m.AuthenticatedData {
			t.Errorf("%s: flags of %v", v.name, m.MsgHdr)
		}
	}
	if c := s.Counters(); c.Forwarded != 0 || c.UpstreamQueries != 0 {
		t.Errorf("asked upstream: %+v", c)
	}
}

// TestWhatIsOursIsNotForwarded: there is a route for everything, and what is ours does not take it.
func TestWhatIsOursIsNotForwarded(t *testing.T) {
	z := newZones(zoneConfig(t))
	for _, name := range []string{
		"vpn.internal.", "x.y.vpn.internal.", "_ldap._tcp.vpn.internal.", "255.0.8.10.in-addr.arpa.", "lb._dns-sd._udp.vpn.internal.",
	} {
		for _, qtype := range []uint16{miekg.TypeA, miekg.TypeAAAA, miekg.TypeSOA, miekg.TypeSRV, miekg.TypeANY, 65280} {
			if a, next := z.lookup(question{name: name, qtype: qtype}); a == nil || next != "" {
				t.Errorf("%s %d would be asked upstream", name, qtype)
			}
		}
	}
	for _, name := range []string{"xvpn.internal.", "internal.", "2.1.8.10.in-addr.arpa.", "8.10.in-addr.arpa.", "example.", ".", "laptop."} {
		if a, _ := z.lookup(question{name: name, qtype: miekg.TypeNS}); a != nil {
			t.Errorf("%s is answered here: %+v", name, a)
		}
	}
}

func TestReverseZonesOfEveryNetwork(t *testing.T) {
	for _, v := range []struct{ network, name, want string }{
		{"10.8.0.1/24", "5.0.8.10.in-addr.arpa.", "0.8.10.in-addr.arpa."},
		{"10.8.0.1/24", "5.1.8.10.in-addr.arpa.", ""},
		{"172.16.0.1/12", "5.4.17.172.in-addr.arpa.", "17.172.in-addr.arpa."},
		{"172.16.0.1/12", "17.172.in-addr.arpa.", "17.172.in-addr.arpa."},
		{"172.16.0.1/12", "5.4.32.172.in-addr.arpa.", ""},
		{"172.16.0.1/12", "172.in-addr.arpa.", ""},
		{"10.8.0.5/30", "6.0.8.10.in-addr.arpa.", "6.0.8.10.in-addr.arpa."},
		{"10.8.0.5/30", "8.0.8.10.in-addr.arpa.", ""},
		{"10.0.0.1/8", "10.in-addr.arpa.", "10.in-addr.arpa."},
		{"10.0.0.1/8", "x.10.in-addr.arpa.", "10.in-addr.arpa."},
		{"10.8.0.1/24", "5.0.8.300.in-addr.arpa.", ""},
		{"10.8.0.1/24", "in-addr.arpa.", ""},
	} {
		z := zones{network: netip.MustParsePrefix(v.network).Masked()}
		if got := z.reverseZone(v.name); got != v.want {
			t.Errorf("%s in %s: %q, want %q", v.name, v.network, got, v.want)
		}
	}
}
