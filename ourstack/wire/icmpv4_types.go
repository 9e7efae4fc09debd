package wire

// ICMP message types (RFC 792, RFC 950, IANA).
const (
	ICMPEchoReply      = 0
	ICMPUnreachable    = 3
	ICMPSourceQuench   = 4 // deprecated, RFC 6633
	ICMPRedirect       = 5
	ICMPEcho           = 8
	ICMPTimeExceeded   = 11
	ICMPParamProblem   = 12
	ICMPTimestamp      = 13
	ICMPTimestampReply = 14
)

// Codes of ICMPUnreachable (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
const (
	ICMPUnreachableNet            = 0
	ICMPUnreachableHost           = 1
	ICMPUnreachableProtocol       = 2
	ICMPUnreachablePort           = 3
	ICMPUnreachableFragNeeded     = 4 // with the next-hop MTU, RFC 1191
	ICMPUnreachableSourceRoute    = 5
	ICMPUnreachableNetUnknown     = 6
	ICMPUnreachableHostUnknown    = 7
	ICMPUnreachableHostIsolated   = 8
	ICMPUnreachableNetProhibited  = 9
	ICMPUnreachableHostProhibited = 10
	ICMPUnreachableNetTOS         = 11
	ICMPUnreachableHostTOS        = 12
	ICMPUnreachableAdmin          = 13 // communication administratively prohibited
	ICMPUnreachablePrecedence     = 14
	ICMPUnreachableCutoff         = 15
)

// Codes of ICMPTimeExceeded (RFC 792).
const (
	ICMPTimeExceededTTL        = 0 // in transit
	ICMPTimeExceededReassembly = 1
)

// Codes of ICMPParamProblem (RFC 792, RFC 1122 §3.2.2.5).
const (
	ICMPParamProblemPointer       = 0
	ICMPParamProblemMissingOption = 1
)
