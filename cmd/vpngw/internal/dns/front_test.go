package dns

import (
	"net/netip"
	"testing"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

func TestWhatIsNoQueryGetsNoAnswerOrAnError(t *testing.T) {
	s := newTestServer(t, testConfig(t))
	query := pack(t, new(miekg.Msg).SetQuestion("laptop.vpn.internal.", miekg.TypeA))
	change := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), query...)) }
	message := func(f func(*miekg.Msg)) []byte {
		m := new(miekg.Msg).SetQuestion("laptop.vpn.internal.", miekg.TypeA)
		f(m)
		return pack(t, m)
	}
	const nothing = -1
	for name, v := range map[string]struct {
		b    []byte
		want int
	}{
		"good":               {query, miekg.RcodeSuccess},
		"empty":              {nil, nothing},
		"header cut off":     {query[:11], nothing},
		"an answer":          {change(func(b []byte) []byte { b[2] |= 0x80; return b }), nothing},
		"header alone":       {query[:12], miekg.RcodeFormatError},
		"question cut off":   {query[:20], miekg.RcodeFormatError},
		"no question":        {message(func(m *miekg.Msg) { m.Question = nil }), miekg.RcodeFormatError},
		"two questions":      {message(func(m *miekg.Msg) { m.Question = append(m.Question, m.Question[0]) }), miekg.RcodeFormatError},
		"pointer to itself":  {append(query[:12:12], 0xc0, 12, 0, 1, 0, 1), miekg.RcodeFormatError},
		"status":             {message(func(m *miekg.Msg) { m.Opcode = miekg.OpcodeStatus }), miekg.RcodeNotImplemented},
		"update":             {message(func(m *miekg.Msg) { m.Opcode = miekg.OpcodeUpdate }), miekg.RcodeNotImplemented},
		"class CH":           {message(func(m *miekg.Msg) { m.Question[0].Qclass = miekg.ClassCHAOS }), miekg.RcodeRefused},
		"zone transfer":      {message(func(m *miekg.Msg) { m.Question[0].Qtype = miekg.TypeAXFR }), miekg.RcodeRefused},
		"EDNS of the future": {message(func(m *miekg.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }), miekg.RcodeBadVers},
		"two OPT": {
			message(func(m *miekg.Msg) { m.SetEdns0(1232, false); m.Extra = append(m.Extra, m.Extra[0]) }),
			miekg.RcodeFormatError,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.askBytes(t, v.b)
			if b == nil {
				if v.want != nothing {
					t.Errorf("no answer, want %s", miekg.RcodeToString[v.want])
				}
				return
			}
			m := new(miekg.Msg)
			if err := m.Unpack(b); err != nil {
				t.Fatal(err)
			}
			if m.Rcode != v.want || !m.Response || b[0] != v.b[0] || b[1] != v.b[1] {
				t.Errorf("%v, want %s", m, miekg.RcodeToString[v.want])
			}
		})
	}
	c := s.Counters()
	if c.Malformed != 10 || c.Refused != 4 || c.Local != 1 {
		t.Errorf("%+v", c)
	}
}

func TestAnswersFitTheClient(t *testing.T) {
	cfg := testConfig(t)
	text := make([]byte, 200)
	for i := range text {
		text[i] = 'x'
	}
	for i := range 12 {
		text[0] = byte('a' + i)
		cfg.DNS.Records = append(cfg.DNS.Records, config.DNSRecord{Name: "big", Type: "TXT", Value: string(text)})
	}
	s := newTestServer(t, cfg)
	edns := func(size uint16) func(*miekg.Msg) {
		return func(m *miekg.Msg) { m.SetEdns0(size, true) }
	}
	for name, v := range map[string]struct {
		change func(*miekg.Msg)
		max    int
	}{
		"without EDNS":       {func(*miekg.Msg) {}, 512},
		"less than is legal": {edns(100), 512},
		"1232":               {edns(1232), 1232},
		"more than the MTU":  {edns(65000), 1392},
	} {
		q := new(miekg.Msg).SetQuestion("big.vpn.internal.", miekg.TypeTXT)
		v.change(q)
		b := s.askBytes(t, pack(t, q))
		m := new(miekg.Msg)
		if err := m.Unpack(b); err != nil {
			t.Fatal(err)
		}
		if !m.Truncated || len(b) > v.max || len(b) < v.max-300 && len(m.Answer) == 0 {
			t.Errorf("%s: %d bytes, truncated %v", name, len(b), m.Truncated)
		}
		if opt := m.IsEdns0(); (opt != nil) != (q.IsEdns0() != nil) || opt != nil && !opt.Do() {
			t.Errorf("%s: OPT %v", name, opt)
		}
	}
	// Over TCP all of it.
	q := s.receive(pack(t, new(miekg.Msg).SetQuestion("big.vpn.internal.", miekg.TypeTXT)), "peer", netip.Addr{}, true)
	s.answer(q, func(b []byte) {
		m := new(miekg.Msg)
		if err := m.Unpack(b); err != nil || m.Truncated || len(m.Answer) != 12 {
			t.Errorf("%v: %d records", err, len(m.Answer))
		}
	}, nil)
	if n := s.Counters().Truncated; n != 4 {
		t.Errorf("%d counted", n)
	}
}

// FuzzFront: whatever a peer sends, there is at most one answer, it can be read, and it is counted.
func FuzzFront(f *testing.F) {
	f.Add(pack(f, new(miekg.Msg).SetQuestion("laptop.vpn.internal.", miekg.TypeA)))
	f.Add(pack(f, new(miekg.Msg).SetQuestion("2.0.8.10.in-addr.arpa.", miekg.TypePTR)))
	f.Add(pack(f, new(miekg.Msg).SetQuestion(`b\.\000._dns-sd._udp.0.0.8.10.in-addr.arpa.`, miekg.TypePTR)))
	f.Add(pack(f, new(miekg.Msg).SetQuestion("www.example.", miekg.TypeAAAA).SetEdns0(4096, true)))
	f.Add([]byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newTestServer(t, testConfig(t))
		got := s.askBytes(t, b)
		c := s.Counters()
		counted := c.Malformed + c.Refused + c.Local + c.CacheHits + c.Forwarded + c.OverLimit
		if counted == 0 {
			t.Errorf("not counted: %+v", c)
		}
		if got == nil {
			return
		}
		m := new(miekg.Msg)
		if err := m.Unpack(got); err != nil {
			t.Errorf("answer %x: %v", got, err)
		}
		if len(got) > 1392 || !m.Response {
			t.Errorf("%d bytes, %v", len(got), m)
		}
	})
}
