package gateway

import "time"

// Every bound of this package that the configuration does not set, with its unit and reason. Those
// that count open files (flows, mappings) are lowered by newLimits when the process may not open so
// many.
const (
	// dialsMax bounds TCP dials under way, for all peers together. A dial to a host that does not
	// answer stays for the dial timeout; 4,096 of them cost about 20 MB and leave most of the file
	// limit to open flows.
	dialsMax = 4096
	// dialsPerDstMax is for one destination address and port, all peers together. A peer gets at
	// most half, see pool.check, and no more than forward.max_dials_per_destination.
	dialsPerDstMax = 512
	// dialEvictAge is the age from which a dial may be given up for a newer one of the same peer
	// when its budget is used up. A host that is alive answers within a second, also across the
	// world; a dead one does not, and its client asks again.
	dialEvictAge = time.Second

	// traceTTLMax is the TTL of our SYN below which it may be one of a traceroute, whose longest path is 30
	// hops by default. No system of today begins below 64.
	traceTTLMax = 32

	// tcpFlowsMax bounds open TCP flows. Each costs one file and a few KiB.
	tcpFlowsMax = 65536
	// ephemeralPorts is how many ports Linux gives by itself (net.ipv4.ip_local_port_range).
	ephemeralPorts = 60999 - 32768 + 1
	// tcpFlowsPerDstMax stays below what there is for one destination address and port.
	tcpFlowsPerDstMax = 20000

	// udpMappingsMax bounds UDP mappings (one per client address and port), one file each and one port for
	// all destinations: above it the longest idle one makes room, which must be before the ports are used
	// up. Some are left for this host's other programs.
	udpMappingsMax = 28000
	// udpContactsMax bounds the hosts that one mapping remembers having sent to (address-dependent
	// filtering), their ports counted too. Above it any one is forgotten. A BitTorrent client talks to
	// some hundreds from one socket. udpContactsFew are kept in a list, which most never outgrow.
	udpContactsMax = 2048
	udpContactsFew = 8
	// udpSocketBuffer is asked for each upstream UDP socket and direction, in bytes: 20 ms at
	// 200 Mbit/s. The system gives no more than net.core.{r,w}mem_max, and uses it only while
	// datagrams wait.
	udpSocketBuffer = 512 << 10
	// udpClientQueue bounds what waits for a client's socket, in bytes: what one look at ours can bring
	// (mmsg.ReceiveBatch of coalesced datagrams), and 40 ms at 200 Mbit/s.
	udpClientQueue = 1 << 20
	// udpPollersMax bounds the goroutines that serve them, each with 1 MiB of buffers.
	udpPollersMax = 8
	// udpDatagramMax is the largest UDP payload over IPv4 in bytes: 65,535 - 20 - 8.
	udpDatagramMax = 65507

	// pingFlowsMax bounds ping flows, one file each.
	pingFlowsMax = 4096
	// pingFlowsPerPeerMax is for one peer, with all its addresses, pingFlowsPerClientMax for one address.
	// A second flow is needed only while two processes wait for the same host under the same
	// sequence number.
	pingFlowsPerPeerMax, pingFlowsPerClientMax = 64, 8
	// pingOutstandingMax bounds the echo requests of one flow that wait for their answer, half a KiB
	// each: four `ping -f -c 1000` at once to hosts that do not answer.
	pingOutstandingMax = 4096
	// pingSequenceTries is how many sequence numbers are tried for a request whose own is taken on every
	// flow of its client.
	pingSequenceTries = 64
	// pingReceiveBuffer is what is asked for, in bytes: some thousand answers that come at once.
	pingReceiveBuffer = 1 << 20
	// pendingErrorsMax is how many errors of earlier requests a send may meet before it gives up.
	pendingErrorsMax = 4
	// pingAnswerMax is the age from which an unanswered echo request may be forgotten for a newer
	// one: what ping(8) itself waits.
	pingAnswerMax = 10 * time.Second
	// pingIdleMax ends a ping flow without traffic. RFC 5508 §3.2 REQ-2: "MUST NOT expire in less
	// than 60 seconds".
	pingIdleMax = 60 * time.Second

	// portsMax bounds the TCP ports that clients asked for, one file each. UDP ports are UDP mappings.
	portsMax = 2048
	// portFilesShare is the part of the files that the process may open, as a divisor, which those ports
	// may be: 32 of the 1024 of a system that nobody has set up, out of filesReserved.
	portFilesShare = 32
	// portFlowsMax bounds the connections from outside that are open at one such port: above it they wait
	// in the system's queue. What a busy file sharer has, and a sixteenth of what its peer may have.
	portFlowsMax = 1024
	// hairpinTries is how many source ports are tried for a connection from one client to another's port, all
	// but the first at random from hairpinPortMin on: a second one is needed only if the same two ports, of
	// two clients, are in use already.
	hairpinTries, hairpinPortMin = 8, 1024
	// acceptPause is the pause after an error of such a port: no file left, most likely.
	acceptPause = 50 * time.Millisecond

	// deadHostsMax bounds the destinations remembered for not answering.
	deadHostsMax = 4096
	// deadRetryMin is the pause after the first dial without an answer; it doubles with each
	// further one, up to forward.dead_host_memory. Short, because a host that came back is to be
	// reached soon, and there is never more than one attempt at a time.
	deadRetryMin = 2 * time.Second
	// deadSuspectAfter is how long a dial must have waited when its client gives up to count as
	// "did not answer".
	deadSuspectAfter = 3 * time.Second

	// hostAddressesRefresh is the time between two looks at this host's own addresses.
	hostAddressesRefresh = 10 * time.Second

	// upstreamKeepAliveIdle keeps a flow alive in the NATs and balancers behind us, whose idle
	// timers start at some 350 s, and finds dead servers.
	upstreamKeepAliveIdle     = 2 * time.Minute
	upstreamKeepAliveInterval = 30 * time.Second
	upstreamKeepAliveCount    = 8

	// closeGrace is how long the device stays open after the last flows were ended, for the last packets
	// to leave. A device that is not overloaded needs a millisecond.
	closeGrace = 100 * time.Millisecond

	// stackSlack is how much wider the stack's own bounds are than the budgets here: what has just
	// ended there, but is still being taken down in the stack, must not be in the way.
	stackSlack = 1024
	// timeWaitMax bounds the stack's connections in TIME-WAIT; above it, or above a quarter of the flows, the
	// oldest is forgotten: 60 s of 140 connections a second.
	timeWaitMax = 8192

	// settleMax bounds how long data that a destination sent before its reset may take to reach the
	// client: some round trips of a slow path.
	settleMax = 3 * time.Second

	// deliverMax bounds how long a flow that has ended may take to deliver what the client has not got yet.
	// Beyond it the stack delivers the rest by itself.
	deliverMax = 5 * time.Minute

	// filesReserved are kept from the budgets: the WireGuard sockets, the admin socket, logs,
	// resolver.
	filesReserved = 128
	// memoryShare of the container's memory limit goes to the Go heap; the rest is for thread
	// stacks, the binary's pages and the kernel's socket buffers, which count too.
	memoryShare = 0.85
	// gcPercent is by how much the heap may have grown, in percent, when the collector runs. Packets allocate
	// nothing, so it seldom does; Go's own 100 only doubles what connections and buffers take.
	gcPercent = 50
	// streamMemoryPart and datagramMemoryPart of the Go heap, as divisors, may be buffers of connections and
	// queued datagrams: 18 and 7 MiB of a container with 64. Packets inside the WireGuard device take a
	// quarter (wgbind.Limit); 2,000 flows besides their buffers, the runtime and what it has not yet
	// collected the rest.
	streamMemoryPart, datagramMemoryPart = 3, 8
	// datagramMemoryMax is for the datagrams where there is plenty, in bytes: 64 full queues of clients.
	datagramMemoryMax = 64 << 20
	// bufferMemoryMin is the least of both, in bytes: what stack.memory_max may be set to.
	bufferMemoryMin = 1 << 20
)
