package tcp

import (
	"vpngw/ourstack/seqnum"
	"vpngw/ourstack/wire"
)

// ICMPError is an ICMP error message about a segment of ours, as far as TCP wants
// to know it.
type ICMPError struct {
	Type, Code uint8
	Seq        seqnum.Value // sequence number of the quoted segment
	MTU        int          // next-hop MTU of type 3 code 4; 0 if the router gave none
}

// HandleICMP takes an ICMP error that quotes a segment of this connection (RFC
// 9293 §3.9.2.2, MUST-54). Forged ones are likely, so: the quoted sequence number
// must be of a segment in flight (RFC 5927 §4.1), no ICMP error ends a
// synchronized connection (RFC 5927 §5.2), and the path MTU has a floor (§7).
func (c *Conn) HandleICMP(now Instant, e ICMPError) DropReason {
	if c.state == StateClosed {
		return DropState
	}
	if !e.Seq.InRange(c.sndUna, c.sndNxt) {
		return DropICMPSequence
	}
	if e.Type == wire.ICMPUnreachable && e.Code == wire.ICMPUnreachableFragNeeded {
		return c.routerPathMTU(now, e.MTU)
	}
	err := icmpErr(e.Type, e.Code)
	if err == nil {
		return DropICMPIgnored // source quench: MUST-55; others are not errors of a path
	}
	if !c.state.Synchronized() && hardError(e.Type, e.Code) {
		c.fail(err) // SHLD-26
		return DropNone
	}
	// SHLD-25, MUST-56: "inform the application", never abort.
	c.noteSoftError(now, err)
	return DropNone
}

// hardError tells the codes that end a connection attempt: protocol and port
// unreachable (RFC 9293 §3.9.2.2, SHLD-26) and administratively prohibited.
func hardError(typ, code uint8) bool {
	if typ != wire.ICMPUnreachable {
		return false
	}
	switch code {
	case wire.ICMPUnreachableProtocol, wire.ICMPUnreachablePort, wire.ICMPUnreachableNetProhibited,
		wire.ICMPUnreachableHostProhibited, wire.ICMPUnreachableAdmin:
		return true
	}
	return false
}

// icmpErr maps type and code to an error (RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
func icmpErr(typ, code uint8) error {
	switch typ {
	case wire.ICMPUnreachable:
		switch code {
		case wire.ICMPUnreachableNet, wire.ICMPUnreachableNetUnknown, wire.ICMPUnreachableNetTOS:
			return ErrNetUnreachable
		case wire.ICMPUnreachableHost, wire.ICMPUnreachableSourceRoute, wire.ICMPUnreachableHostUnknown,
			wire.ICMPUnreachableHostIsolated, wire.ICMPUnreachableHostTOS:
			return ErrHostUnreachable
		case wire.ICMPUnreachableProtocol:
			return ErrProtocolUnreachable
		case wire.ICMPUnreachablePort:
			return ErrRefused
		case wire.ICMPUnreachableNetProhibited, wire.ICMPUnreachableHostProhibited, wire.ICMPUnreachableAdmin:
			return ErrProhibited
		}
	case wire.ICMPTimeExceeded, wire.ICMPParamProblem:
		return ErrHostUnreachable
	}
	return nil
}
