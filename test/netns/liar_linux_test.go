package netns

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"vpngw/test/lab"
)

// Addresses that a liar names.
const (
	trueAddr = "192.0.2.80"
	liedAddr = "203.0.113.66"
)

// lies returns what the liar sends in answer to q, the truth last: first what a forger sends who cannot
// see the question, then an honest server's answer with more in it than was asked for.
func lies(q *dns.Msg) (datagrams [][]byte) {
	name := q.Question[0].Name
	record := func(owner, addr string) dns.RR {
		return &dns.A{
			Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300},
			A:   netip.MustParseAddr(addr).AsSlice(),
		}
	}
	add := func(addr string, change func(*dns.Msg)) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{record(name, addr)}
		change(m)
		b, err := m.Pack()
		if err != nil {
			panic(err) // records made here can be packed
		}
		datagrams = append(datagrams, b)
	}
	add(liedAddr, func(m *dns.Msg) { m.Id ^= 0x5555 })
	add(liedAddr, func(m *dns.Msg) { m.Question[0].Name = "x" + name })
	add(liedAddr, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeTXT })
	add(liedAddr, func(m *dns.Msg) { m.Response = false })
	add(trueAddr, func(m *dns.Msg) {
		m.Answer = append(m.Answer, record("bank.test.", liedAddr))
		m.Ns = append(m.Ns, &dns.NS{
			Hdr: dns.RR_Header{Name: "test.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 300}, Ns: "bank.test.",
		})
		m.Extra = append(m.Extra, record("bank.test.", liedAddr))
	})
	return datagrams
}

// forged is a lie with everything right in it but its sender.
func forged(q *dns.Msg) []byte {
	b := lies(q)[len(lies(q))-1]
	return bytes.ReplaceAll(b, netip.MustParseAddr(trueAddr).AsSlice(), netip.MustParseAddr(liedAddr).AsSlice())
}

// serveLies answers every question on the connection with lies, one of them from another address.
func serveLies(conn, elsewhere net.PacketConn) {
	buf := make([]byte, 4096)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil || len(q.Question) != 1 {
			continue
		}
		datagrams := lies(q)
		if q.Question[0].Name == "bank.test." { // there is none
			m := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
			b, _ := m.Pack()
			datagrams = [][]byte{b}
		} else {
			_, _ = elsewhere.WriteTo(forged(q), from)
		}
		for _, b := range datagrams {
			_, _ = conn.WriteTo(b, from)
		}
	}
}

// TestResolverAmongLiars has an upstream behind which forgers sit: the client gets the truth and nothing
// else, and so does who asks later for a name that nobody asked about.
func TestResolverAmongLiars(t *testing.T) {
	n := newNetwork(t)
	g := n.startGateway()
	n.connect(n.client, g.shownConfig())
	var conns [2]net.PacketConn
	for i, address := range []string{upstreamAddr + ":5353", upstreamAddr + ":5354"} {
		conn, err := n.upstream.ListenUDP(address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
	}
	go serveLies(conns[0], conns[1])
	g.configure("\n[dns]\nupstreams = [\"" + upstreamAddr + ":5353\"]\n")
	lab.Eventually(t, time.Minute, "the reload", func() error {
		if got := n.dig("+short", "reload.test"); got != trueAddr+"\n" {
			return errors.New(got)
		}
		return nil
	})
	if got := n.dig("www.test"); !strings.Contains(got, trueAddr) || strings.Contains(got, liedAddr) || strings.Contains(got, "bank.test") {
		t.Errorf("the client is told\n%s", got)
	}
	if got := n.dig("bank.test"); !strings.Contains(got, "status: NXDOMAIN") || strings.Contains(got, liedAddr) {
		t.Errorf("the cache holds what nobody asked for:\n%s", got)
	}
	g.stop()
}
