package gateway

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"

	"vpngw/adapter"
	"vpngw/cmd/vpngw/internal/mmsg"
)

// A udpBatch is a batch of datagrams on their way through a mapping. There are as many as there are
// mappings at work.
type udpBatch struct {
	in    [mmsg.SendBatch]adapter.Datagram
	out   [mmsg.SendBatch]udpDatagram
	taken int // of in
	count int // of out
	sent  int // of those
}

var udpBatches = sync.Pool{New: func() any { return new(udpBatch) }}

// fromClient carries what the client has sent. It is called whenever there may be something, also by
// many at once: one of them carries it all, in its order.
func (m *udpMapping) fromClient() {
	switch {
	case m.carrying.Add(1) > 1: // who is at it looks again
	case m.up.waits():
		go m.carry()
	default:
		m.carry()
	}
}

func (m *udpMapping) carry() {
	for {
		asked := m.carrying.Load()
		for m.carryBatch() {
		}
		if m.carrying.CompareAndSwap(asked, 0) {
			return
		}
	}
}

// carryBatch carries one batch; it reports whether there may be more.
func (m *udpMapping) carryBatch() bool {
	b := m.pending
	if b == nil {
		b = udpBatches.Get().(*udpBatch)
		if b.taken = m.down.read(b.in[:]); b.taken == 0 {
			udpBatches.Put(b)
			return false
		}
		m.judge(b)
	}
	m.pending = nil
	if b.sent < b.count {
		b.sent += m.up.send(b.out[b.sent:b.count])
	}
	if b.sent < b.count {
		m.pending = b // until writable
		return false
	}
	for i := range b.out[:b.count] {
		if d := &b.out[i]; d.Err != nil {
			m.notSent(d)
		}
		b.out[i] = udpDatagram{}
	}
	m.down.release(b.in[:b.taken])
	udpBatches.Put(b)
	return true
}

// judge sorts out what of a batch goes to the network.
func (m *udpMapping) judge(b *udpBatch) {
	b.count, b.sent = 0, 0
	var of netip.AddrPort // what the decision is about
	var d decision
	var inner *udpMapping
	for i := range b.in[:b.taken] {
		in := &b.in[i]
		if in.To != of {
			of = in.To
			d, inner = m.f.judgeUDP(m.peer, of)
		}
		if d.verdict != verdictAllow {
			m.f.counters.udpDenied.Add(1)
			m.down.unreachable(of, d.verdict.answer())
			continue
		}
		if of != m.last {
			m.last = of
			m.contact(of)
			m.ruleBy(of.Port())
		}
		if beginsQUIC(in.Payload) {
			m.contactQUIC(of)
		}
		if inner != nil {
			m.hairpin(inner, in)
			continue
		}
		out := udpDatagram{Payload: in.Payload, Addr: of, DF: in.DF, TOS: in.TOS}
		// "A router MUST NOT ... originate or forward a datagram with a TTL of zero" and decrements it
		// (RFC 1812 §5.3.1); one that came with less than 2 was answered by the stack.
		if in.TTL > 1 {
			out.TTL = in.TTL - 1
		}
		b.out[b.count] = out
		b.count++
	}
	m.idle.touch() // "NAT Outbound refresh behavior" RFC 4787 §4.3 REQ-6
}

// notSent tells the client what became of a datagram that this host could not send.
func (m *udpMapping) notSent(d *udpDatagram) {
	m.f.counters.udpSendError.Add(1)
	if errors.Is(d.Err, syscall.EMSGSIZE) {
		return // the error queue tells it with the path's MTU
	}
	if _, told := classifyErrno(d.Err); told != answerNothing && told != answerRefused {
		m.down.unreachable(d.Addr, told)
	}
}

// writable: see upstreamHandler.
func (m *udpMapping) writable() { m.fromClient() }

// fromUpstream carries answers to the client, if they come from where it may be sent to from.
func (m *udpMapping) fromUpstream(ds []udpDatagram) {
	b := udpBatches.Get().(*udpBatch)
	for len(ds) > 0 {
		n := min(len(ds), len(b.in))
		count := m.filter(ds[:n], b.in[:])
		ds = ds[n:]
		if count == 0 {
			continue
		}
		m.idle.touch()
		if lost := count - m.down.write(b.in[:count]); lost > 0 {
			m.f.counters.udpDropped.Add(uint64(lost))
		}
		clear(b.in[:count])
	}
	udpBatches.Put(b)
}

// failedUpstream tells the client what became of its datagram. It ends nothing: RFC 4787 §8 REQ-12.
func (m *udpMapping) failedUpstream(dst netip.AddrPort, why fault) {
	m.f.counters.udpUnreachable.Add(1)
	m.down.fail(dst, m.f.seen(why).Fault)
}
