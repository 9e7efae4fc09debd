package adapter

import (
	"errors"
	"math/rand/v2"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"
)

// What can be wrong with a name or an answer. These are the texts of Go's own
// resolver; they end up in net.DNSError.Err.
var (
	errNoSuchHost        = errors.New("no such host")
	errNoServers         = errors.New("no DNS servers configured")
	errLameReferral      = errors.New("lame referral")
	errServerMisbehaving = errors.New("server misbehaving")
	errServerFailure     = errors.New("server misbehaving") // SERVFAIL: may pass
	errCannotUnmarshal   = errors.New("cannot unmarshal DNS message")
	errInvalidResponse   = errors.New("invalid DNS response")
)

// dnsUDPSize is the UDP answer we say we can take, in bytes (EDNS0, RFC 6891 §6.2.3).
// 1232 is what the DNS flag day of 2020 recommends: it fits every tunnel's MTU.
const dnsUDPSize = 1232

// A dnsQuery is one question with its random ID, packed for both transports.
type dnsQuery struct {
	id       uint16
	question dnsmessage.Question
	packed   []byte // two bytes of length (RFC 1035 §4.2.2), then the message
}

// newDNSQuery packs a question for the address records of name, which is fully
// qualified. The ID is unpredictable, like the local port that the stack picks
// (RFC 5452 §9.2).
func newDNSQuery(name string) (*dnsQuery, error) {
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, errNoSuchHost
	}
	q := &dnsQuery{
		id:       uint16(rand.Uint32()), // ChaCha8, seeded by the system
		question: dnsmessage.Question{Name: n, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET},
	}
	b := dnsmessage.NewBuilder(make([]byte, 2, 128), dnsmessage.Header{ID: q.id, RecursionDesired: true})
	if err := q.build(&b); err != nil {
		return nil, err
	}
	if q.packed, err = b.Finish(); err != nil {
		return nil, err
	}
	size := len(q.packed) - 2
	q.packed[0], q.packed[1] = byte(size>>8), byte(size)
	return q, nil
}

func (q *dnsQuery) build(b *dnsmessage.Builder) error {
	if err := b.StartQuestions(); err != nil {
		return err
	}
	if err := b.Question(q.question); err != nil {
		return err
	}
	if err := b.StartAdditionals(); err != nil {
		return err
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(dnsUDPSize, dnsmessage.RCodeSuccess, false); err != nil {
		return err
	}
	return b.OPTResource(h, dnsmessage.OPTResource{})
}

// forUDP returns the message as a datagram, forTCP as it goes over a stream.
func (q *dnsQuery) forUDP() []byte { return q.packed[2:] }
func (q *dnsQuery) forTCP() []byte { return q.packed }

// A dnsAnswer is a response that belongs to a query. Its answer section has not
// been looked at yet.
type dnsAnswer struct {
	parser dnsmessage.Parser
	header dnsmessage.Header
}

// match parses a message and reports whether it answers q: same ID, a response,
// the same one question (RFC 5452 §9.1). The answer aliases msg.
func (q *dnsQuery) match(msg []byte) (dnsAnswer, bool) {
	var a dnsAnswer
	var err error
	if a.header, err = a.parser.Start(msg); err != nil {
		return a, false
	}
	got, err := a.parser.Question()
	if err != nil || !a.header.Response || a.header.ID != q.id {
		return a, false
	}
	if got.Type != q.question.Type || got.Class != q.question.Class || !equalName(got.Name, q.question.Name) {
		return a, false
	}
	_, err = a.parser.Question()
	return a, errors.Is(err, dnsmessage.ErrSectionDone)
}

// equalName compares names without regard to the case of ASCII letters (RFC 4343).
func equalName(x, y dnsmessage.Name) bool {
	if x.Length != y.Length {
		return false
	}
	for i := range x.Length {
		if lower(x.Data[i]) != lower(y.Data[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// addresses returns the A records of the answer. A chain of CNAME records before
// them is skipped: the server has followed it for us.
func (a *dnsAnswer) addresses() ([]netip.Addr, error) {
	if a.header.RCode == dnsmessage.RCodeNameError {
		return nil, errNoSuchHost
	}
	var addrs []netip.Addr
	any := false
	for {
		h, err := a.parser.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return nil, errCannotUnmarshal
		}
		any = true
		if h.Type != dnsmessage.TypeA || h.Class != dnsmessage.ClassINET {
			if err := a.parser.SkipAnswer(); err != nil {
				return nil, errCannotUnmarshal
			}
			continue
		}
		r, err := a.parser.AResource()
		if err != nil {
			return nil, errCannotUnmarshal
		}
		addrs = append(addrs, netip.AddrFrom4(r.A))
	}
	return addrs, a.verdict(any, len(addrs))
}

// verdict judges an answer by its code and by what it held. A referral (no answer,
// no recursion, no authority) means the server is not one to ask; the next may be.
func (a *dnsAnswer) verdict(any bool, addrs int) error {
	switch {
	case a.header.RCode == dnsmessage.RCodeServerFailure:
		return errServerFailure
	case a.header.RCode != dnsmessage.RCodeSuccess:
		return errServerMisbehaving
	case !any && !a.header.Authoritative && !a.header.RecursionAvailable:
		return errLameReferral
	case addrs == 0:
		return errNoSuchHost
	}
	return nil
}

// isDomainName reports whether s can be a host name: labels of 1 to 63 letters,
// digits, hyphens and underscores, not starting or ending with a hyphen, at most
// 253 bytes without the final dot, and not all numeric (RFC 1035 §2.3.1, RFC 1123 §2.1).
func isDomainName(s string) bool {
	if n := len(s); n > 0 && s[n-1] == '.' {
		s = s[:n-1]
	}
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	numeric := true
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !isHostByte(s[i]) {
				return false
			}
			numeric = numeric && '0' <= s[i] && s[i] <= '9'
			continue
		}
		label := s[start:i]
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		start = i + 1
	}
	return !numeric
}

func isHostByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
