// Package tcp is one TCP connection: the transmission control block of RFC 9293 as
// a state machine without I/O. It has no clock, goroutine, lock or socket.
//
// # Calls
//
// There are five kinds of method on [Conn]:
//
//   - openers, once: Init, then OpenActive, OpenPassive or OpenCookie;
//   - network events: HandleSegment, HandleICMP;
//   - time: HandleTimeout, to be called at Deadline;
//   - output: PollSegment, to be called while Pending, until it returns 0;
//   - user calls: Write, Read, WriteSpace/CommitWrite, Peek/Discard, CloseWrite,
//     CloseRead, Close, Abort and the setters.
//
// After any of them TakeEvents says what the user of the connection should hear.
//
// # Files and the RFC
//
//	segment_arrives*.go   RFC 9293 §3.10.7 SEGMENT ARRIVES
//	user_calls.go         §3.10.1–§3.10.6
//	timeouts.go           §3.10.8
//	output*.go            §3.7, §3.8: the only place that builds segments
//	window.go             §3.8.6, RFC 7323 §2
//	autotune.go, hold.go  how large windows are, and what may stand in queues: no RFC's
//	ack.go                §3.8.6.3, RFC 5681 §4.2, RFC 2018 and RFC 2883 (receiver), RFC 7323 §4, §5
//	scoreboard.go         what is outstanding (RFC 6675, RFC 8985 §5)
//	recovery.go           RFC 5681 §3.2, RFC 6582, RFC 6675, RFC 6937
//	rack.go, tlp.go       RFC 8985
//	retransmit.go, rtt.go RFC 6298
//	frto.go, undo.go      RFC 5682, RFC 3522, RFC 3708, RFC 4015
//	congestion*.go        RFC 5681, RFC 9438, RFC 9406, draft-ietf-ccwg-bbr
//	ecn.go                RFC 3168
//	icmp.go               RFC 1191, RFC 5927
//	plpmtud.go            RFC 4821, RFC 8899
//	challenge_ack.go      RFC 5961
//	keepalive.go          §3.8.4
//	iss.go                RFC 6528
//
// # Invariants
//
// check, called after every step of the tests, holds among others: SND.UNA ≤
// SND.NXT, the right edge of the window never moves left, the account of what is
// in flight adds up, and a connection that waits for anything has a deadline.
//
// # Not implemented
//
// TCP Fast Open (RFC 7413): a gateway answers a SYN only after the destination
// has, so there is nobody to give early data to. Source routes (RFC 9293 MUST-51 to
// MUST-53) are refused by the layer above.
package tcp
