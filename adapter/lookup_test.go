package adapter

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer is a name server inside a Net. Its behaviour is fixed before it is started.
type dnsServer struct {
	records  map[string][]netip.Addr // by name with the final dot
	rcode    dnsmessage.RCode        // for all names, if not success
	truncate bool                    // answers by UDP are empty and truncated
	forge    bool                    // a false answer with a wrong ID, and garbage, come first
	silent   bool                    // no answer by UDP
	noTCP    bool

	udp, tcp atomic.Int32 // questions
}

// serveDNS runs s on the address of p.b.
func serveDNS(t *testing.T, p *pair, s *dnsServer) {
	t.Helper()
	pc, err := p.b.ListenUDPAddrPort(netip.AddrPortFrom(addrB, 53))
	if err != nil {
		t.Fatal(err)
	}
	p.wg.Go(func() { s.serveUDP(t, pc) })
	if s.noTCP {
		return
	}
	l := p.listen(t, 53)
	p.wg.Go(func() { s.serveTCP(t, l) })
}

func (s *dnsServer) serveUDP(t *testing.T, pc *UDPConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		s.udp.Add(1)
		if s.silent {
			continue
		}
		if s.forge {
			wrong := s.answer(t, buf[:n], func(m *dnsmessage.Message) {
				m.ID ^= 1
				m.Answers = []dnsmessage.Resource{record("forged.test.", &dnsmessage.AResource{A: [4]byte{6, 6, 6, 6}})}
			})
			_, _ = pc.WriteTo(wrong, from)
			_, _ = pc.WriteTo([]byte("garbage"), from)
		}
		_, _ = pc.WriteTo(s.answer(t, buf[:n], func(m *dnsmessage.Message) {
			if s.truncate {
				m.Truncated, m.Answers = true, nil
			}
		}), from)
	}
}

func (s *dnsServer) serveTCP(t *testing.T, l *TCPListener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.tcp.Add(1)
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		msg := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, msg); err != nil {
			return
		}
		a := s.answer(t, msg, nil)
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
		_ = c.Close()
	}
}

// answer makes the answer to a packed query, changed by edit.
func (s *dnsServer) answer(t *testing.T, query []byte, edit func(*dnsmessage.Message)) []byte {
	var q dnsmessage.Message
	if err := q.Unpack(query); err != nil || len(q.Questions) != 1 {
		t.Errorf("the server cannot read the query: %v", err)
		return nil
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true, RCode: s.rcode},
		Questions: q.Questions,
	}
	addrs, known := s.records[q.Questions[0].Name.String()]
	if !known && s.rcode == dnsmessage.RCodeSuccess {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addrs {
		m.Answers = append(m.Answers, record(q.Questions[0].Name.String(), &dnsmessage.AResource{A: a.As4()}))
	}
	if edit != nil {
		edit(&m)
	}
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

var testRecords = map[string][]netip.Addr{
	"one.test.":   {netip.MustParseAddr("192.0.2.1")},
	"two.test.":   {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")},
	"empty.test.": {},
}

// withDNS runs f in a bubble whose pair has s as its server; dead servers come first.
func withDNS(t *testing.T, s *dnsServer, f func(t *testing.T, n *Net), dead ...netip.Addr) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{DNS: append(dead, addrB)}, Options{})
		p.b.HandleUDP(func(r *UDPRequest) { r.Reject(RejectSilent) })
		serveDNS(t, p, s)
		f(t, p.a)
	})
}

func TestLookupHost(t *testing.T) {
	s := &dnsServer{records: testRecords}
	withDNS(t, s, func(t *testing.T, n *Net) {
		for _, tt := range []struct {
			host     string
			want     []string
			notFound bool
			asks     int32
		}{
			{"one.test", []string{"192.0.2.1"}, false, 1},
			{"One.Test", nil, true, 1}, // the test server compares exactly
			{"two.test.", []string{"192.0.2.1", "192.0.2.2"}, false, 1},
			{"empty.test", nil, true, 1},
			{"missing.test", nil, true, 1},
			{"not a name", nil, true, 0},
			{"", nil, true, 0},
			{"192.0.2.9", []string{"192.0.2.9"}, false, 0},
			{"2001:db8::1", []string{"2001:db8::1"}, false, 0},
			{"fe80::1%eth0", []string{"fe80::1"}, false, 0},
			{"999.1.1.1", nil, true, 0},
		} {
			s.udp.Store(0)
			got, err := n.LookupHost(tt.host)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q: %v, %v", tt.host, got, err)
			}
			var de *net.DNSError
			if tt.notFound && (!errors.As(err, &de) || !de.IsNotFound || de.IsTimeout || de.Name != tt.host) {
				t.Errorf("%q: %#v, want a net.DNSError with IsNotFound", tt.host, err)
			}
			if s.udp.Load() != tt.asks {
				t.Errorf("%q: %d questions, want %d", tt.host, s.udp.Load(), tt.asks)
			}
		}
		if s.tcp.Load() != 0 {
			t.Error("asked by TCP without need")
		}
	})
}

func TestLookupTruncatedGoesToTCP(t *testing.T) {
	s := &dnsServer{records: testRecords, truncate: true}
	withDNS(t, s, func(t *testing.T, n *Net) {
		got, err := n.LookupHost("two.test")
		if err != nil || len(got) != 2 || s.tcp.Load() != 1 {
			t.Errorf("%v, %v; %d questions by TCP", got, err, s.tcp.Load())
		}
	})
}

func TestLookupTruncatedWithoutTCP(t *testing.T) {
	withDNS(t, &dnsServer{records: testRecords, truncate: true, noTCP: true}, func(t *testing.T, n *Net) {
		_, err := n.LookupHost("two.test")
		var de *net.DNSError
		if !errors.As(err, &de) || de.IsNotFound || !de.IsTemporary || de.Server != "10.8.0.2:53" {
			t.Errorf("got %#v", err)
		}
	})
}

func TestLookupIgnoresForgedAnswers(t *testing.T) {
	withDNS(t, &dnsServer{records: testRecords, forge: true}, func(t *testing.T, n *Net) {
		got, err := n.LookupHost("one.test")
		if err != nil || !slices.Equal(got, []string{"192.0.2.1"}) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestLookupFallsBackToTheNextServer(t *testing.T) {
	s := &dnsServer{records: testRecords}
	withDNS(t, s, func(t *testing.T, n *Net) {
		begin := time.Now()
		got, err := n.LookupHost("one.test")
		if err != nil || len(got) != 1 || time.Since(begin) != 5*time.Second {
			t.Errorf("%v, %v after %v", got, err, time.Since(begin))
		}
	}, netip.MustParseAddr("10.8.0.99")) // silent
}

func TestLookupTimesOut(t *testing.T) {
	s := &dnsServer{silent: true}
	withDNS(t, s, func(t *testing.T, n *Net) {
		begin := time.Now()
		_, err := n.LookupHost("one.test")
		var de *net.DNSError
		if !errors.As(err, &de) || !de.IsTimeout || !de.Timeout() || de.IsNotFound || de.Server != "10.8.0.2:53" {
			t.Errorf("got %#v", err)
		}
		if d := time.Since(begin); d != 10*time.Second || s.udp.Load() != 2 {
			t.Errorf("after %v and %d questions", d, s.udp.Load())
		}
	})
}

func TestLookupContextEnds(t *testing.T) {
	withDNS(t, &dnsServer{silent: true}, func(t *testing.T, n *Net) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := n.LookupContextHost(ctx, "one.test")
		var de *net.DNSError
		if !errors.As(err, &de) || !de.IsTimeout || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %#v", err)
		}
		if d := time.Since(begin); d != time.Second {
			t.Errorf("deadline: after %v", d)
		}
		ctx, cancel = context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		_, err = n.LookupContextHost(ctx, "one.test")
		if !errors.As(err, &de) || de.IsTimeout || !errors.Is(err, context.Canceled) {
			t.Errorf("cancel: %#v", err)
		}
	})
}

func TestLookupServerTrouble(t *testing.T) {
	for _, rcode := range []dnsmessage.RCode{dnsmessage.RCodeServerFailure, dnsmessage.RCodeRefused} {
		s := &dnsServer{rcode: rcode}
		withDNS(t, s, func(t *testing.T, n *Net) {
			_, err := n.LookupHost("one.test")
			var de *net.DNSError
			if !errors.As(err, &de) || de.IsNotFound || de.Err != "server misbehaving" {
				t.Errorf("%v: %#v", rcode, err)
			}
			if de.IsTemporary != (rcode == dnsmessage.RCodeServerFailure) {
				t.Errorf("%v: IsTemporary = %v", rcode, de.IsTemporary)
			}
			if s.udp.Load() != 2 {
				t.Errorf("%v: %d attempts", rcode, s.udp.Load())
			}
		})
	}
}

func TestLookupRefusedPortIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // nothing listens on port 53: ICMP 3/3 comes back
		p := newPair(t, Options{DNS: []netip.Addr{addrB}}, Options{})
		begin := time.Now()
		if _, err := p.a.LookupHost("one.test"); err == nil {
			t.Error("no error")
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("after %v", d)
		}
	})
}

func TestLookupWithoutServers(t *testing.T) {
	n := newNet(t, Options{Addresses: []netip.Addr{addrA}})
	_, err := n.LookupHost("one.test")
	var de *net.DNSError
	if !errors.As(err, &de) || !errors.Is(err, errNoServers) {
		t.Errorf("got %#v", err)
	}
}

func TestDialByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, Options{DNS: []netip.Addr{addrB}}, Options{})
		serveDNS(t, p, &dnsServer{records: map[string][]netip.Addr{"b.test.": {addrB}}})
		l := p.listen(t, 80)
		defer l.Close()
		c, err := p.a.Dial("tcp", "b.test:80")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != "10.8.0.2:80" {
			t.Errorf("connected to %v", got)
		}
		_ = c.Close()
		_, err = p.a.Dial("tcp", "missing.test:80")
		var oe *net.OpError
		var de *net.DNSError
		if !errors.As(err, &oe) || !errors.As(err, &de) || !de.IsNotFound {
			t.Errorf("unknown name: %#v", err)
		}
	})
}
