package ourstack

import "sync/atomic"

// counter is a monotonically increasing number, safe for concurrent use.
type counter = atomic.Uint64

// counters are the statistics of a stack. Each is an event, counted where it happens, but what happens for
// each packet that comes in is counted by the batch: many goroutines bring packets. What those write
// lies on another cache line than what Output writes, and apart from what is only read for each packet.
type counters struct {
	_                    [cacheLine]byte
	packetsIn, bytesIn   counter
	udpIn, relayed       counter
	_                    [cacheLine]byte
	packetsOut, bytesOut counter
	_                    [cacheLine]byte

	activeOpens, passiveOpens, forwardOpens, cookieOpens counter
	cookiesSent, resetsSent                              counter
	timeWaitRecycled                                     counter

	requestsRaised, requestsCanceled counter

	icmpErrorsSent, icmpErrorsLimited counter
	icmpErrorsDelivered               counter
	ipv6Refused                       counter
	echoReplies                       counter

	udpOut           counter
	fragmentsIn      counter
	fragmentsOut     counter
	reassembled      counter
	controlQueueFull counter
	memoryRefused    counter

	drops drops
}

// Stats is a snapshot of what a Stack has counted. The counters only grow; gauges say so.
type Stats struct {
	PacketsIn, BytesIn   uint64 // given to Input
	PacketsOut, BytesOut uint64 // produced by Output

	// TCP connections by how they came to be: Dial, a listener, a listener's SYN cookie,
	// an accepted forward request.
	ActiveOpens, PassiveOpens, CookieOpens, ForwardOpens uint64

	CookiesSent      uint64 // SYN-ACKs that carried a SYN cookie
	ResetsSent       uint64 // RSTs for segments of no connection, and for refused requests
	TimeWaitRecycled uint64 // TIME-WAITs cut short by Limits.TimeWait

	RequestsRaised   uint64 // forward requests, TCP, UDP and ICMP
	RequestsCanceled uint64 // of those: the client gave up (TCP) or nobody answered (UDP)

	ICMPErrorsSent, ICMPErrorsLimited uint64 // limited: suppressed by the rate limit
	ICMPErrorsDelivered               uint64 // received and passed to a connection or socket
	IPv6Refused                       uint64 // errors sent for IPv6 packets, among ICMPErrorsSent
	EchoReplies                       uint64 // sent for own addresses

	UDPIn, UDPOut             uint64 // datagrams delivered to and taken from sockets
	FragmentsIn, FragmentsOut uint64 // packets
	Reassembled               uint64 // datagrams put together
	Relayed                   uint64 // packets taken for another host, see SetRelay

	ControlQueueFull uint64 // RSTs, SYN cookies and ICMP errors lost for want of room
	MemoryRefused    uint64 // stream buffer blocks refused by the budget

	Conns, TimeWait, Requests, UDPSockets int // gauges
	Memory, DatagramMemory                int // gauges, bytes in use

	// Drops counts discarded packets by reason. Reasons that never occurred are absent.
	Drops map[string]uint64
}

// Stats returns the statistics. The numbers are read one by one while packets flow, so sums may
// be off by what happened meanwhile.
func (s *Stack) Stats() Stats {
	c := &s.counters
	st := Stats{
		PacketsIn: c.packetsIn.Load(), BytesIn: c.bytesIn.Load(),
		PacketsOut: c.packetsOut.Load(), BytesOut: c.bytesOut.Load(),
		ActiveOpens: c.activeOpens.Load(), PassiveOpens: c.passiveOpens.Load(),
		CookieOpens: c.cookieOpens.Load(), ForwardOpens: c.forwardOpens.Load(),
		CookiesSent: c.cookiesSent.Load(), ResetsSent: c.resetsSent.Load(),
		TimeWaitRecycled: c.timeWaitRecycled.Load(),
		RequestsRaised:   c.requestsRaised.Load(), RequestsCanceled: c.requestsCanceled.Load(),
		ICMPErrorsSent: c.icmpErrorsSent.Load(), ICMPErrorsLimited: c.icmpErrorsLimited.Load(),
		ICMPErrorsDelivered: c.icmpErrorsDelivered.Load(), EchoReplies: c.echoReplies.Load(),
		IPv6Refused: c.ipv6Refused.Load(), Relayed: c.relayed.Load(),
		UDPIn: c.udpIn.Load(), UDPOut: c.udpOut.Load(),
		FragmentsIn: c.fragmentsIn.Load(), FragmentsOut: c.fragmentsOut.Load(),
		Reassembled:      c.reassembled.Load(),
		ControlQueueFull: c.controlQueueFull.Load(), MemoryRefused: c.memoryRefused.Load(),
		Conns: int(s.connCount.Load()), TimeWait: s.timeWait.len(),
		Requests: int(s.requestCount.Load()), UDPSockets: int(s.udp.count.Load()),
		Memory: s.memory.inUse(), DatagramMemory: int(s.packets.used.Load()),
		Drops: map[string]uint64{},
	}
	c.drops.snapshot(st.Drops)
	return st
}
