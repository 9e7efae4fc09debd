package dns

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// fakeAsker answers in place of upstreams; nil: nobody answers.
type fakeAsker struct {
	asked  *atomic.Int64
	answer func(question) *miekg.Msg
}

func (f fakeAsker) ask(ctx context.Context, k question) (*miekg.Msg, error) {
	f.asked.Add(1)
	if m := f.answer(k); m != nil {
		return m, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (fakeAsker) close() {}

// askerServer makes a Server whose upstream is a function.
func askerServer(t testing.TB, f func(question) *miekg.Msg, change ...func(*config.Config)) (*Server, *atomic.Int64) {
	cfg := testConfig(t)
	for _, c := range change {
		c(cfg)
	}
	s, asked := newTestServer(t, cfg), new(atomic.Int64)
	routes := s.settings.Load().forward.routes
	routes[len(routes)-1].asker = fakeAsker{asked, f}
	return s, asked
}

func TestOneQuestionAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s, asked := askerServer(t, func(k question) *miekg.Msg {
			<-release
			return &miekg.Msg{Answer: []miekg.RR{rr(t, k.name+" 0 IN A 192.0.2.1")}}
		})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if m := s.ask(t, "www.example.", miekg.TypeA); len(m.Answer) != 1 {
					t.Errorf("%v", m)
				}
			})
		}
		synctest.Wait()
		close(release)
		all.Wait()
		if asked.Load() != 1 {
			t.Errorf("%d questions", asked.Load())
		}
	})
}

// TestDeadUpstreams: a failure in bounded time, and what needs no upstream is not affected; nor are
// other peers by one that uses up its share.
func TestDeadUpstreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asked := askerServer(t, func(question) *miekg.Msg { return nil })
		var log bytes.Buffer
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		var all sync.WaitGroup
		began := time.Now()
		for i := range queriesPerPeerMax {
			all.Go(func() {
				m := s.ask(t, string(rune('a'+i%26))+string(rune('a'+i/26))+".example.", miekg.TypeA)
				if took := time.Since(began); m.Rcode != miekg.RcodeServerFailure || took != resolveTimeout {
					t.Errorf("%s after %v", miekg.RcodeToString[m.Rcode], took)
				}
			})
		}
		synctest.Wait()
		if m := s.ask(t, "over.example.", miekg.TypeA); m.Rcode != miekg.RcodeServerFailure || time.Since(began) != 0 {
			t.Errorf("over the limit: %v after %v", m, time.Since(began))
		}
		if m := s.ask(t, "laptop.vpn.internal.", miekg.TypeA); len(m.Answer) != 1 {
			t.Errorf("a peer's name: %v", m)
		}
		if !s.slots.take("another peer") {
			t.Error("another peer has no share")
		}
		s.slots.give("another peer")
		all.Wait()
		if n := strings.Count(log.String(), "no upstream answers"); n != 1 || !strings.Contains(log.String(), "peer=peer err=\"context deadline exceeded\"") {
			t.Errorf("%d warnings: %s", n, log.String())
		}
		c := s.Counters()
		if c.Failures != queriesPerPeerMax || c.OverLimit != 1 || s.slots.used != 0 || len(s.slots.byPeer) != 0 {
			t.Errorf("%+v, %d slots in use", c, s.slots.used)
		}
		// The failure is remembered for a moment, and then asked about again.
		before := asked.Load()
		if m := s.ask(t, "aa.example.", miekg.TypeA); m.Rcode != miekg.RcodeServerFailure || asked.Load() != before {
			t.Errorf("%v, asked again", m)
		}
		time.Sleep(failureTTL)
		if s.ask(t, "aa.example.", miekg.TypeA); asked.Load() != before+1 {
			t.Error("not asked again")
		}
	})
}

func TestTheLongestSuffixDecides(t *testing.T) {
	f := newForward(&config.DNS{Routes: []config.DNSRoute{
		{Suffix: "example"}, {Suffix: "corp.example"}, {Suffix: "10.in-addr.arpa"},
	}}, dialHost, new(counters))
	for name, want := range map[string]string{
		"example.": "example.", "www.example.": "example.", "corp.example.": "corp.example.", "a.b.corp.example.": "corp.example.",
		"xcorp.example.": "example.", "www.example.net.": ".", ".": ".", "1.0.0.10.in-addr.arpa.": "10.in-addr.arpa.",
		"web.default.svc.cluster.local.": ".",
	} {
		if r, own := f.route(name); r.suffix != want || own != (want != ".") {
			t.Errorf("%s: %s, want %s", name, r.suffix, want)
		}
	}
}

func TestRoutesOpenSpecialNames(t *testing.T) {
	s, _ := askerServer(t, func(question) *miekg.Msg { return nil }, func(c *config.Config) {
		c.DNS.Routes = []config.DNSRoute{{Suffix: "office.alt"}}
	})
	s.settings.Load().forward.routes[0].asker = fakeAsker{new(atomic.Int64), func(k question) *miekg.Msg {
		return &miekg.Msg{Answer: []miekg.RR{rr(t, k.name+" 300 IN A 192.0.2.1")}}
	}}
	if m := s.ask(t, "www.office.alt.", miekg.TypeA); len(m.Answer) != 1 {
		t.Errorf("%v", m)
	}
	if m := s.ask(t, "www.other.alt.", miekg.TypeA); m.Rcode != miekg.RcodeNameError {
		t.Errorf("%v", m)
	}
}

func TestIPv6IsFiltered(t *testing.T) {
	upstream := func(k question) *miekg.Msg {
		m := &miekg.Msg{}
		soa := rr(t, "example. 60 IN SOA ns.example. a.example. 1 2 3 4 60")
		switch k {
		case key("both.example."):
			m.Answer = []miekg.RR{rr(t, "both.example. 300 IN CNAME host.example."), rr(t, "host.example. 300 IN A 192.0.2.1")}
		case key("six.example."):
			m.Ns = []miekg.RR{soa}
		case key("none.example."):
			m.Rcode, m.Ns = miekg.RcodeNameError, []miekg.RR{soa}
		case question{name: "svc.example.", qtype: miekg.TypeHTTPS}:
			m.Answer = []miekg.RR{rr(t, `svc.example. 300 IN HTTPS 1 . alpn="h2" ipv4hint="192.0.2.1" ipv6hint="2001:db8::1"`)}
		default:
			m.Answer = []miekg.RR{rr(t, k.name+" 300 IN AAAA 2001:db8::1")}
		}
		return m
	}
	s, _ := askerServer(t, upstream)
	for _, v := range []struct {
		name  string
		qtype uint16
		rcode int
		want  []string
		soa   string
	}{
		{"both.example.", miekg.TypeAAAA, 0, []string{"both.example. 300 IN CNAME host.example."}, "host.example."},
		{"six.example.", miekg.TypeAAAA, 0, nil, "example."},
		{"none.example.", miekg.TypeAAAA, miekg.RcodeNameError, nil, "example."},
		{"svc.example.", miekg.TypeHTTPS, 0, []string{`svc.example. 300 IN HTTPS 1 . alpn="h2" ipv4hint="192.0.2.1"`}, ""},
		{"any.example.", miekg.TypeANY, 0, nil, ""},
		{"localhost.", miekg.TypeAAAA, 0, []string{"localhost. 60 IN AAAA ::1"}, ""},
	} {
		for range 2 { // from upstream, and from the cache
			m := s.ask(t, v.name, v.qtype)
			owner := ""
			if len(m.Ns) == 1 {
				owner = m.Ns[0].Header().Name
			}
			if m.Rcode != v.rcode || !slices.Equal(texts(m.Answer), v.want) || owner != v.soa {
				t.Errorf("%s: %v", v.name, m)
			}
		}
	}
	if n := s.Counters().FilteredAAAA; n != 10 {
		t.Errorf("%d counted", n)
	}
	open, _ := askerServer(t, upstream, func(c *config.Config) { c.DNS.FilterAAAA = false })
	if m := open.ask(t, "six.example.", miekg.TypeAAAA); len(m.Answer) != 1 {
		t.Errorf("without the filter: %v", m)
	}
}

func TestOnlyWhatWasAskedForIsKept(t *testing.T) {
	s, _ := askerServer(t, func(k question) *miekg.Msg {
		m := &miekg.Msg{}
		m.Answer = []miekg.RR{
			rr(t, "host.example. 300 IN A 192.0.2.1"), rr(t, "bank.example. 300 IN A 203.0.113.66"),
			rr(t, "www.example. 300 IN CNAME host.example."), rr(t, "www.example. 300 IN TXT x"),
		}
		m.Ns = []miekg.RR{rr(t, "bank.example. 300 IN NS evil.example."), rr(t, "com. 300 IN SOA a. b. 1 2 3 4 5")}
		m.Extra = []miekg.RR{rr(t, "bank.example. 300 IN A 203.0.113.66")}
		if k.name == "circle.example." {
			m.Answer = []miekg.RR{rr(t, "circle.example. 300 IN CNAME round.example."), rr(t, "round.example. 300 IN CNAME circle.example.")}
		}
		return m
	})
	m := s.ask(t, "www.example.", miekg.TypeA)
	want := []string{"www.example. 300 IN CNAME host.example.", "host.example. 300 IN A 192.0.2.1"}
	if !slices.Equal(texts(m.Answer), want) || len(m.Ns)+len(m.Extra) > 0 {
		t.Errorf("%v", m)
	}
	if m := s.ask(t, "circle.example.", miekg.TypeA); len(m.Answer) != 2 {
		t.Errorf("%v", m)
	}
}

// TestUpstreamsTakeTurns gives servers by what they do and says who is asked, and for how long.
func TestUpstreamsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := func(context.Context, *server, question) (*miekg.Msg, error) { return &miekg.Msg{}, nil }
		dead := func(ctx context.Context, _ *server, _ question) (*miekg.Msg, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		refused := func(context.Context, *server, question) (*miekg.Msg, error) { return nil, errors.New("refused") }
		confused := func(context.Context, *server, question) (*miekg.Msg, error) {
			return &miekg.Msg{MsgHdr: miekg.MsgHdr{Rcode: miekg.RcodeServerFailure}}, nil
		}
		type transport = func(context.Context, *server, question) (*miekg.Msg, error)
		for name, v := range map[string]struct {
			servers []transport
			rcode   int // -1: none
			took    time.Duration
			again   time.Duration // the next question
		}{
			"good":               {[]transport{good, dead}, 0, 0, 0},
			"first dead":         {[]transport{dead, good}, 0, attemptTimeout, 0},
			"two dead":           {[]transport{dead, dead, good}, 0, 1500*time.Millisecond + 1500*time.Millisecond, 0},
			"all dead":           {[]transport{dead, dead}, -1, resolveTimeout, resolveTimeout},
			"alone and dead":     {[]transport{dead}, -1, resolveTimeout, resolveTimeout},
			"refused":            {[]transport{refused, good}, 0, 0, 0},
			"confused":           {[]transport{confused, good}, 0, 0, 0},
			"dead, then unclear": {[]transport{dead, confused}, miekg.RcodeServerFailure, attemptTimeout, resolveTimeout},
			"nobody":             {nil, -1, 0, 0},
		} {
			u := &upstreams{}
			for _, f := range v.servers {
				u.list = append(u.list, &server{counters: new(counters), transport: f})
			}
			for i, want := range []time.Duration{v.took, v.again} {
				ctx, cancel := context.WithTimeout(t.Context(), resolveTimeout)
				began := time.Now()
				m, err := u.ask(ctx, key("a."))
				cancel()
				if (m == nil) != (v.rcode < 0) || (err == nil) != (v.rcode >= 0) || m != nil && m.Rcode != v.rcode {
					t.Errorf("%s: %v, %v", name, m, err)
				}
				if took := time.Since(began); took > want || i == 0 && took != want {
					t.Errorf("%s, question %d: %v, want %v", name, i, took, want)
				}
			}
		}
	})
}
