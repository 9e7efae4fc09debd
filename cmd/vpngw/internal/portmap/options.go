package portmap

import (
	"encoding/binary"
	"net/netip"
)

// Option codes. Those below optionOptional must be understood. RFC 6887 §7.3, §13.
const (
	optionThirdParty    = 1
	optionPreferFailure = 2
	optionFilter        = 3
	optionOptional      = 128
)

// optionHeaderLen is the length of an option without its data, in octets.
const optionHeaderLen = 4

// Lengths of the options' data in octets. RFC 6887 §13.1, §13.2, §13.3.
const (
	thirdPartyLen    = 16
	preferFailureLen = 0
	filterLen        = 20
)

// A Filter admits remote hosts to a mapping. RFC 6887 §13.3.
type Filter struct {
	Prefix netip.Prefix
	Port   uint16 // 0: all
}

// Admits reports whether src matches the filter.
func (f Filter) Admits(src netip.AddrPort) bool {
	return f.Prefix.Contains(src.Addr()) && (f.Port == 0 || f.Port == src.Port())
}

// An option of a PCP message.
type option struct {
	code uint8
	data []byte // without padding
	raw  []byte // all of it
}

// nextOption takes the first option off b. false: what is there is no option.
func nextOption(b []byte) (o option, rest []byte, ok bool) {
	if len(b) < optionHeaderLen {
		return o, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	padded := optionHeaderLen + (n+3)/4*4
	if padded > len(b) {
		return o, nil, false
	}
	return option{b[0], b[optionHeaderLen : optionHeaderLen+n], b[:padded]}, b[padded:], true
}

// mapOptions are the options of a MAP request that were understood.
type mapOptions struct {
	preferFailure bool
	filtered      bool     // there is a FILTER
	clear         bool     // existing filters go first
	filters       []Filter // to add
	processed     []byte   // as they came, for the response
}

// parseMapOptions reads the options of a MAP request, "in the order in which they appear". RFC 6887
// §7.3. The structure of all is checked before any is looked at.
func parseMapOptions(b []byte, q query, m *pcpMap, deletes bool) (o mapOptions, result pcpResult) {
	for rest := b; len(rest) > 0; {
		var ok bool
		if _, rest, ok = nextOption(rest); !ok {
			return o, pcpMalformedOption
		}
	}
	for rest := b; len(rest) > 0; {
		var next option
		next, rest, _ = nextOption(rest)
		switch {
		case next.code >= optionOptional:
			continue
		case next.code == optionThirdParty:
			result = thirdParty(next.data, q)
		case next.code == optionPreferFailure:
			// "zero in the Suggested External Port field […] is invalid" RFC 6887 §13.2.
			if len(next.data) != preferFailureLen || o.preferFailure || deletes || m.externalPort == 0 {
				return o, pcpMalformedOption
			}
			o.preferFailure = true
		case next.code == optionFilter:
			if deletes {
				return o, pcpMalformedOption
			}
			result = o.addFilter(next.data)
		default:
			result = pcpUnsuppOption
		}
		if result != pcpSuccess {
			return o, result
		}
		o.processed = append(o.processed, next.raw...)
	}
	return o, pcpSuccess
}

// thirdParty refuses the option, for the reason that fits.
func thirdParty(data []byte, q query) pcpResult {
	switch {
	case len(data) != thirdPartyLen:
		return pcpMalformedOption
	case pcpAddr(data) == q.from.Addr():
		// "specifying the same address as the source address of the packet MUST return a
		// MALFORMED_REQUEST" RFC 6887 §13.1.
		return pcpMalformedRequest
	}
	return pcpUnsuppOption
}

// addFilter reads the data of a FILTER.
func (o *mapOptions) addFilter(data []byte) pcpResult {
	if len(data) != filterLen {
		return pcpMalformedOption
	}
	bits, port, addr := int(data[1]), binary.BigEndian.Uint16(data[2:]), pcpAddr(data[4:])
	o.filtered = true
	if bits == 0 { // "will remove all previous filters" RFC 6887 §13.3
		o.clear, o.filters = true, nil
		return pcpSuccess
	}
	// The remote peer has the family of the client, which is IPv4 here. RFC 6887 §10.
	if !addr.Is4() || bits < 96 || bits > 128 {
		return pcpMalformedOption
	}
	if len(o.filters) == filtersMax {
		return pcpExcessiveRemotePeers
	}
	o.filters = append(o.filters, Filter{netip.PrefixFrom(addr, bits-96).Masked(), port})
	return pcpSuccess
}

// apply returns the filters that a mapping with the given ones has after the request, or false if
// those were too many.
func (o *mapOptions) apply(filters []Filter) ([]Filter, bool) {
	if o.clear {
		filters = nil
	}
	all := make([]Filter, 0, len(filters)+len(o.filters))
	all = append(append(all, filters...), o.filters...)
	return all, len(all) <= filtersMax
}

// checkAnnounceOptions looks through the options of an ANNOUNCE: there is none for it. RFC 6887 §13,
// §14.1.1.
func checkAnnounceOptions(b []byte) pcpResult {
	result := pcpSuccess
	for len(b) > 0 {
		o, rest, ok := nextOption(b)
		if !ok {
			return pcpMalformedOption
		}
		if o.code < optionOptional {
			result = pcpUnsuppOption
		}
		b = rest
	}
	return result
}
