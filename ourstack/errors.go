package ourstack

import "errors"

// Errors of this layer. They are compared with errors.Is. What ends a TCP connection is reported
// with the errors of package tcp (tcp.ErrReset, tcp.ErrRefused, tcp.ErrTimeout, …), and so are
// ICMP errors that arrive for a UDP or ping socket (tcp.ErrRefused, tcp.ErrHostUnreachable, …).
var (
	// ErrWouldBlock: nothing can be done now; a notification tells when to try again.
	ErrWouldBlock = errors.New("operation would block")
	// ErrClosed: the socket, listener, request or stack was closed.
	ErrClosed = errors.New("closed")
	// ErrCanceled: the client gave up before its forward request was answered, or it was
	// answered already.
	ErrCanceled = errors.New("request canceled")
	// ErrAddrInUse: the local endpoint, or the pair of endpoints, is taken.
	ErrAddrInUse = errors.New("address already in use")
	// ErrAddrNotAvailable: the local address is not one of the stack's own, or every
	// ephemeral port towards this destination is taken.
	ErrAddrNotAvailable = errors.New("cannot assign requested address")
	// ErrUnreachable: the destination cannot be reached by this stack at all: it is not a
	// unicast IPv4 address (RFC 9293 §3.9.1.1, MUST-46).
	ErrUnreachable = errors.New("network is unreachable")
	// ErrMessageTooLong: the datagram exceeds 65507 bytes, the most that UDP over IPv4 carries.
	ErrMessageTooLong = errors.New("message too long")
	// ErrLimit: one of Limits is reached.
	ErrLimit = errors.New("limit of the stack reached")
)
