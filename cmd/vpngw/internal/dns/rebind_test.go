package dns

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/cmd/vpngw/internal/rarely"
	"vpngw/config"
)

// TestUpstreamsDoNotNameThisSide: by level, which addresses reach clients.
func TestUpstreamsDoNotNameThisSide(t *testing.T) {
	for _, v := range []struct {
		addr            string
		tunnel, private bool // is it let through?
	}{
		{"192.0.2.1", true, true},
		{"10.8.1.0", true, false}, // beside the tunnel's network
		{"10.8.0.2", false, false},
		{"10.8.0.255", false, false},
		{"169.254.169.254", false, false},
		{"192.168.1.1", true, false},
		{"172.31.255.255", true, false},
		{"172.32.0.0", true, true},
		{"100.64.0.1", true, false},
		{"127.0.0.2", true, false},
		{"0.0.0.0", true, false},
		{"0.1.2.3", true, false},
		{"2001:db8::1", true, true},
		{"fe80::1", false, false},
		{"::ffff:10.8.0.2", false, false}, // what a host takes for 10.8.0.2
		{"::ffff:192.168.1.1", true, false},
		{"::1", true, false},
		{"::", true, false},
		{"fd00::1", true, false},
	} {
		for level, want := range map[string]bool{
			config.RebindOff: true, config.RebindTunnel: v.tunnel, config.RebindPrivate: v.private,
		} {
			qtype, text := miekg.TypeA, "evil.example. 300 IN A "+v.addr
			if slices.Contains([]byte(v.addr), ':') {
				qtype, text = miekg.TypeAAAA, "evil.example. 300 IN AAAA "+v.addr
			}
			s, _ := askerServer(t, func(question) *miekg.Msg { return &miekg.Msg{Answer: []miekg.RR{rr(t, text)}} },
				func(c *config.Config) { c.DNS.RebindProtection, c.DNS.FilterAAAA = level, false })
			for range 2 { // from upstream, and from the cache
				m := s.ask(t, "evil.example.", qtype, func(m *miekg.Msg) { m.SetEdns0(1232, false) })
				if got := len(m.Answer) == 1; got != want || m.Rcode != miekg.RcodeSuccess {
					t.Errorf("%s, %q: %v", v.addr, level, m)
				}
				// The client is told why (RFC 8914), and that there is none for a while.
				if told := len(m.IsEdns0().Option) == 1; told == want || len(m.Ns) == 1 == want {
					t.Errorf("%s, %q: %v", v.addr, level, m)
				}
			}
			if n := s.Counters().BlockedRebind; n > 0 == want {
				t.Errorf("%s, %q: %d counted", v.addr, level, n)
			}
		}
	}
}

// TestUpstreamsDoNotSpeakForUs: what an upstream says of names known here is not passed on, and an alias
// of a stranger leads to them only where that is wanted.
func TestUpstreamsDoNotSpeakForUs(t *testing.T) {
	upstream := func(k question) *miekg.Msg {
		target := map[string]string{
			"evil.example.": "laptop.vpn.internal.", "none.example.": "nobody.vpn.internal.", "record.example.": "www.corp.example.",
			"upper.example.": "LapTop.VPN.internal.",
		}[k.name]
		return &miekg.Msg{
			MsgHdr: miekg.MsgHdr{Rcode: miekg.RcodeNameError},
			Answer: []miekg.RR{rr(t, k.name+" 300 IN CNAME "+target), rr(t, target+" 300 IN A 203.0.113.66")},
			Ns:     []miekg.RR{rr(t, "internal. 300 IN SOA a. b. 1 2 3 4 300")},
		}
	}
	for _, level := range []string{config.RebindOff, config.RebindTunnel} {
		s, _ := askerServer(t, upstream, func(c *config.Config) {
			c.DNS.RebindProtection = level
			c.DNS.Records = []config.DNSRecord{{Name: "www.corp.example", Type: "A", Value: "192.0.2.7"}}
		})
		for name, want := range map[string]string{
			"evil.example.": "laptop.vpn.internal. 60 IN A 10.8.0.2", "upper.example.": "laptop.vpn.internal. 60 IN A 10.8.0.2",
			"record.example.": "www.corp.example. 60 IN A 192.0.2.7", "none.example.": "",
		} {
			for _, qtype := range []uint16{miekg.TypeA, miekg.TypeAAAA, miekg.TypeA} {
				m := s.ask(t, name, qtype)
				leads := level == config.RebindOff && qtype == miekg.TypeA && want != ""
				rcode := miekg.RcodeSuccess
				if level == config.RebindOff && want == "" {
					rcode = miekg.RcodeNameError // nobody.vpn.internal
				}
				if got := texts(m.Answer); m.Rcode != rcode || leads && (len(got) != 2 || got[1] != want) || !leads && len(got) != 1 || !leads && len(m.Ns) != 1 {
					t.Errorf("%s %s, %q: %v", name, miekg.Type(qtype), level, m)
				}
			}
		}
		if n := s.Counters().BlockedRebind; level == config.RebindOff && n > 0 || level == config.RebindTunnel && n != 12 {
			t.Errorf("%q: %d counted", level, n)
		}
	}
}

// TestRebindingIsLogged: with what to do about it, and not for every query.
func TestRebindingIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := askerServer(t, func(k question) *miekg.Msg {
			return &miekg.Msg{Answer: []miekg.RR{rr(t, k.name+" 300 IN A 10.8.0.2")}}
		})
		var log bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		for _, v := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {0, 1}, {rarely.Interval - 1, 1}, {1, 2}} {
			time.Sleep(v.wait)
			s.ask(t, "wiki.example.", miekg.TypeA)
			if n := strings.Count(log.String(), `dns.rebind_allowed" name=wiki.example. peer=peer`); n != v.want {
				t.Errorf("%d lines, want %d: %s", n, v.want, log.String())
			}
		}
	})
}

// TestRebindingLeavesTheRest: good addresses beside bad ones, hints, aliases, and domains that may.
func TestRebindingLeavesTheRest(t *testing.T) {
	answers := map[string][]string{
		"mixed.example.": {"mixed.example. 300 IN A 192.0.2.1", "mixed.example. 300 IN A 10.8.0.2"},
		"alias.example.": {"alias.example. 300 IN CNAME x.lan.example.", "x.lan.example. 300 IN A 192.168.1.1"},
		"x.lan.example.": {"x.lan.example. 300 IN A 192.168.1.1"},
		"x.routed.":      {"x.routed. 300 IN A 10.8.0.2"},
		"svc.example.":   {`svc.example. 300 IN HTTPS 1 . alpn="h2" ipv4hint="192.0.2.1,10.8.0.2"`},
	}
	upstream := func(k question) *miekg.Msg {
		m := &miekg.Msg{}
		for _, text := range answers[k.name] {
			m.Answer = append(m.Answer, rr(t, text))
		}
		return m
	}
	s, _ := askerServer(t, upstream, func(c *config.Config) {
		c.DNS.RebindProtection, c.DNS.RebindAllowed = config.RebindPrivate, []string{"lan.example"}
		c.DNS.Routes = []config.DNSRoute{{Suffix: "routed"}}
	})
	routes := s.settings.Load().forward.routes
	routes[0].asker = routes[len(routes)-1].asker
	for name, want := range map[string][]string{
		"mixed.example.": answers["mixed.example."][:1],
		"alias.example.": answers["alias.example."][:1], // the stranger's own name decides, not where it leads
		"x.lan.example.": answers["x.lan.example."],
		"x.routed.":      answers["x.routed."],
	} {
		if m := s.ask(t, name, miekg.TypeA); !slices.Equal(texts(m.Answer), want) {
			t.Errorf("%s: %v", name, m)
		}
	}
	want := []string{`svc.example. 300 IN HTTPS 1 . alpn="h2"`}
	if m := s.ask(t, "svc.example.", miekg.TypeHTTPS); !slices.Equal(texts(m.Answer), want) || len(m.Ns) > 0 {
		t.Errorf("%v", m)
	}
	// Names known here are not an upstream's.
	if m := s.ask(t, "laptop.vpn.internal.", miekg.TypeA); len(m.Answer) != 1 {
		t.Errorf("%v", m)
	}
	if n := s.Counters().BlockedRebind; n != 3 {
		t.Errorf("%d counted", n)
	}
}

// FuzzUpstream: whatever an upstream says, the client gets one answer that can be read, and no address of
// this side but of names that are known here.
func FuzzUpstream(f *testing.F) {
	for _, record := range []string{
		"a.example. 60 IN A 10.8.0.2", "a.example. 60 IN AAAA ::ffff:10.8.0.2", "a.example. 60 IN CNAME laptop.vpn.internal.",
		"a.example. 60 IN HTTPS 1 . ipv4hint=10.8.0.2 ipv6hint=::1", "example. 60 IN DNAME vpn.internal.",
	} {
		m := new(miekg.Msg).SetQuestion("a.example.", miekg.TypeANY)
		query := pack(f, m)
		m.Response, m.Answer = true, []miekg.RR{rr(f, record)}
		f.Add(query, pack(f, m))
	}
	var said []byte
	s, _ := askerServer(f, func(question) *miekg.Msg {
		m := new(miekg.Msg)
		if m.Unpack(said) != nil {
			return new(miekg.Msg).SetRcode(m, miekg.RcodeServerFailure)
		}
		return m
	}, func(cfg *config.Config) { cfg.DNS.RebindProtection, cfg.DNS.CacheSize = config.RebindPrivate, 0 })
	now := s.settings.Load()
	f.Fuzz(func(t *testing.T, query, upstream []byte) {
		said = upstream
		got := s.askBytes(t, query)
		if got == nil {
			return
		}
		m := new(miekg.Msg)
		if err := m.Unpack(got); err != nil {
			t.Fatalf("answer %x: %v", got, err)
		}
		for _, r := range m.Answer {
			name := strings.ToLower(r.Header().Name)
			local := now.zones.ours(name) || len(now.zones.short[name]) > 0 || special(question{name: name}) != nil
			if a, ok := r.(*miekg.A); ok && now.rebind.forbidsIP(a.A) && !local {
				t.Errorf("an upstream named %v", a)
			}
		}
	})
}
