package dns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// testConfig has the peers laptop, 10.8.0.2, and phone, 10.8.0.3, and nobody to ask.
func testConfig(t testing.TB) *config.Config {
	cfg := config.Default()
	for i, name := range []string{"laptop", "phone"} {
		key, err := config.GeneratePrivateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		addr := netip.AddrFrom4([4]byte{10, 8, 0, byte(2 + i)})
		cfg.Peers = append(cfg.Peers, config.Peer{
			Name: name, PublicKey: key.Public(), AllowedIPs: []netip.Prefix{netip.PrefixFrom(addr, 32)},
		})
	}
	cfg.DNS.Upstreams = nil
	return cfg
}

// newTestServer makes a Server that knows everybody as "peer"; it serves nothing.
func newTestServer(t testing.TB, cfg *config.Config) *Server {
	s := New(cfg, Options{Logger: slog.New(slog.DiscardHandler), PeerName: func(netip.Addr) string { return "peer" }})
	t.Cleanup(s.Close)
	return s
}

// ask gives the Server one query and returns its answer.
func (s *Server) ask(t testing.TB, name string, qtype uint16, change ...func(*miekg.Msg)) *miekg.Msg {
	t.Helper()
	q := new(miekg.Msg).SetQuestion(name, qtype)
	for _, f := range change {
		f(q)
	}
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	m := new(miekg.Msg)
	if err := m.Unpack(s.askBytes(t, b)); err != nil {
		t.Fatal(err)
	}
	if m.Id != q.Id || !m.Response {
		t.Fatalf("no answer to this query: %v", m)
	}
	return m
}

// askBytes is ask with any bytes; nil: there was no answer.
func (s *Server) askBytes(t testing.TB, b []byte) (sent []byte) {
	t.Helper()
	q := s.receive(b, "peer", netip.MustParseAddr("10.8.0.2"), false)
	if q == nil {
		return nil
	}
	s.answer(q, func(p []byte) {
		if sent != nil {
			t.Error("two answers")
		}
		sent = p
	}, func(slow func()) { slow() })
	if sent == nil {
		t.Error("no answer")
	}
	return sent
}

// rr is a record in the form of a zone file.
func rr(t testing.TB, text string) miekg.RR {
	t.Helper()
	r, err := miekg.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// texts are records in the form of a zone file, blanks for tabs.
func texts(rrs []miekg.RR) []string {
	out := []string{}
	for _, r := range rrs {
		b := []byte(r.String())
		for i := range b {
			if b[i] == '\t' {
				b[i] = ' '
			}
		}
		out = append(out, string(b))
	}
	return out
}

// A fakeServer is a DNS server on the loopback interface that answers, with any bytes, what its
// function says.
type fakeServer struct {
	addr netip.AddrPort

	from atomic.Pointer[net.UDPAddr] // who sent the last datagram

	mu    sync.Mutex
	conns int // accepted
	asked []*miekg.Msg
}

func (f *fakeServer) resolver(kind config.ResolverKind, name string) config.Resolver {
	return config.Resolver{Kind: kind, Addr: f.addr, ServerName: name}
}

func (f *fakeServer) counts() (asked, conns int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked), f.conns
}

// startServer starts a server over UDP and TCP; over TLS instead of TCP with a configuration.
func startServer(t *testing.T, secure *tls.Config, reply func(q *miekg.Msg, stream bool) [][]byte) *fakeServer {
	t.Helper()
	var udp net.PacketConn
	var tcp net.Listener
	for { // one port for both
		var err error
		if udp, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if tcp, err = net.Listen("tcp4", udp.LocalAddr().String()); err == nil {
			break
		}
		_ = udp.Close()
	}
	f := &fakeServer{addr: udp.LocalAddr().(*net.UDPAddr).AddrPort()}
	if secure != nil {
		tcp = tls.NewListener(tcp, secure)
	}
	answer := func(b []byte, stream bool) [][]byte {
		q := new(miekg.Msg)
		if err := q.Unpack(b); err != nil {
			t.Errorf("the resolver sends %x: %v", b, err)
			return nil
		}
		f.mu.Lock()
		f.asked = append(f.asked, q)
		f.mu.Unlock()
		return reply(q, stream)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, messageMax)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			f.from.Store(from.(*net.UDPAddr))
			for _, p := range answer(buf[:n], false) {
				_, _ = udp.WriteTo(p, from)
			}
		}
	})
	done.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.conns++
			f.mu.Unlock()
			done.Go(func() {
				defer func() { _ = conn.Close() }()
				for {
					_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
					b, err := readMessage(conn, nil)
					if err != nil {
						return
					}
					replies := answer(b, true)
					if replies == nil {
						return
					}
					for _, p := range replies {
						if writeMessage(conn, p) != nil {
							return
						}
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = udp.Close()
		_ = tcp.Close()
		done.Wait()
	})
	return f
}

// pack makes bytes of an answer.
func pack(t testing.TB, m *miekg.Msg) []byte {
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

// reply answers with records in the form of a zone file.
func reply(t testing.TB, q *miekg.Msg, records ...string) *miekg.Msg {
	m := new(miekg.Msg).SetReply(q)
	for _, text := range records {
		m.Answer = append(m.Answer, rr(t, text))
	}
	return m
}

// certificate is one for a name and 127.0.0.1, and the pool that believes it.
func certificate(t *testing.T, name string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}
