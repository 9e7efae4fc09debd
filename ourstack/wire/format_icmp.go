package wire

// appendICMP appends the ICMP message b, quoted or whole. An error's quoted packet follows in
// brackets, one level deep.
func appendICMP(dst, b []byte, quoted bool) []byte {
	var m ICMPv4
	if e := m.ParseQuoted(b); e != OK {
		return appendBad(dst, "icmp", e, len(b))
	}
	dst = append(dst, "icmp "...)
	if m.IsError() {
		dst = appendICMPError(dst, &m)
		if !quoted {
			dst = appendQuote(dst, m.Payload)
		}
	} else {
		dst = appendICMPQuery(dst, &m)
	}
	if !quoted && Checksum(b) != 0 {
		dst = append(dst, badChecksum...)
	}
	return dst
}

func appendICMPQuery(dst []byte, m *ICMPv4) []byte {
	switch m.Type {
	case ICMPEcho:
		dst = append(dst, "echo request"...)
	case ICMPEchoReply:
		dst = append(dst, "echo reply"...)
	default:
		dst = appendUint(append(dst, "type "...), uint64(m.Type))
		dst = appendUint(append(dst, " code "...), uint64(m.Code))
		return appendLen(dst, len(m.Payload))
	}
	dst = appendUint(append(dst, " id "...), uint64(m.ID()))
	dst = appendUint(append(dst, " seq "...), uint64(m.Seq()))
	return appendLen(dst, len(m.Payload))
}

var unreachableNames = [...]string{
	ICMPUnreachableNet:            "net",
	ICMPUnreachableHost:           "host",
	ICMPUnreachableProtocol:       "protocol",
	ICMPUnreachablePort:           "port",
	ICMPUnreachableFragNeeded:     "frag needed",
	ICMPUnreachableSourceRoute:    "source route",
	ICMPUnreachableNetUnknown:     "net unknown",
	ICMPUnreachableHostUnknown:    "host unknown",
	ICMPUnreachableHostIsolated:   "host isolated",
	ICMPUnreachableNetProhibited:  "net prohibited",
	ICMPUnreachableHostProhibited: "host prohibited",
	ICMPUnreachableNetTOS:         "net tos",
	ICMPUnreachableHostTOS:        "host tos",
	ICMPUnreachableAdmin:          "admin",
	ICMPUnreachablePrecedence:     "precedence",
	ICMPUnreachableCutoff:         "cutoff",
}

var timeExceededNames = [...]string{
	ICMPTimeExceededTTL:        "ttl",
	ICMPTimeExceededReassembly: "reassembly",
}

func appendICMPError(dst []byte, m *ICMPv4) []byte {
	switch m.Type {
	case ICMPUnreachable:
		dst = appendCode(append(dst, "unreachable "...), unreachableNames[:], m.Code)
		if m.Code == ICMPUnreachableFragNeeded {
			dst = appendUint(append(dst, " mtu "...), uint64(m.MTU()))
		}
	case ICMPTimeExceeded:
		dst = appendCode(append(dst, "time exceeded "...), timeExceededNames[:], m.Code)
	case ICMPParamProblem:
		dst = appendCode(append(dst, "parameter problem "...), nil, m.Code)
		dst = appendUint(append(dst, " at "...), uint64(m.Pointer()))
	case ICMPSourceQuench:
		dst = append(dst, "source quench"...)
	case ICMPRedirect:
		dst = appendCode(append(dst, "redirect "...), nil, m.Code)
		dst = appendAddr(append(dst, " to "...), Addr(m.Rest))
	}
	return dst
}

// appendCode appends the name of a code, or its number when it has none.
func appendCode(dst []byte, names []string, code uint8) []byte {
	if int(code) < len(names) {
		return append(dst, names[code]...)
	}
	return appendUint(append(dst, "code "...), uint64(code))
}

func appendQuote(dst, b []byte) []byte {
	var h IPv4
	dst = append(dst, " ["...)
	if e := h.ParseQuoted(b); e != OK {
		dst = appendBad(dst, "quote", e, len(b))
	} else {
		dst = appendIPv4(dst, &h, true)
	}
	return append(dst, ']')
}
