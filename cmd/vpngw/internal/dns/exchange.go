package dns

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"time"

	miekg "github.com/miekg/dns"

	"vpngw/config"
)

// exchange asks the server one question and returns its answer, of which nothing is known but that
// it is to this question.
func (s *server) exchange(ctx context.Context, k question) (*miekg.Msg, error) {
	m, err := s.send(ctx, newMessage(k))
	if err != nil || m.Rcode != miekg.RcodeFormatError && m.Rcode != miekg.RcodeNotImplemented {
		return m, err
	}
	// A server from before EDNS: RFC 6891 §7.
	plain := newMessage(k)
	plain.Extra = nil
	return s.send(ctx, plain)
}

func (s *server) send(ctx context.Context, q *miekg.Msg) (*miekg.Msg, error) {
	if s.Kind == config.ResolverUDP {
		m, err := s.exchangeUDP(ctx, q)
		if err != nil || !m.Truncated {
			return m, err
		}
	}
	if s.Kind == config.ResolverHTTPS {
		return s.exchangeHTTPS(ctx, q)
	}
	return s.exchangeStream(ctx, q)
}

// newMessage makes the message that asks k.
func newMessage(k question) *miekg.Msg {
	m := &miekg.Msg{Question: []miekg.Question{{Name: k.name, Qtype: k.qtype, Qclass: miekg.ClassINET}}}
	m.Id, m.RecursionDesired, m.CheckingDisabled = newID(), true, k.cd
	m.SetEdns0(ednsSize, k.do)
	return m
}

// newID returns an identifier that cannot be foreseen: RFC 5452 §9.2.
func newID() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint16(b[:])
}

// exchangeUDP asks over a socket of its own, whose port the system chooses at random and which takes
// only what the server sends (RFC 5452 §9.2). Answers that do not fit are not looked at.
func (s *server) exchangeUDP(ctx context.Context, q *miekg.Msg) (*miekg.Msg, error) {
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	conn, err := s.dial(ctx, "udp", s.Addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := conn.Write(packed); err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(resendAfter))
	resent := false
	buf := make([]byte, datagramMax)
	for ignored := 0; ignored < ignoredMax; {
		n, err := conn.Read(buf)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded) && !resent:
			resent = true // one of the two was lost
			_ = conn.SetReadDeadline(time.Time{})
			if _, err := conn.Write(packed); err != nil {
				return nil, err
			}
			continue
		case err != nil:
			return nil, err // ICMP: nobody there
		}
		if m := match(q, buf[:n]); m != nil {
			return m, nil
		}
		s.counters.ignored.Add(1)
		ignored++
	}
	return s.exchangeStream(ctx, q)
}

// match returns the message in b if it answers q, else nil.
func match(q *miekg.Msg, b []byte) *miekg.Msg {
	var m miekg.Msg
	if len(b) < headerLen || binary.BigEndian.Uint16(b) != q.Id || b[2]&0x80 == 0 {
		return nil
	}
	if err := m.Unpack(b); err != nil {
		if !m.Truncated || len(m.Question) != 1 {
			return nil
		}
		m.Answer, m.Ns, m.Extra = nil, nil, nil // cut off in the middle; over TCP there is more
	}
	if m.Opcode != miekg.OpcodeQuery {
		return nil
	}
	if len(m.Question) == 0 && m.Rcode == miekg.RcodeFormatError {
		return &m // it could not read the question: RFC 6891 §7
	}
	if len(m.Question) != 1 {
		return nil
	}
	asked, got := q.Question[0], m.Question[0]
	if asked.Qtype != got.Qtype || asked.Qclass != got.Qclass || !strings.EqualFold(asked.Name, got.Name) {
		return nil
	}
	return &m
}
