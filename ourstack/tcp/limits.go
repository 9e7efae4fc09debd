package tcp

// Every constant that bounds memory, work or rate of a connection, and every
// default time, with unit and reason.
const (
	// DefaultRcvBufInit, in bytes, is the first receive window: what Linux
	// offers (tcp_rmem default 128 KiB, half of it window).
	DefaultRcvBufInit = 64 << 10
	// DefaultRcvBufMax, in bytes, covers 1 Gbit/s × 100 ms with a margin.
	DefaultRcvBufMax = 16 << 20
	// DefaultSndBufInit, in bytes, is what a writer may queue before the path is known.
	DefaultSndBufInit = 64 << 10
	// DefaultSndBufMax, in bytes, is twice the bandwidth-delay product above, so
	// that cwnd can be filled while as much again waits for acknowledgement.
	DefaultSndBufMax = 16 << 20

	// unsentMax, in bytes, is what a writer may queue behind what is in flight: a batch of full packets
	// (128, 175 KB), so that none leaves half empty, and a little more. What waits longer has left
	// the cache before it is sent; a writer is woken when a third of it has gone.
	unsentMax = 192 << 10

	// batchTime is how much longer than a lone packet, of which the least round-trip time tells, a full
	// batch is under way without standing in a queue: 128 packets are encrypted, sent, decrypted, taken
	// apart and acknowledged as one, each step on a processor that must first be woken (see Standing).
	batchTime = Millisecond

	// inboundSegments is how many segments may be on the way to any connection, see limitInbound: two that are
	// acknowledged while two more leave.
	inboundSegments = 4
	// repairRounds is for how many rounds after segments have come out of order there is no bound, and repairPath
	// how long the least round trip must be: on a shorter path what is lost was lost in a queue.
	repairRounds = 32
	repairPath   = 5 * Millisecond
	// plateauRounds is after how many round trips without growth a sender has found what the path carries.
	plateauRounds = 3

	// DefaultUserTimeout is R2 for data: at least 100 s by RFC 9293 §3.8.3
	// (SHLD-11); 15 min is close to Linux's 924 s.
	DefaultUserTimeout = 15 * 60 * Second
	// DefaultSynTimeout is R2 for a SYN: at least 3 min (RFC 9293 §3.8.3, MUST-23).
	DefaultSynTimeout = 180 * Second
	// DefaultTimeWait is 2·MSL. DEVIATION RFC 9293 §3.4.2: MSL is taken as 30 s
	// (not 2 min) as in Linux and the BSDs; packets do not live for minutes
	// in a WireGuard tunnel.
	DefaultTimeWait = 60 * Second
	// finWait2Timeout ends FIN-WAIT-2 of a connection that nobody holds any more
	// (Linux tcp_fin_timeout).
	finWait2Timeout = 60 * Second
	// orphanTimeout ends a closed connection whose remaining data makes no
	// progress: unacknowledged, or facing a closed window.
	orphanTimeout = 100 * Second
	// synAckTimeout bounds SYN-RECEIVED; the client gave up long before. Linux: 5
	// retransmissions, 63 s.
	synAckTimeout = 63 * Second

	// delayedAckMax is the delayed-ACK time; RFC 9293 §3.8.6.3 allows < 500 ms
	// (MUST-40); 40 ms is Linux's minimum.
	delayedAckMax = 40 * Millisecond
	// quickAcks is how many segments of data are acknowledged at once at the
	// start of a connection, so that the peer's slow start is not held back, and after disorder,
	// where a window of a few segments would wait for delayed ACKs (Linux' quick-ACK mode also
	// begins at duplicates): worth 1 % at 20 ms and 1 % of loss, 2 % at 100 ms and 3 %.
	quickAcks = 16

	// maxOutOfOrderRanges bounds the list of out-of-order ranges: work per segment
	// stays small under a flood of one-byte islands (CVE-2018-5390). A window that has
	// grown may have more: a range for every second segment (recvBuffer.maxRanges).
	maxOutOfOrderRanges = 128
	// windowSlack, in bytes, bounds by how much rounding up for window scaling may
	// exceed the buffer before rounding down is preferred (RFC 7323 §2.4).
	windowSlack = 64 << 10

	// minEffectiveMSS, in bytes, is the floor of what is sent whatever the peer or
	// an ICMP message asks for (CVE-2019-11479, RFC 5927 §7.3).
	minEffectiveMSS = 48
	// minPMTU, in bytes, is the lowest path MTU that is believed (Linux min_pmtu).
	minPMTU = 552
	// maxShortSegments is how many segments shorter than SMSS may be outstanding, and one more
	// for each shortSegmentShare bytes (or SMSS, if less) in flight: each costs a record of 72
	// bytes, which no budget counts. Linux counts them in cwnd, and sends ten at first.
	maxShortSegments  = 256
	shortSegmentShare = 256
	// defaultMSS is assumed without an MSS option (RFC 9293 §3.7.1, MUST-15).
	defaultMSS = 536

	// dupThresh is the duplicate threshold (RFC 5681 §3.2, RFC 8985 §6.2).
	dupThresh = 3
	// r1 is how many retransmissions of one segment go unanswered before the user
	// hears of it: at least 3 (RFC 9293 §3.8.3, SHLD-10).
	r1 = 3

	// challengeBurst and challengeInterval bound ACKs sent in answer to segments
	// that carry nothing useful (RFC 5961 §7, per connection: a global counter is
	// a side channel, CVE-2016-5696).
	challengeBurst    = 10
	challengeInterval = 100 * Millisecond

	// idleShrink is how long a connection must be quiet before its rings are freed.
	idleShrink = 2 * Second

	// memoryRetry is how long a writer that found no memory waits before it is told to
	// try again: nothing of its own connection need be in flight whose ACK would tell.
	memoryRetry = 100 * Millisecond

	// maxWindowShift is the largest window shift (RFC 7323 §2.3).
	maxWindowShift = 14

	// pawsIdle is the time after which TS.Recent is no longer trusted (RFC 7323 §5.5: 24 days).
	pawsIdle = 24 * 24 * 3600 * Second
)
