package ourstack

import (
	"vpngw/ourstack/tcp"
	"vpngw/ourstack/wire"
)

// dropReason says why this layer discarded a packet. Parse errors and the reasons of TCP are
// counted apart, under their own names.
type dropReason uint8

// The reasons of this layer. accepted is zero.
const (
	accepted              dropReason = iota
	dropOffset                       // the buffer is shorter than the offset
	dropIPv6                         // IPv6 is not spoken; refused where an error may be sent
	dropMartianSource                // RFC 1812 §5.3.7
	dropDestination                  // not unicast: RFC 9293 §3.9.2.3 MUST-57, RFC 1122 §3.2.1.3
	dropTTL                          // TTL expired on the way to another host
	dropSourceRoute                  // source routes are refused
	dropProtocol                     // neither ICMP, TCP nor UDP
	dropTCPFlags                     // SYN with FIN, or neither SYN nor ACK for a listener
	dropNoConn                       // no connection, and no RST for it
	dropNoListener                   // answered with RST
	dropRSTLimit                     // no RST: rate limit
	dropSynQueue                     // the SYN queue is full; answered with a cookie
	dropAcceptQueue                  // the accept queue of the listener is full
	dropConnLimit                    // Limits.Conns, Limits.ConnsPerRemote
	dropRequestLimit                 // Limits.ForwardRequests…
	dropBadCookie                    // an ACK that is no valid SYN cookie
	dropRequestJoined                // a retransmitted SYN joined its forward request
	dropRequestEnded                 // a RST or a new SYN ended a forward request
	dropNoSocket                     // UDP: no socket; answered with port unreachable
	dropUDPLimit                     // UDP: too many flows
	dropUDPQueue                     // UDP: the receive queue is full
	dropUDPMemory                    // UDP: Limits.DatagramMemory
	dropUDPTooBig                    // UDP: a datagram of ours beyond the MTU, with DF
	dropICMPType                     // ICMP type that is not acted on (RFC 1122 §3.2.2)
	dropICMPQuote                    // ICMP error whose quoted packet cannot be read
	dropICMPNoFlow                   // ICMP error about nothing that we sent
	dropEcho                         // echo request to another host, and nobody forwards it
	dropEchoQueue                    // echo: too many replies wait, or the memory is used up
	dropEchoReply                    // echo reply nobody waits for
	dropRelayQueue                   // relayed packet: its queue is full, or the memory is used up
	dropRelayTooBig                  // relayed packet beyond the MTU, with DF: frag needed was sent
	dropFragmentLen                  // fragment of a length that is not a multiple of 8, or beyond 65535
	dropFragmentOverlap              // fragments overlap: the datagram is discarded
	dropFragmentDuplicate            // fragment that had arrived before
	dropFragmentECN                  // fragments with CE and without ECN mixed (RFC 3168 §5.3)
	dropFragmentLimit                // too many fragments, datagrams or bytes
	dropFragmentTime                 // datagram not complete in time
	dropClosed                       // the stack is closed
	numDropReasons
)

var dropNames = [numDropReasons]string{
	accepted:              "accepted",
	dropOffset:            "buffer shorter than offset",
	dropIPv6:              "ipv6",
	dropMartianSource:     "martian source",
	dropDestination:       "destination not unicast",
	dropTTL:               "ttl exceeded",
	dropSourceRoute:       "source route",
	dropProtocol:          "unknown protocol",
	dropTCPFlags:          "tcp: bad flags",
	dropNoConn:            "tcp: no connection",
	dropNoListener:        "tcp: refused",
	dropRSTLimit:          "tcp: rst rate limit",
	dropSynQueue:          "tcp: syn queue full, cookie sent",
	dropAcceptQueue:       "tcp: accept queue full",
	dropConnLimit:         "tcp: connection limit",
	dropRequestLimit:      "tcp: forward request limit",
	dropBadCookie:         "tcp: bad syn cookie",
	dropRequestJoined:     "tcp: syn joined forward request",
	dropRequestEnded:      "tcp: forward request ended",
	dropNoSocket:          "udp: port unreachable",
	dropUDPLimit:          "udp: flow limit",
	dropUDPQueue:          "udp: receive queue full",
	dropUDPMemory:         "udp: memory",
	dropUDPTooBig:         "udp: too big for the mtu",
	dropICMPType:          "icmp: type",
	dropICMPQuote:         "icmp: bad quote",
	dropICMPNoFlow:        "icmp: no such flow",
	dropEcho:              "icmp: echo not forwarded",
	dropEchoQueue:         "icmp: echo queue full",
	dropEchoReply:         "icmp: unexpected echo reply",
	dropRelayQueue:        "relay: queue full",
	dropRelayTooBig:       "relay: fragmentation needed",
	dropFragmentLen:       "fragment: length",
	dropFragmentOverlap:   "fragment: overlap",
	dropFragmentDuplicate: "fragment: duplicate",
	dropFragmentECN:       "fragment: ecn",
	dropFragmentLimit:     "fragment: limit",
	dropFragmentTime:      "fragment: timeout",
	dropClosed:            "stack closed",
}

func (d dropReason) String() string { return dropNames[d] }

// drops counts discarded packets by reason.
type drops struct {
	own  [numDropReasons]counter
	wire [wire.NumErrors]counter
	tcp  [256]counter // by tcp.DropReason
}

// snapshot adds the non-zero counters to m, by name.
func (d *drops) snapshot(m map[string]uint64) {
	add := func(name string, c *counter) {
		if n := c.Load(); n != 0 {
			m[name] += n
		}
	}
	for i := range d.own {
		add(dropReason(i).String(), &d.own[i])
	}
	for i := range d.wire {
		add("malformed: "+wire.Error(i).String(), &d.wire[i])
	}
	for i := range d.tcp {
		add("tcp: "+tcp.DropReason(i).String(), &d.tcp[i])
	}
}
