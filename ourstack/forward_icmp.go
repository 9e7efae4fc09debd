package ourstack

import (
	"net/netip"
	"slices"
	"sync/atomic"

	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// ICMPRequest is an echo request to an address that is not the stack's. The fields describe it and
// must not be changed but for Payload, which belongs to the request. It holds nothing of the stack: one that
// is never answered is simply forgotten.
type ICMPRequest struct {
	ID, Seq uint16
	TTL     uint8 // as received, at least 2
	TOS     uint8
	DF      bool   // the client forbids fragments
	Payload []byte // the owner may let go of it, by setting it to nil

	stack    *Stack
	src, dst wire.Addr
	raw      []byte // the packet, as far as an ICMP error quotes it
	answered atomic.Bool
}

// SetForwardICMP says who handles echo requests to addresses that are not the stack's own; nil: they
// are dropped. handler is called without locks held, from Input, and must not block.
func (s *Stack) SetForwardICMP(handler func(*ICMPRequest)) {
	if handler == nil || s.closed.Load() {
		s.forwardICMP.Store(nil)
		return
	}
	s.forwardICMP.Store(&handler)
}

// forwardEcho passes an echo request for another host to the handler.
func (in *input) forwardEcho() dropReason {
	handler := in.s.forwardICMP.Load()
	if handler == nil {
		return dropEcho
	}
	r := &ICMPRequest{
		ID: in.msg.ID(), Seq: in.msg.Seq(), TTL: in.ip.TTL, TOS: in.ip.TOS, DF: in.ip.DF,
		Payload: slices.Clone(in.msg.Payload),
		stack:   in.s, src: in.ip.Src, dst: in.ip.Dst,
		raw: slices.Clone(in.raw[:min(len(in.raw), icmpQuoteMax)]),
	}
	in.s.counters.requestsRaised.Add(1)
	(*handler)(r)
	return accepted
}

// Local returns the destination that the client pinged.
func (r *ICMPRequest) Local() netip.Addr { return r.dst.Netip() }

// Remote returns the client.
func (r *ICMPRequest) Remote() netip.Addr { return r.src.Netip() }

// Reply sends an echo reply from the destination to the client, with the request's ID and sequence
// number, and the TTL with which the destination's own would arrive (0: the stack's). payload, at most
// 65507 bytes, is copied. Errors: ErrMessageTooLong, ErrCanceled if the
// request was answered before, ErrWouldBlock if too many replies wait: then it is lost, as on a
// busy network.
func (r *ICMPRequest) Reply(_ tcp.Instant, payload []byte, ttl uint8) error {
	if len(payload) > maxUDPPayload {
		return ErrMessageTooLong
	}
	if r.answered.Swap(true) {
		return ErrCanceled
	}
	msg := wire.ICMPv4{Type: wire.ICMPEchoReply, Payload: payload}
	msg.SetEcho(r.ID, r.Seq)
	if !r.stack.sendICMP(&r.stack.echoes, datagram{src: r.dst, dst: r.src, tos: r.TOS, ttl: ttl}, &msg) {
		return ErrWouldBlock
	}
	return nil
}

// Reject answers with an ICMP error as reason says; RejectRefused and RejectPort do not fit an echo
// request and count as RejectHostUnreachable.
func (r *ICMPRequest) Reject(now tcp.Instant, reason Reason) {
	if r.answered.Swap(true) {
		return
	}
	if reason == RejectRefused || reason == RejectPort {
		reason = RejectHostUnreachable
	}
	r.stack.reject(now, r.raw, r.dst, reason)
}

// Fail answers with an ICMP error from the network behind.
func (r *ICMPRequest) Fail(now tcp.Instant, f Fault) {
	if !r.answered.Swap(true) {
		r.stack.relayFault(now, r.raw, f)
	}
}

// Drop counts the request as lost for want of room and leaves it without an answer.
func (r *ICMPRequest) Drop() {
	if !r.answered.Swap(true) {
		r.stack.counters.drops.own[dropEchoQueue].Add(1)
	}
}
