package dns

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// exchange asks f one question.
func (f *fakeServer) exchange(t *testing.T, kind config.ResolverKind) (*server, *miekg.Msg, error) {
	t.Helper()
	s := newServer(f.resolver(kind, ""), dialHost, new(counters))
	t.Cleanup(s.streams.close)
	m, err := s.ask(t, "www.example.")
	return s, m, err
}

func (s *server) ask(t *testing.T, name string) (*miekg.Msg, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return s.exchange(ctx, key(name))
}

const goodRecord = "www.example. 300 IN A 192.0.2.1"

func wantGood(t *testing.T, m *miekg.Msg, err error) {
	t.Helper()
	if err != nil || len(m.Answer) != 1 || texts(m.Answer)[0] != goodRecord {
		t.Errorf("%v, %v", m, err)
	}
}

func TestUDPAndTCPUpstreams(t *testing.T) {
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte { return [][]byte{pack(t, reply(t, q, goodRecord))} })
	for _, kind := range []config.ResolverKind{config.ResolverUDP, config.ResolverTCP} {
		_, m, err := f.exchange(t, kind)
		wantGood(t, m, err)
	}
	if asked, conns := f.counts(); asked != 2 || conns != 1 {
		t.Errorf("%d questions, %d connections", asked, conns)
	}
	for _, q := range f.asked {
		if opt := q.IsEdns0(); opt == nil || opt.UDPSize() != ednsSize || !q.RecursionDesired || q.AuthenticatedData {
			t.Errorf("asked %v", q)
		}
	}
	if f.asked[0].Id == f.asked[1].Id {
		t.Log("the same identifier twice: one in 65536 times")
	}
}

func TestTruncatedAnswersAreAskedOverTCP(t *testing.T) {
	for name, cut := range map[string]func(m *miekg.Msg) []byte{
		"empty": func(m *miekg.Msg) []byte { m.Answer = nil; return pack(t, m) },
		"cut in the middle of a record": func(m *miekg.Msg) []byte {
			b := pack(t, m)
			return b[:len(b)-3]
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := startServer(t, nil, func(q *miekg.Msg, stream bool) [][]byte {
				m := reply(t, q, goodRecord)
				if stream {
					return [][]byte{pack(t, m)}
				}
				m.Truncated = true
				return [][]byte{cut(m)}
			})
			_, m, err := f.exchange(t, config.ResolverUDP)
			wantGood(t, m, err)
		})
	}
}

// lies are answers to what was not asked.
func lies(t *testing.T, q *miekg.Msg) [][]byte {
	evil := strings.Replace(goodRecord, "192.0.2.1", "203.0.113.66", 1)
	lie := func(change func(*miekg.Msg)) []byte {
		m := reply(t, q, evil)
		change(m)
		return pack(t, m)
	}
	return [][]byte{
		lie(func(m *miekg.Msg) { m.Id++ }),
		lie(func(m *miekg.Msg) { m.Response = false }),
		lie(func(m *miekg.Msg) { m.Question[0].Name = "www.example.net." }),
		lie(func(m *miekg.Msg) {
			m.Question = []miekg.Question{{Name: "www.example.", Qtype: miekg.TypeTXT, Qclass: 1}}
		}),
		lie(func(m *miekg.Msg) { m.Question = nil }),
		lie(func(m *miekg.Msg) { m.Opcode = miekg.OpcodeNotify }),
		lie(func(*miekg.Msg) {})[:14],
		{1, 2, 3},
		{},
	}
}

func TestLiesAreNotLookedAt(t *testing.T) {
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte {
		return append(lies(t, q.Copy()), pack(t, reply(t, q, goodRecord)))
	})
	s, m, err := f.exchange(t, config.ResolverUDP)
	wantGood(t, m, err)
	if n := s.counters.ignored.Load(); n != uint64(len(lies(t, f.asked[0].Copy()))) {
		t.Errorf("%d counted", n)
	}
}

// TestAnswersFromElsewhereAreNotSeen: a datagram with everything right in it but its sender.
func TestAnswersFromElsewhereAreNotSeen(t *testing.T) {
	elsewhere, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = elsewhere.Close() }()
	self := make(chan *fakeServer, 1)
	evil := strings.Replace(goodRecord, "192.0.2.1", "203.0.113.66", 1)
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte {
		if _, err := elsewhere.WriteTo(pack(t, reply(t, q, evil)), (<-self).from.Load()); err != nil {
			t.Error(err)
		}
		return [][]byte{pack(t, reply(t, q, goodRecord))}
	})
	self <- f
	s, m, err := f.exchange(t, config.ResolverUDP)
	wantGood(t, m, err)
	if n := s.counters.ignored.Load(); n != 0 {
		t.Errorf("%d answers reached the resolver", n)
	}
}

func TestTooManyLiesLeadToTCP(t *testing.T) {
	f := startServer(t, nil, func(q *miekg.Msg, stream bool) [][]byte {
		if stream {
			return [][]byte{pack(t, reply(t, q, goodRecord))}
		}
		return append(lies(t, q.Copy()), lies(t, q.Copy())...)
	})
	_, m, err := f.exchange(t, config.ResolverUDP)
	wantGood(t, m, err)
}

func TestALieOverTCPIsAnError(t *testing.T) {
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte { return lies(t, q)[:1] })
	if _, m, err := f.exchange(t, config.ResolverTCP); err == nil {
		t.Errorf("believed: %v", m)
	}
}

func TestLostDatagramsAreSentAgain(t *testing.T) {
	n := 0
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte {
		if n++; n == 1 {
			return nil
		}
		return [][]byte{pack(t, reply(t, q, goodRecord))}
	})
	_, m, err := f.exchange(t, config.ResolverUDP)
	wantGood(t, m, err)
}

func TestServersFromBeforeEDNS(t *testing.T) {
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte {
		if q.IsEdns0() == nil {
			return [][]byte{pack(t, reply(t, q, goodRecord))}
		}
		m := new(miekg.Msg)
		m.Id, m.Response, m.Rcode = q.Id, true, miekg.RcodeFormatError
		return [][]byte{pack(t, m)}
	})
	_, m, err := f.exchange(t, config.ResolverUDP)
	wantGood(t, m, err)
}

func TestNobodyThere(t *testing.T) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeServer{addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
	_ = conn.Close()
	for _, kind := range []config.ResolverKind{config.ResolverUDP, config.ResolverTCP, config.ResolverTLS} {
		if _, m, err := f.exchange(t, kind); err == nil {
			t.Errorf("%s: %v", kind, m)
		}
	}
}

func TestTLSUpstreams(t *testing.T) {
	secure, pool := certificate(t, "dns.example")
	f := startServer(t, secure, func(q *miekg.Msg, _ bool) [][]byte { return [][]byte{pack(t, reply(t, q, goodRecord))} })
	for name, good := range map[string]bool{"dns.example": true, "other.example": false} {
		s := newServer(f.resolver(config.ResolverTLS, name), dialHost, new(counters))
		s.streams.roots = pool
		for range 3 {
			m, err := s.ask(t, "www.example.")
			if good {
				wantGood(t, m, err)
			} else if err == nil {
				t.Errorf("%s: believed a certificate for another", name)
			}
		}
		s.streams.close()
	}
	if asked, conns := f.counts(); asked != 3 || conns != 4 { // one is kept, three were given up
		t.Errorf("%d questions, %d connections", asked, conns)
	}
	plain := newServer(f.resolver(config.ResolverTLS, "dns.example"), dialHost, new(counters))
	if _, err := plain.ask(t, "www.example."); err == nil {
		t.Error("believed a certificate that nobody signed")
	}
}

// TestKeptConnections: a connection is used again; one that the server has closed is replaced.
func TestKeptConnections(t *testing.T) {
	var closing atomic.Bool
	f := startServer(t, nil, func(q *miekg.Msg, _ bool) [][]byte {
		if closing.Swap(false) {
			return nil // closes the connection
		}
		return [][]byte{pack(t, reply(t, q, goodRecord))}
	})
	s, m, err := f.exchange(t, config.ResolverTCP)
	wantGood(t, m, err)
	for i, want := range []int{1, 2, 2} {
		closing.Store(i == 1)
		m, err := s.ask(t, "www.example.")
		wantGood(t, m, err)
		if _, conns := f.counts(); conns != want {
			t.Errorf("%d connections, want %d", conns, want)
		}
	}
	s.streams.close()
	m, err = s.ask(t, "www.example.")
	wantGood(t, m, err)
	if len(s.streams.idle) != 0 {
		t.Error("a connection was kept after close")
	}
}
