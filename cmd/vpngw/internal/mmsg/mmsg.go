package mmsg

import "net/netip"

// A Datagram is one that arrived, or that is to be sent.
type Datagram struct {
	Payload []byte
	Addr    netip.AddrPort // of the other end
	// TOS is the octet of DSCP and ECN (RFC 2474, RFC 3168) that it is sent with; of what arrives, if the
	// socket asks for it (IP_RECVTOS, ip(7)).
	TOS uint8
	// TTL and DF are the time to live it is sent with, 0 for the system's, and whether it must not be
	// fragmented. They are for who sets the socket's options; not set in what arrives.
	TTL uint8
	DF  bool
	Err error // why it was not sent; for who calls Send
}
