package adapter

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestIsDomainName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, tt := range []struct {
		name string
		want bool
	}{
		{"example.com", true},
		{"example.com.", true},
		{"localhost", true},
		{"_sip._tcp.example.com", true},
		{"3com.com", true},
		{"1.2.3.x4", true},
		{"a-b.c", true},
		{"", false},
		{".", false},
		{"..", false},
		{"a..b", false},
		{".a", false},
		{"-a.com", false},
		{"a-.com", false},
		{"a.com-", false},
		{"123.456", false}, // all numeric: a mistyped address
		{"a b", false},
		{"a/b", false},
		{"a\x00b", false},
		{"bücher.example", false},
		{long + ".com", true},
		{long + "a.com", false},
		{strings.Repeat(long+".", 3) + strings.Repeat("a", 61), true},
		{strings.Repeat(long+".", 3) + strings.Repeat("a", 61) + ".", true},
		{strings.Repeat(long+".", 3) + strings.Repeat("a", 62), false},
	} {
		if got := isDomainName(tt.name); got != tt.want {
			t.Errorf("isDomainName(%q) = %v", tt.name, got)
		}
	}
}

func TestQueryIsPackedForBothTransports(t *testing.T) {
	q, err := newDNSQuery("Example.com.")
	if err != nil {
		t.Fatal(err)
	}
	stream := q.forTCP()
	if size := int(stream[0])<<8 | int(stream[1]); size != len(q.forUDP()) {
		t.Errorf("length prefix %d, message %d", size, len(q.forUDP()))
	}
	var m dnsmessage.Message
	if err := m.Unpack(q.forUDP()); err != nil {
		t.Fatal(err)
	}
	if !m.RecursionDesired || m.Response || len(m.Questions) != 1 || m.Questions[0].Type != dnsmessage.TypeA {
		t.Errorf("query: %+v", m)
	}
	if len(m.Additionals) != 1 || m.Additionals[0].Header.Type != dnsmessage.TypeOPT || m.Additionals[0].Header.Class != dnsUDPSize {
		t.Errorf("EDNS0 record: %+v", m.Additionals)
	}
	if _, err := newDNSQuery(strings.Repeat("x", 300)); err == nil {
		t.Error("a name of 300 bytes was packed")
	}
}

func TestQueryIDsDiffer(t *testing.T) {
	seen := map[uint16]bool{}
	for range 64 {
		q, err := newDNSQuery("example.com.")
		if err != nil {
			t.Fatal(err)
		}
		seen[q.id] = true
	}
	if len(seen) < 32 {
		t.Errorf("64 queries had %d different IDs", len(seen))
	}
}

// reply packs an answer to q after edit has changed it.
func reply(t testing.TB, q *dnsQuery, edit func(*dnsmessage.Message)) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.id, Response: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q.question},
	}
	if edit != nil {
		edit(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func record(name string, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: 60},
		Body:   body,
	}
}

func TestMatchRefusesWhatIsNotTheAnswer(t *testing.T) {
	q, err := newDNSQuery("example.com.")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		edit func(*dnsmessage.Message)
		want bool
	}{
		{"the answer", nil, true},
		{"name in another case", func(m *dnsmessage.Message) {
			m.Questions[0].Name = dnsmessage.MustNewName("eXAMPLE.Com.")
		}, true},
		{"other ID", func(m *dnsmessage.Message) { m.ID++ }, false},
		{"a query", func(m *dnsmessage.Message) { m.Response = false }, false},
		{"other name", func(m *dnsmessage.Message) {
			m.Questions[0].Name = dnsmessage.MustNewName("example.org.")
		}, false},
		{"other type", func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA }, false},
		{"other class", func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS }, false},
		{"no question", func(m *dnsmessage.Message) { m.Questions = nil }, false},
		{"two questions", func(m *dnsmessage.Message) { m.Questions = append(m.Questions, m.Questions[0]) }, false},
	} {
		if _, got := q.match(reply(t, q, tt.edit)); got != tt.want {
			t.Errorf("%s: match = %v", tt.name, got)
		}
	}
	for n := range len(reply(t, q, nil)) {
		if _, ok := q.match(reply(t, q, nil)[:n]); ok {
			t.Errorf("an answer cut to %d bytes matched", n)
		}
	}
}

func TestAnswerAddresses(t *testing.T) {
	q, err := newDNSQuery("www.example.com.")
	if err != nil {
		t.Fatal(err)
	}
	a1 := record("www.example.com.", &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}})
	a2 := record("host.example.net.", &dnsmessage.AResource{A: [4]byte{192, 0, 2, 2}})
	alias := record("www.example.com.", &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("host.example.net.")})
	for _, tt := range []struct {
		name string
		edit func(*dnsmessage.Message)
		want []string
		err  error
	}{
		{"two records", func(m *dnsmessage.Message) { m.Answers = append(m.Answers, a1, a2) }, []string{"192.0.2.1", "192.0.2.2"}, nil},
		{"alias", func(m *dnsmessage.Message) { m.Answers = append(m.Answers, alias, a2) }, []string{"192.0.2.2"}, nil},
		{"alias to nothing", func(m *dnsmessage.Message) { m.Answers = append(m.Answers, alias) }, nil, errNoSuchHost},
		{"no data", nil, nil, errNoSuchHost},
		{"name error", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }, nil, errNoSuchHost},
		{"server failure", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }, nil, errServerFailure},
		{"refused", func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }, nil, errServerMisbehaving},
		{"referral", func(m *dnsmessage.Message) { m.RecursionAvailable = false }, nil, errLameReferral},
		{"authoritative no data", func(m *dnsmessage.Message) { m.RecursionAvailable, m.Authoritative = false, true }, nil, errNoSuchHost},
	} {
		a, ok := q.match(reply(t, q, tt.edit))
		if !ok {
			t.Errorf("%s: does not match", tt.name)
			continue
		}
		addrs, err := a.addresses()
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.err)
		}
		if err == nil && !slices.Equal(texts(addrs), tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, addrs, tt.want)
		}
	}
}

func texts(addrs []netip.Addr) []string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	return s
}

// FuzzAnswer feeds arbitrary messages to the parser: it must neither panic nor
// return an address from a message that does not belong to the query.
func FuzzAnswer(f *testing.F) {
	q, err := newDNSQuery("example.com.")
	if err != nil {
		f.Fatal(err)
	}
	q.id = 7
	f.Add(reply(f, q, func(m *dnsmessage.Message) {
		m.Answers = append(m.Answers, record("example.com.", &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}}))
	}))
	f.Add(reply(f, q, func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeNameError }))
	f.Add([]byte{0, 7, 0x80})
	f.Fuzz(func(t *testing.T, msg []byte) {
		a, ok := q.match(msg)
		if ok && (len(msg) < 12 || msg[0] != 0 || msg[1] != 7 || msg[2]&0x80 == 0) {
			t.Fatal("matched a message with another ID or without the response bit")
		}
		if !ok {
			return
		}
		if addrs, err := a.addresses(); err == nil && len(addrs) == 0 {
			t.Fatal("no address and no error")
		}
	})
}
