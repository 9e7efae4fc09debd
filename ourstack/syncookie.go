package ourstack

import (
	"sync"

	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// cookies makes and checks SYN cookies (RFC 4987 §3.6): an initial sequence number of the SYN-ACK
// from which the ACK of the client restores the connection, so that a SYN costs no memory.
//
//	 31     29 28                                    0
//	+---------+---------------------------------------+
//	| MSS     | MAC(tuple, client ISN, time, options) |
//	+---------+---------------------------------------+
//
// The MSS is an index into cookieMSS. The time has steps of cookieLifetime; the ACK may come in the
// same step or the next. If the client uses timestamps, the six low bits of our TSval,
// which it echoes, keep what else it offered, as Linux does:
//
//	  5      4      3       0
//	+------+------+---------+
//	| ECN  | SACK | wscale  |    wscale 15: not offered
//	+------+------+---------+
//
// Without timestamps those options are lost for the connection, which still works. A guess at
// a cookie has one chance in 2²⁸, and opens a connection, nothing else.
type cookies struct {
	key     key
	scratch sync.Pool // of *cookieScratch
}

// cookieScratch is where a SYN-ACK with a cookie is built.
type cookieScratch struct {
	tcb tcp.Conn
	cfg tcp.Config
	syn wire.TCP
	buf []byte
}

// cookieMSS are the MSS values that a cookie can say, the largest not above the client's being taken:
// the least that TCP sends, the default, and what common tunnels and links lead to.
var cookieMSS = [8]uint16{48, 216, 536, 1220, 1300, 1360, 1380, 1460}

const (
	cookieMACBits   = 29
	cookieMACMask   = 1<<cookieMACBits - 1
	cookieTSBits    = 6
	cookieTSMask    = 1<<cookieTSBits - 1
	cookieNoWScale  = 15
	cookieSACKBit   = 1 << 4
	cookieECNBit    = 1 << 5
	cookieNoTSState = 1 << 32 // in the MAC: no timestamps, so no option bits
)

// value computes the cookie for a time step.
func (k *cookies) value(t tcp.Tuple, isn seqnum.Value, step uint64, mss int, opts uint64) seqnum.Value {
	mac := k.key.hash(endpointWord(t.Local), endpointWord(t.Remote), uint64(isn)<<8|uint64(mss), step, opts)
	return seqnum.Value(uint32(mss)<<cookieMACBits | uint32(mac&cookieMACMask))
}

func cookieStep(now tcp.Instant) uint64 { return uint64(now) / uint64(cookieLifetime) }

// mssIndex returns the index of the largest MSS that a cookie can say and the client takes.
func mssIndex(o *wire.Options) int {
	mss := uint16(536) // RFC 9293 §3.7.1, MUST-15
	if o.HasMSS {
		mss = o.MSS
	}
	i := len(cookieMSS) - 1
	for i > 0 && cookieMSS[i] > mss {
		i--
	}
	return i
}

// optionBits packs what the SYN offered.
func optionBits(syn *wire.TCP) uint64 {
	if !syn.Opts.HasTimestamps {
		return cookieNoTSState
	}
	b := uint64(cookieNoWScale)
	if syn.Opts.HasWndScale {
		b = uint64(min(syn.Opts.WndScale, 14)) // RFC 7323 §2.3
	}
	if syn.Opts.SACKPermitted {
		b |= cookieSACKBit
	}
	if syn.Flags.Has(wire.FlagECE|wire.FlagCWR) && syn.Flags&wire.FlagAE == 0 {
		b |= cookieECNBit // an ECN-setup SYN (RFC 3168 §6.1.1)
	}
	return b
}

// sendCookie answers a SYN with a cookie. The SYN-ACK is what a connection with the same options
// would send; only its sequence number and timestamp are special.
func (s *Stack) sendCookie(now tcp.Instant, t tcp.Tuple, syn *wire.TCP, ecn uint8) {
	mss, opts := mssIndex(&syn.Opts), optionBits(syn)
	iss := s.cookies.value(t, syn.Seq, cookieStep(now), mss, opts)

	sc, ok := s.cookies.scratch.Get().(*cookieScratch)
	if !ok {
		sc = &cookieScratch{cfg: s.cfg.TCP, buf: make([]byte, s.cfg.MTU)}
	}
	defer s.cookies.scratch.Put(sc)
	sc.cfg.MTU = s.mtuTo(t.Remote.Addr)
	offset := s.tsOffset(t)
	if opts != cookieNoTSState {
		offset = cookieTSOffset(now, offset, uint32(opts))
	}
	sc.syn = *syn
	sc.syn.Payload = nil
	if opts == cookieNoTSState {
		// What the cookie cannot keep must not be agreed to.
		sc.syn.Opts.HasWndScale, sc.syn.Opts.SACKPermitted = false, false
		sc.syn.Flags &^= wire.FlagECE | wire.FlagCWR
	}
	sc.tcb.Init(&sc.cfg, t, iss, offset)
	sc.tcb.OpenPassive(now, &sc.syn, ecn)
	n, _ := sc.tcb.PollSegment(now, sc.buf[wire.IPv4MinHeaderLen:])
	if n == 0 {
		return
	}
	ip := wire.IPv4{
		TotalLen: wire.IPv4MinHeaderLen + n, DF: true, TTL: sc.tcb.TTL(), TOS: sc.tcb.TOS(),
		Protocol: wire.ProtoTCP, Src: t.Local.Addr, Dst: t.Remote.Addr,
	}
	ip.Put(sc.buf)
	s.counters.cookiesSent.Add(1)
	s.sendControl(sc.buf[:ip.TotalLen])
}

// cookieTSOffset returns the timestamp offset with which the clock now shows opts in its low bits. The
// timestamp is not newer than the true one, or the connection's next would go backwards.
func cookieTSOffset(now tcp.Instant, offset, opts uint32) uint32 {
	ms := uint32(uint64(now) / uint64(tcp.Millisecond))
	ts := (ms+offset)&^cookieTSMask | opts
	if int32(ts-(ms+offset)) > 0 {
		ts -= 1 << cookieTSBits
	}
	return ts - ms
}

// check verifies the cookie that ack acknowledges and returns what it kept.
func (k *cookies) check(now tcp.Instant, t tcp.Tuple, ack *wire.TCP) (tcp.CookieState, bool) {
	cookie := ack.Ack.Sub(1)
	mss := int(uint32(cookie) >> cookieMACBits)
	opts := uint64(cookieNoTSState)
	cs := tcp.CookieState{MSS: cookieMSS[mss]}
	if ack.Opts.HasTimestamps {
		opts = uint64(ack.Opts.TSEcr & cookieTSMask)
		cs.Timestamps = true
		cs.WndScale = uint8(opts & 15)
		cs.HasWndScale = cs.WndScale != cookieNoWScale
		cs.SACK = opts&cookieSACKBit != 0
		cs.ECN = opts&cookieECNBit != 0
	}
	isn, step := ack.Seq.Sub(1), cookieStep(now)
	ok := k.value(t, isn, step, mss, opts) == cookie || step > 0 && k.value(t, isn, step-1, mss, opts) == cookie
	return cs, ok
}
