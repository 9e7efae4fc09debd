package tcp

import "errors"

// Errors that end a connection or refuse a call. They are compared with
// errors.Is; the layer above maps them to the errors of its own interface.
var (
	// ErrReset: the peer sent a valid RST ("connection reset", RFC 9293 §3.10.7.4).
	ErrReset = errors.New("connection reset by peer")
	// ErrRefused: a RST answered our SYN ("connection refused", RFC 9293 §3.10.7.3).
	ErrRefused = errors.New("connection refused")
	// ErrTimeout: the user timeout, R2 or the keep-alive limit passed (RFC 9293 §3.8.3, §3.8.4).
	ErrTimeout = errors.New("connection timed out")
	// ErrAborted: the local user called Abort (RFC 9293 §3.10.5).
	ErrAborted = errors.New("connection aborted")
	// ErrClosing: the call is not possible after a local close (RFC 9293 §3.10.2).
	ErrClosing = errors.New("connection closing")
	// ErrNotConnected: the call needs a connection that has been opened.
	ErrNotConnected = errors.New("connection does not exist")
	// ErrNetUnreachable: ICMP type 3 code 0, 6 or 11.
	ErrNetUnreachable = errors.New("network unreachable")
	// ErrHostUnreachable: ICMP type 3 code 1, 5, 7, 8 or 12, or time exceeded.
	ErrHostUnreachable = errors.New("no route to host")
	// ErrProhibited: ICMP type 3 code 9, 10 or 13.
	ErrProhibited = errors.New("destination administratively prohibited")
	// ErrProtocolUnreachable: ICMP type 3 code 2.
	ErrProtocolUnreachable = errors.New("protocol unreachable")
	// ErrUnresponsive, a soft error only: R1 retransmissions were not answered (RFC 9293 §3.8.3).
	ErrUnresponsive = errors.New("peer does not respond")
)

// DropReason says why a segment was not accepted. The zero value is acceptance.
type DropReason uint8

// Reasons for which HandleSegment and HandleICMP discard their input.
const (
	DropNone         DropReason = iota
	DropState                   // not acceptable in this state
	DropSequence                // outside the receive window (RFC 9293 §3.10.7.4, first)
	DropPAWS                    // older timestamp than the last in sequence (RFC 7323 §5)
	DropNoTimestamp             // timestamps were negotiated, the segment has none (RFC 7323 §3.2)
	DropRST                     // RST that is not exactly at RCV.NXT (RFC 5961 §3.2)
	DropSYN                     // SYN on a synchronized connection (RFC 5961 §4.2)
	DropNoACK                   // no ACK bit (RFC 9293 §3.10.7.4, fifth)
	DropACK                     // ACK of something never sent or too old (RFC 5961 §5.2)
	DropWindow                  // the window had no room for any of the text
	DropMemory                  // the memory budget had no room
	DropDuplicate               // nothing new in it
	DropICMPSequence            // ICMP error that quotes no segment in flight (RFC 5927 §4)
	DropICMPIgnored             // ICMP error that TCP ignores by rule (source quench, bad MTU)
	numDropReasons
)

var dropReasonNames = [numDropReasons]string{
	"none", "state", "sequence", "paws", "no-timestamp", "rst", "syn", "no-ack", "ack",
	"window", "memory", "duplicate", "icmp-sequence", "icmp-ignored",
}

// String returns the reason's name as it appears in statistics.
func (d DropReason) String() string {
	if d < numDropReasons {
		return dropReasonNames[d]
	}
	return "unknown"
}
