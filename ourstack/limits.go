package ourstack

import "vpngw/ourstack/tcp"

// Limits bounds what a Stack holds. A zero field means its default, named beside it. Every other
// bound, which nobody needs to tune, is a constant below.
type Limits struct {
	// Memory is the budget of all stream buffers, in bytes. Default 256 MiB: sixteen busy
	// connections at their largest windows, or thousands at ordinary ones.
	Memory int

	// DatagramMemory is the budget of all queued UDP and ICMP datagrams, in bytes. Default 64 MiB.
	DatagramMemory int

	// Conns bounds TCP connections in any state. Default 65536. A connection costs
	// about 3 KiB, buffers not counted, and a quiet one about 1 KiB.
	Conns int

	// ConnsPerRemote bounds TCP connections with one remote address. Default 16384: one peer
	// cannot take all of Conns.
	ConnsPerRemote int

	// SynQueue bounds the connections of one listener that are in SYN-RECEIVED; beyond it
	// SYN cookies answer (RFC 4987 §3.6). Default 256; negative means always cookies.
	SynQueue int

	// TimeWait bounds connections in TIME-WAIT; the oldest is forgotten for a new one. Default 8192.
	TimeWait int

	// ForwardRequests bounds forward requests (TCP) that wait for an answer. Default 8192.
	ForwardRequests int

	// ForwardRequestsPerRemote bounds those of one client. Default 1024: a port scan by one peer
	// leaves room for the others.
	ForwardRequestsPerRemote int

	// UDPSockets bounds UDP sockets, forwarded flows included. Default 32768.
	UDPSockets int

	// UDPSocketsPerRemote bounds forwarded UDP flows of one client address. Default 4096.
	UDPSocketsPerRemote int

	// UDPReceiveQueue and UDPSendQueue bound what one UDP socket holds, in bytes with overhead.
	// Default 256 KiB each, what Linux gives (net.core.rmem_default is 208 KiB), and enough
	// for three datagrams of the largest size.
	UDPReceiveQueue, UDPSendQueue int

	// FragmentMemory bounds the fragments that wait for the rest of their datagram, in bytes.
	// Default 4 MiB (Linux ipfrag_high_thresh).
	FragmentMemory int

	// ICMPRate is how many ICMP errors are sent per second, to all targets together; per target it
	// is a tenth (RFC 1812 §4.3.2.8). Default 1000. Negative switches ICMP errors off.
	ICMPRate int
}

const (
	// maxBacklog bounds the accept queue of a listener, in connections, whatever is asked for.
	maxBacklog = 4096

	// minMTU is the least MTU, in bytes: a segment with the longest headers, 100, and room for some
	// text. RFC 791 asks every link for 68, which would leave TCP with options nothing.
	minMTU = 128

	// groupQuantum is what one remote address may send before the next has its turn, in bytes:
	// one UDP GSO batch of wireguard-go (64 KiB, 64 packets).
	groupQuantum = 64 << 10
	// flowQuantum is what one flow may send before the next flow of the same remote address, in bytes:
	// the longest run of packets that the receiver's kernel makes one of (GRO), and acknowledges as one.
	flowQuantum = 64 << 10
	// smallQuantum is what a flow that is expected to send pure ACKs may send in its
	// turn, in bytes. A flow that sends more turns out to be a bulk flow.
	smallQuantum = 2 << 10
	// smallPacket is the largest packet, in bytes, of a flow that counts as sending pure ACKs:
	// two headers with full options.
	smallPacket = 120
	// smallRunMax is how many such flows go before a bulk flow of the same remote address.
	smallRunMax = 64

	// standingMin is how many bytes sent to one remote address, and not yet acknowledged, may stand in
	// queues (see tcp.Conn.Standing) before its bulk flows have to wait. The longest queue ahead of a
	// receiver that is just slow is its UDP socket buffer, mostly 4 MiB. What stands there serves nobody:
	// it costs latency and cache misses here and losses there. 512 KiB are 4 ms at 1 Gbit/s; with 2 MiB a
	// saturated tunnel was 5 times slower to answer and a fifth dearer per byte.
	standingMin = 512 << 10
	// standingPerFlow comes on top for each flow of which something stands, up to standingMax: a thousand
	// flows with a segment each fill standingMin, and lose time when they take turns to wait.
	standingPerFlow = 1 << 10
	standingMax     = 2 << 20
	// standingStep is the change in a flow's standing bytes that is worth telling the scheduler.
	standingStep = 4 << 10

	// What one remote address sends may stand in queues on its way here likewise: inboundStanding in all, but
	// inboundPerFlow, up to standingMax, for each connection that receives much. With less, runs of segments get
	// short: 64 flows with 8 KiB each carried a seventh less than without a bound, with 12 KiB a tenth. What 64 of
	// them have, one alone has as well, or it would get less of a gateway that is busy with both: 0.44, and 0.46 to 0.50 with as much.
	inboundStanding = 64 * inboundPerFlow
	inboundPerFlow  = 12 << 10
	// Those connections are counted that received inboundMuch bytes in a round trip, over inboundPeriod.
	inboundMuch   = 2 << 10
	inboundPeriod = 250 * tcp.Millisecond
	// leastWindow is how long the least round-trip time of a remote address is remembered.
	leastWindow = 300 * tcp.Second

	// shareFloor is how many blocks of buffer memory (tcp.BlockSize) one remote address may hold
	// whatever the others do: 128 KiB, two first windows.
	shareFloor = 16

	// controlQueueMax bounds the ready-made packets (RST, SYN cookies, ICMP errors), in bytes.
	// Rate limits fill it no further than this in one round of the reader.
	controlQueueMax = 256 << 10
	// controlRunMax is how many of those go before a flow that is ready.
	controlRunMax = 64

	// loopbackFactor bounds packets to own addresses that one Output call handles, in multiples
	// of its batch, so that two ends in one stack cannot hold the reader for ever.
	loopbackFactor = 4

	// conversationShards is the number of independently locked parts of the connection table:
	// well above the number of CPUs that handle packets.
	conversationShards = 64

	// ephemeralPortMin is the first port of active opens. RFC 6056 §3.2 wants a large
	// range; this leaves the lower half for listeners.
	ephemeralPortMin = 32768
	// portTableLen is TABLE_LENGTH of RFC 6056 §3.3.4.
	portTableLen = 256

	// requestSilenceMin, requestSilenceMax and requestSilenceFactor bound how long a client may
	// be silent before its forward request is canceled: its next SYN is due after twice the gap
	// before (RFC 6298 §5.5), and one SYN may be lost, so six gaps and a second. Before the
	// second SYN the gap is not known; it is 1 s, or 3 s with old clients.
	requestSilenceMin    = 5 * tcp.Second
	requestSilenceMax    = 130 * tcp.Second
	requestSilenceFactor = 6
	// requestQuoteMax is how much of a SYN is kept for an ICMP error, in bytes: both headers.
	requestQuoteMax = 120
	// udpRequestTimeout is how long a UDP forward request may wait for its answer: longer than
	// any dial or name lookup.
	udpRequestTimeout = 30 * tcp.Second

	// cookieLifetime is the step of the clock in SYN cookies; a cookie is good for one to
	// two steps: longer than SYN-ACK and ACK travel, short against guessing 2^29 values.
	cookieLifetime = 64 * tcp.Second

	// datagramOverhead is what is charged for a queued datagram besides its bytes, so that empty
	// datagrams are not free.
	datagramOverhead = 128
	// maxUDPPayload is the largest UDP payload: 65535 less both headers (RFC 768, RFC 791).
	maxUDPPayload = 65535 - 20 - 8
	// maxQuotes is for how many destinations a forwarded UDP flow remembers its last
	// datagram, to quote it in an ICMP error.
	maxQuotes = 16
	// quoteMax is how much of it is kept, in bytes: IP header, UDP header and a bit.
	quoteMax = 64
	// echoQueueMax bounds the echo replies that wait for the reader, in bytes, over all
	// remote addresses.
	echoQueueMax = 1 << 20

	// relayQueueMax bounds the relayed packets that wait for the reader, in bytes, and
	// relayQueueMaxPerPair those from one address to another: 8 ms at 1 Gbit/s, and room for a burst of
	// datagrams of the largest size. What comes beyond is dropped, which is what tells the sender to slow
	// down.
	relayQueueMax, relayQueueMaxPerPair = 16 << 20, 1 << 20
	// relayShareMin is what a pair may queue while others flood the queue, in bytes: a round trip's worth
	// of a call or a session. A quarter of the queue is enough for 128 pairs.
	relayShareMin = 32 << 10
	// relayRunMax is how many packets of a run are queued, and taken for the reader, at once: half a batch
	// of wireguard-go, so that the reader starts with the first half while the second is being judged.
	relayRunMax = 64
	// relayFlowsKept is for how many pairs the empty queue of relayed packets is kept, so that
	// each pause does not cost an allocation; udpFlowsKept and echoFlowsKept for how many destinations that
	// of a bound socket and of the echo server, which answer a thousand active peers in turn.
	relayFlowsKept, udpFlowsKept, echoFlowsKept = 256, 1024, 1024
	// idleFlowsMax bounds all of them together, each with 0.6 to 4.6 KiB; every owner may keep one beyond it.
	idleFlowsMax = 2048
	// idleItemsMax is for how many datagrams, 24 bytes each, such a queue has room while it is kept, unless it
	// is the only one of its owner: what append makes for a batch of packets.
	idleItemsMax = 192

	// maxDatagrams and maxDatagramsPerSource bound the datagrams under reassembly; bytes of one
	// source are bounded by a quarter of Limits.FragmentMemory.
	maxDatagrams          = 1024
	maxDatagramsPerSource = 128
	// maxFragments bounds the fragments of one datagram: 65535 bytes in pieces of 512, which is less
	// than any real path produces. It bounds the work per fragment.
	maxFragments = 128
	// reassemblyTimeout is fixed (RFC 1122 §3.3.2). DEVIATION RFC 1122 §3.3.2: 30 s rather than
	// 60–120 s, as in Linux: the ID of a fast sender wraps within it.
	reassemblyTimeout = 30 * tcp.Second

	// icmpQuoteMax is the largest ICMP error with its IP header, in bytes (RFC 1812 §4.3.2.3).
	icmpQuoteMax = 576
	// minPathMTU is the least MTU, in bytes, that a "fragmentation needed" message names: "Every internet
	// module must be able to forward a datagram of 68 octets without further fragmentation" RFC 791 §3.2.
	minPathMTU = 68
	// limiterBurst is how many seconds' worth of ICMP errors or RSTs may go at once.
	limiterBurst = 1
	// ipv6LimitFactor is how many times Limits.ICMPRate the errors for IPv6 packets may come, to all
	// targets and to each: every attempt of a dual-stack client to connect waits for one.
	ipv6LimitFactor = 10
	// faultLimitFactor is how many times Limits.ICMPRate the errors may come that are passed on: who
	// sent them has had his own limit, and a traceroute wants dozens at once.
	faultLimitFactor = 10
	// rstRate and rstRatePerTarget bound RSTs for segments that belong to no connection, per
	// second. They cost little; a client with many stale connections wants them at once.
	rstRate, rstRatePerTarget = 10000, 1000
	// limiterBuckets is the number of per-target token buckets; targets that share one by hash
	// share its rate. It bounds memory without eviction.
	limiterBuckets = 1024

	// ipIDBuckets is the number of counters for the IP ID of packets that may be fragmented.
	ipIDBuckets = 1024
)

// withDefaults returns l with every zero field set.
func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Memory, 256<<20)
	def(&l.DatagramMemory, 64<<20)
	def(&l.Conns, 65536)
	def(&l.ConnsPerRemote, 16384)
	def(&l.SynQueue, 256)
	def(&l.TimeWait, 8192)
	def(&l.ForwardRequests, 8192)
	def(&l.ForwardRequestsPerRemote, 1024)
	def(&l.UDPSockets, 32768)
	def(&l.UDPSocketsPerRemote, 4096)
	def(&l.UDPReceiveQueue, 256<<10)
	def(&l.UDPSendQueue, 256<<10)
	def(&l.FragmentMemory, 4<<20)
	def(&l.ICMPRate, 1000)
	return l
}
