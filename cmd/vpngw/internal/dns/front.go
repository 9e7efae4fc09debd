package dns

import (
	"context"
	"encoding/binary"
	"net/netip"
	"time"

	miekg "github.com/miekg/dns"
)

// A query is one message of a client on its way to an answer.
type query struct {
	msg   miekg.Msg // what came; of a broken one, the header
	peer  string
	addr  netip.Addr
	tcp   bool
	size  int  // of the largest answer
	do    bool // DNSSEC records are wanted: "DNSSEC OK" RFC 3225
	edns  bool
	began time.Time
	// rcode is what is wrong with it; RcodeSuccess: nothing.
	rcode int
}

// headerLen is the length of a message's header in bytes: RFC 1035 §4.1.1.
const headerLen = 12

// receive makes a query of what came from a client; nil if it is not to be answered. The bytes are
// the caller's again on return.
func (s *Server) receive(b []byte, peer string, addr netip.Addr, tcp bool) *query {
	if len(b) < headerLen || b[2]&0x80 != 0 { // too short to answer; an answer, which never gets one
		s.counters.malformed.Add(1)
		return nil
	}
	q := &query{peer: peer, addr: addr, tcp: tcp, size: plainMax, began: time.Now()}
	if tcp {
		q.size = messageMax
	}
	opcode := int(b[2]>>3) & 0xf
	if err := q.msg.Unpack(b); err != nil || opcode == miekg.OpcodeQuery && len(q.msg.Question) != 1 {
		q.msg = miekg.Msg{}
		q.msg.Id, q.msg.Opcode, q.rcode = binary.BigEndian.Uint16(b), opcode, miekg.RcodeFormatError
		s.counters.malformed.Add(1)
		return q
	}
	s.readEDNS(q)
	if q.rcode == miekg.RcodeSuccess {
		if q.rcode = unsupported(&q.msg); q.rcode != miekg.RcodeSuccess {
			s.counters.refused.Add(1)
		}
	}
	return q
}

// readEDNS takes what the OPT record says: RFC 6891 §6.1.
func (s *Server) readEDNS(q *query) {
	for _, rr := range q.msg.Extra {
		opt, ok := rr.(*miekg.OPT)
		switch {
		case !ok:
			continue
		case q.edns: // "If a query message with more than one OPT RR is received, a FORMERR […] MUST be returned"
			q.rcode = miekg.RcodeFormatError
		case opt.Version() != 0:
			q.rcode = miekg.RcodeBadVers
		}
		q.edns, q.do = true, opt.Do()
		if !q.tcp {
			// "Values lower than 512 MUST be treated as equal to 512."
			q.size = max(plainMax, min(int(opt.UDPSize()), s.settings.Load().datagramMax))
		}
	}
	if q.rcode != miekg.RcodeSuccess {
		s.counters.malformed.Add(1)
	}
}

// unsupported says why a well-formed message is not for a resolver like this, or RcodeSuccess.
func unsupported(m *miekg.Msg) int {
	if m.Opcode != miekg.OpcodeQuery {
		return miekg.RcodeNotImplemented
	}
	switch q := m.Question[0]; {
	case q.Qclass != miekg.ClassINET:
		return miekg.RcodeRefused
	case q.Qtype == miekg.TypeAXFR, q.Qtype == miekg.TypeIXFR, q.Qtype == miekg.TypeMAILA,
		q.Qtype == miekg.TypeMAILB, q.Qtype == miekg.TypeOPT, q.Qtype == miekg.TypeTSIG, q.Qtype == miekg.TypeTKEY:
		return miekg.RcodeRefused
	}
	return miekg.RcodeSuccess
}

// answer answers q by send: at once if it can, else in a function that it gives to slow, to be run
// beside.
func (s *Server) answer(q *query, send func([]byte), slow func(func())) {
	if q.rcode != miekg.RcodeSuccess {
		s.reply(q, &answer{rcode: q.rcode}, send)
		return
	}
	settings := s.settings.Load()
	if a := settings.known(q); a != nil {
		s.reply(q, a, send)
		return
	}
	if !s.slots.take(q.peer) {
		s.counters.overLimit.Add(1)
		s.reply(q, &answer{rcode: miekg.RcodeServerFailure, from: fromNobody}, send)
		return
	}
	slow(func() {
		ctx, cancel := context.WithTimeout(s.ctx, resolveTimeout)
		defer cancel()
		a := settings.resolve(ctx, q)
		s.slots.give(q.peer)
		if s.ctx.Err() == nil {
			s.reply(q, a, send)
		}
	})
}

// reply counts, logs and sends an answer.
func (s *Server) reply(q *query, a *answer, send func([]byte)) {
	s.count(q, a)
	m := miekg.Msg{MsgHdr: miekg.MsgHdr{
		Id: q.msg.Id, Opcode: q.msg.Opcode, Response: true, Authoritative: a.authoritative,
		RecursionDesired: q.msg.RecursionDesired, RecursionAvailable: true,
		CheckingDisabled: q.msg.CheckingDisabled, Rcode: a.rcode,
	}}
	m.Question, m.Answer, m.Ns, m.Compress = q.msg.Question, a.answer, a.ns, true
	if q.edns {
		// "If an OPT record is present in a received request, compliant responders MUST include an
		// OPT record in their respective responses." RFC 6891 §6.1.1
		m.SetEdns0(ednsSize, q.do)
		if a.blocked {
			opt := m.IsEdns0()
			opt.Option = append(opt.Option, &miekg.EDNS0_EDE{
				InfoCode: miekg.ExtendedErrorCodeBlocked, ExtraText: "dns.rebind_protection", // RFC 8914 §4.16
			})
		}
	}
	if m.Truncate(q.size); m.Truncated {
		s.counters.truncated.Add(1)
	}
	b, err := m.Pack()
	if err != nil { // a record of an upstream that can be read but not written
		failed := miekg.Msg{MsgHdr: m.MsgHdr, Question: m.Question}
		failed.Rcode = miekg.RcodeServerFailure
		if b, err = failed.Pack(); err != nil {
			s.counters.droppedAnswers.Add(1)
			return
		}
	}
	send(b)
}

// count counts one answer, and logs it if that is wanted.
func (s *Server) count(q *query, a *answer) {
	if a.filtered {
		s.counters.filtered.Add(1)
	}
	if a.blocked {
		s.counters.blocked.Add(1)
		s.warnBlocked(q)
	}
	switch {
	case q.rcode != miekg.RcodeSuccess: // counted when it was read
	case a.from == fromHere:
		s.counters.local.Add(1)
	case a.from == fromCache:
		s.counters.hits.Add(1)
	case a.from == fromUpstream:
		s.counters.forwarded.Add(1)
	}
	if a.from == fromUpstream && a.rcode == miekg.RcodeServerFailure {
		s.counters.failures.Add(1)
		if a.err != nil {
			s.warnFailed(q, a.err)
		}
	}
	if s.settings.Load().logQueries && len(q.msg.Question) == 1 {
		question := q.msg.Question[0]
		s.log.Info("dns query", "peer", q.peer, "client", q.addr, "name", question.Name,
			"type", miekg.Type(question.Qtype).String(), "answer", miekg.RcodeToString[a.rcode],
			"from", a.from.String(), "blocked", a.blocked, "took", time.Since(q.began).Round(time.Microsecond))
	}
}
